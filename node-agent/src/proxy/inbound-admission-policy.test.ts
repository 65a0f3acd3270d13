import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createMeshViewStore, parseSpiffeId, type SpiffeId } from '@ambit/mesh/model';
import { buildPolicy, buildService, buildWorkload } from '@ambit/mesh/testing';
import {
  address,
  allowedTo,
  type AdmissionRow,
  connectionTo,
  denied,
  denyPort,
  key,
  OPEN,
  refused503,
  testAdmissions,
  viewOf,
} from '../../test/inbound-decision.ts';
import { reauthorize } from './inbound-admission.ts';

const stranger: SpiffeId = parseSpiffeId('spiffe://cluster.local/ns/other/sa/client');
const webService = buildService({ ports: ['80:8080', '443:0'] });

const allowClient = buildPolicy({ name: 'allow-client', match: [{ principals: ['cluster.local/ns/shop/sa/client'] }] });
const denyOther = buildPolicy({ name: 'deny-other', action: 'deny', match: [{ namespaces: ['other'] }] });
const denyTunnelPort = buildPolicy({ name: 'deny-tunnel-port', action: 'deny', match: [{ ports: [15008] }] });
const denySource = buildPolicy({ name: 'deny-source', action: 'deny', match: [{ sourceIps: ['10.0.0.9'] }] });
const denyDestination = buildPolicy({
  name: 'deny-destination',
  action: 'deny',
  match: [{ destinationIps: ['10.0.0.1'] }],
});

const policyRows: readonly AdmissionRow[] = [
  {
    name: 'an ALLOW policy that names the peer',
    world: { policies: [allowClient] },
    authority: '10.0.0.1:8080',
    expected: {
      ...allowedTo('10.0.0.1:8080'),
      decision: { verdict: 'allow', reason: 'allow-policy-matched', policy: key('allow-client'), dryRun: [] },
    },
  },
  {
    name: 'an ALLOW policy that names somebody else',
    world: { policies: [allowClient] },
    connection: connectionTo('10.0.0.1:15008', stranger),
    authority: '10.0.0.1:8080',
    expected: denied('no-allow-policy-matched'),
  },
  {
    name: 'DENY before ALLOW',
    world: { policies: [buildPolicy({ name: 'allow-all', match: [{ principals: ['*'] }] }), denyOther] },
    connection: connectionTo('10.0.0.1:15008', stranger),
    authority: '10.0.0.1:8080',
    expected: denied('deny-policy-matched', { policy: key('deny-other') }),
  },
  {
    name: "a DENY for the application's port",
    world: { policies: [denyPort] },
    authority: '10.0.0.1:8080',
    expected: denied('deny-policy-matched', { policy: key('deny-port') }),
  },
  {
    name: "a DENY for the application's port behind a hostname",
    world: { policies: [denyPort], services: [webService] },
    authority: `${webService.hostname}:80`,
    expected: denied('deny-policy-matched', { policy: key('deny-port') }),
  },
  {
    name: 'a DENY for the tunnel port says nothing about the application',
    world: { policies: [denyTunnelPort] },
    authority: '10.0.0.1:8080',
    expected: allowedTo('10.0.0.1:8080'),
  },
  {
    name: 'a DENY for the source address',
    world: { policies: [denySource] },
    authority: '10.0.0.1:8080',
    expected: denied('deny-policy-matched', { policy: key('deny-source') }),
  },
  {
    name: 'a DENY for the destination address',
    world: { policies: [denyDestination] },
    authority: '10.0.0.1:8080',
    expected: denied('deny-policy-matched', { policy: key('deny-destination') }),
  },
  {
    name: 'a policy that has not arrived',
    local: { policies: ['shop/late'] },
    authority: '10.0.0.1:8080',
    expected: denied('policy-not-received', { policy: key('late') }),
  },
  {
    name: 'an illegal port is not worth asking policy about',
    local: { policies: ['shop/late'] },
    authority: '10.0.0.1:15008',
    expected: refused503('illegal-port'),
  },
  {
    name: 'a DENY in dry run only speaks',
    world: { policies: [{ ...denySource, dryRun: true }] },
    authority: '10.0.0.1:8080',
    expected: {
      ...allowedTo('10.0.0.1:8080'),
      decision: { ...OPEN, dryRun: [{ policy: key('deny-source'), would: 'deny' }] },
    },
  },
];

testAdmissions('admitInbound() and policy', policyRows);

describe('reauthorize()', () => {
  test('asks about the admitted target under the policies of now', () => {
    const workload = buildWorkload();
    const store = createMeshViewStore();
    store.apply({ workloads: [workload] });
    const connection = connectionTo('10.0.0.1:15008');
    assert.deepEqual(reauthorize(store.view, workload, connection, address('10.0.0.1:8080')), OPEN);
    store.apply({ policies: [denyPort] });
    assert.deepEqual(reauthorize(store.view, workload, connection, address('10.0.0.1:8080')), {
      verdict: 'deny',
      reason: 'deny-policy-matched',
      policy: key('deny-port'),
      dryRun: [],
    });
    assert.deepEqual(reauthorize(store.view, workload, connection, address('10.0.0.1:8081')), OPEN);
  });

  test('does not lend an identity to a plaintext connection', () => {
    const workload = buildWorkload();
    const view = viewOf({
      workloads: [workload],
      policies: [buildPolicy({ action: 'deny', match: [{ notPrincipals: ['*'] }] })],
    });
    const connection = { ...connectionTo('10.0.0.1:8080'), peer: null };
    assert.equal(reauthorize(view, workload, connection, address('10.0.0.1:8080')).verdict, 'deny');
    assert.equal(reauthorize(view, workload, connectionTo('10.0.0.1:8080'), address('10.0.0.1:8080')).verdict, 'allow');
  });
});
