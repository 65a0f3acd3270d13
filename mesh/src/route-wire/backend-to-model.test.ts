import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { parseServiceKey } from '../model/service.ts';
import { type BackendSecurity, securityOf } from '../routes/backend-security.ts';
import { createTestCa } from '../testing/test-ca.ts';
import { wireRefusal } from '../testing/wire-refusal.ts';
import type { DiscoveryResource } from '../wire/discovery-messages.ts';
import * as pb from '../wire/gen/ambit/waypoint/v1/backend_pb.ts';
import { closedBackend, parseBackend } from './backend-to-model.ts';
import { encodeBackend } from './encode-backend.ts';
import { ROUTE_WIRE_LIMITS } from './limits.ts';

const { rootPem } = createTestCa();

const BACKEND: BackendSecurity = {
  service: parseServiceKey('shop/web.shop.svc.cluster.local'),
  secured: [
    {
      ports: [443, 8443],
      security: {
        kind: 'tls',
        serverName: 'web.example',
        roots: { kind: 'pem', pem: rootPem },
        altNames: [
          { kind: 'hostname', hostname: '*.web.example' },
          { kind: 'uri', uri: 'spiffe://other/ns/shop/sa/web' },
        ],
      },
    },
    {
      ports: [444],
      security: { kind: 'tls', serverName: 'web.example', roots: { kind: 'system' }, altNames: [] },
    },
    { ports: [445], security: { kind: 'invalid', reason: 'NoValidCACertificate' } },
    { ports: [446], security: { kind: 'invalid', reason: 'Invalid' } },
  ],
};
const RESOURCE: DiscoveryResource = { ...encodeBackend(BACKEND), version: '1' };

test('parseBackend() gives what was encoded, and that encodes to the same bytes', () => {
  const read = parseBackend(RESOURCE);
  assert.deepEqual(read, BACKEND);
  assert.deepEqual({ ...encodeBackend(read), version: '1' }, RESOURCE);
  assert.deepEqual(securityOf(read, 446), { kind: 'invalid', reason: 'Invalid' });
  assert.deepEqual([securityOf(read, 80), securityOf(undefined, 443)], [null, null]);
});

test('closedBackend() closes every port of the Service that is named', () => {
  const closed = closedBackend(BACKEND.service);
  assert.equal(closed?.service, BACKEND.service);
  assert.deepEqual(securityOf(closed, 80), { kind: 'invalid', reason: 'Invalid' });
  assert.equal(securityOf(closed, 1), securityOf(closed, 443));
  assert.equal(closedBackend('web'), undefined);
});

test('parseBackend() refuses what is not right in every field, and names it', () => {
  const secured = (m: pb.Backend, index = 0): pb.SecuredPorts => m.secured[index] ?? assert.fail();
  const tls = (m: pb.Backend): pb.BackendTls => {
    const { kind } = secured(m);
    return kind.case === 'tls' ? kind.value : assert.fail();
  };
  const name = (m: pb.Backend, kind: pb.CertificateName['kind']): void => {
    (tls(m).altNames[0] ?? assert.fail()).kind = kind;
  };
  const FIRST = 'backend.secured[0]';
  const table: readonly (readonly [refusal: string, edit: (message: pb.Backend) => void])[] = [
    ['invalid-field backend.service', (m) => void (m.service = 'web')],
    ['invalid-field resource.name', (m) => void (m.service = 'shop/v1.example')],
    ['invalid-field backend.secured', (m) => void (m.secured = [])],
    ['invalid-field backend.secured', (m) => void (secured(m, 1).ports = [443])],
    [`invalid-field ${FIRST}.ports`, (m) => void (secured(m).ports = [])],
    [`invalid-field ${FIRST}.ports[1]`, (m) => void (secured(m).ports = [1, 0])],
    [`invalid-field ${FIRST}`, (m) => void (secured(m).kind = { case: undefined })],
    [`unknown-enum-value ${FIRST}.invalid`, (m) => void (secured(m).kind = { case: 'invalid', value: 0 })],
    [`invalid-field ${FIRST}.tls.server_name`, (m) => void (tls(m).serverName = '*.example')],
    [`invalid-field ${FIRST}.tls.server_name`, (m) => void (tls(m).serverName = '')],
    [`invalid-field ${FIRST}.tls.roots`, (m) => void (tls(m).roots = { case: undefined })],
    [`invalid-field ${FIRST}.tls.pem`, (m) => void (tls(m).roots = { case: 'pem', value: '' })],
    [`invalid-field ${FIRST}.tls.pem`, (m) => void (tls(m).roots = { case: 'pem', value: `${rootPem}x` })],
    [
      `over-limit ${FIRST}.tls.pem`,
      (m) => void (tls(m).roots = { case: 'pem', value: 'x'.repeat(ROUTE_WIRE_LIMITS.rootsLength + 1) }),
    ],
    [
      `over-limit ${FIRST}.tls.alt_names`,
      (m) => void (tls(m).altNames = Array.from({ length: 6 }, () => tls(m).altNames[0] ?? assert.fail())),
    ],
    [`invalid-field ${FIRST}.tls.alt_names[0]`, (m) => name(m, { case: undefined })],
    [`invalid-field ${FIRST}.tls.alt_names[0].hostname`, (m) => name(m, { case: 'hostname', value: 'A' })],
    [`invalid-field ${FIRST}.tls.alt_names[0].uri`, (m) => name(m, { case: 'uri', value: 'a' })],
    [`invalid-field ${FIRST}.tls`, (m) => void (tls(m).$unknown = [{ no: 99, wireType: 0, data: Uint8Array.of(1) }])],
  ];
  for (const [refusal, edit] of table) {
    const message = fromBinary(pb.BackendSchema, RESOURCE.value);
    edit(message);
    const resource = { ...RESOURCE, value: toBinary(pb.BackendSchema, message) };
    assert.equal(
      wireRefusal(() => parseBackend(resource)),
      refusal,
    );
  }
  const other = { ...RESOURCE, typeUrl: 'type.googleapis.com/other' };
  assert.equal(
    wireRefusal(() => parseBackend(other)),
    'invalid-field resource.type_url',
  );
});
