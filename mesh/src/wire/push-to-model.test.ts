import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { buildPolicy, buildRule } from '../testing/policy-builder.ts';
import { buildService } from '../testing/service-builder.ts';
import { wireRefusal } from '../testing/wire-refusal.ts';
import { buildWaypointRef, buildWorkload } from '../testing/workload-builder.ts';
import { ADDRESS_TYPE_URL, AUTHORIZATION_TYPE_URL, WORKLOAD_TYPE_URL } from './discovery-messages.ts';
import { encodePushedObject } from './model-to-push.ts';
import { parseAuthorizationResource, parsePushedResource } from './push-to-model.ts';

const EVERYTHING = buildPolicy({
  name: 'p',
  namespace: '',
  scope: 'workload',
  action: 'deny',
  dryRun: true,
  rules: [
    { clauses: [] },
    buildRule([
      [],
      [
        {},
        {
          namespaces: ['a', 'b*'],
          notNamespaces: ['*c'],
          serviceAccounts: ['n/a'],
          notServiceAccounts: ['n/b'],
          principals: ['*'],
          notPrincipals: ['p'],
          sourceIps: ['10.0.0.0/8'],
          notSourceIps: ['10.0.0.1'],
          destinationIps: ['fd00::/8'],
          notDestinationIps: ['fd00::1', '0.0.0.0/0'],
          ports: [80, 0],
          notPorts: [65535],
        },
      ],
    ]),
  ],
});

describe('parsePushedResource()', () => {
  const policy = buildPolicy({ name: 'p' });
  const encoded = encodePushedObject({ kind: 'policy', policy });
  test('reads a resource by its type', () => {
    assert.deepEqual(parsePushedResource({ ...encoded, version: '1' }), { kind: 'policy', policy });
    const address = encodePushedObject({ kind: 'workload', workload: buildWorkload() });
    assert.deepEqual(parsePushedResource({ ...address, version: '1' }), {
      kind: 'workload',
      workload: buildWorkload(),
    });
  });
  test('refuses a name that is not that of its content', () => {
    assert.equal(
      wireRefusal(() => parsePushedResource({ ...encoded, version: '1', name: 'shop/q' })),
      'invalid-field resource.name',
    );
  });
  test('refuses a type that is not asked for', () => {
    for (const typeUrl of [WORKLOAD_TYPE_URL, '']) {
      assert.equal(
        wireRefusal(() => parsePushedResource({ ...encoded, version: '1', typeUrl })),
        'invalid-field resource.type_url',
      );
    }
  });
});

describe('encodePushedObject()', () => {
  test('names a workload by uid, with an alias for each address', () => {
    const workload = buildWorkload({ network: 'n', addresses: ['10.0.0.1', 'fd00::1'] });
    const { name, aliases, typeUrl } = encodePushedObject({ kind: 'workload', workload });
    assert.deepEqual([name, aliases, typeUrl], [workload.uid, ['n/10.0.0.1', 'n/fd00::1'], ADDRESS_TYPE_URL]);
  });
  test('gives a workload of the host network no alias', () => {
    const workload = buildWorkload({ networkMode: 'host-network' });
    assert.deepEqual(encodePushedObject({ kind: 'workload', workload }).aliases, []);
  });
  test('names a service by its key, with an alias for each VIP but not for blocks', () => {
    const service = buildService({ addresses: ['10.96.0.1', 'n/fd00::1', '10.0.0.0/8'] });
    const { name, aliases, typeUrl } = encodePushedObject({ kind: 'service', service });
    assert.deepEqual([name, aliases, typeUrl], [service.key, ['/10.96.0.1', 'n/fd00::1'], ADDRESS_TYPE_URL]);
  });
  test('names a policy by its key', () => {
    const { name, aliases, typeUrl } = encodePushedObject({ kind: 'policy', policy: EVERYTHING });
    assert.deepEqual([name, aliases, typeUrl], ['/p', [], AUTHORIZATION_TYPE_URL]);
  });
  test('writes every kind of condition so that it can be read again', () => {
    const { value } = encodePushedObject({ kind: 'policy', policy: EVERYTHING });
    assert.deepEqual(parseAuthorizationResource(value), EVERYTHING);
  });
  test('writes the bytes of the protocol', () => {
    // Field numbers of protocol.md 3.3, written by hand.
    const workload = buildWorkload({
      uid: 'u',
      name: 'w',
      namespace: 'n',
      addresses: ['10.0.0.1'],
      serviceAccount: '',
      node: '',
      canonicalName: '',
      canonicalRevision: '',
      workloadName: '',
      clusterId: '',
      waypoint: buildWaypointRef('n/g', 15009),
      capacity: 2,
    });
    const hex = Buffer.from(
      encodePushedObject({ kind: 'workload', workload: { ...workload, workloadType: 'deployment' } }).value,
    ).toString('hex');
    const fields = [
      '0a0177', // name
      '12016e', // namespace
      '1a040a000001', // addresses
      '2801', // tunnel protocol
      `320d${Buffer.from('cluster.local').toString('hex')}`, // trust domain
      '420b0a060a016e12016718a175', // waypoint: host name, port 15009
      'a2010175', // uid
      'c20100', // locality
      'da01020802', // capacity
    ];
    const body = fields.join('');
    assert.equal(hex, `0a${(body.length / 2).toString(16)}${body}`);
  });

  test('encodePushedObject() never leaves out what a policy says of requests', () => {
    const policy = buildPolicy({ match: [{ methods: ['GET'] }] });
    assert.equal(
      wireRefusal(() => encodePushedObject({ kind: 'policy', policy })),
      'invalid-field authorization',
    );
  });
});
