import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createMeshViewStore,
  type MeshView,
  parseIpAddress,
  parsePort,
  type Service,
  type Workload,
} from '@ambit/mesh/model';
import { buildService, buildWaypointRef, buildWorkload, type WorkloadOptions } from '@ambit/mesh/testing';
import type { Admission } from '../proxy/inbound-admission.ts';
import type { OutboundRoute } from '../proxy/outbound-route.ts';
import { decideInboundCounting, decideOutboundCounting } from './decide-request-counting.ts';

type Allowed = Extract<Admission, { kind: 'allowed' }>;

const gateway = buildService({ name: 'gateway', addresses: ['10.96.0.99'], ports: ['15008:15018'] });
const waypoint = buildWorkload({ name: 'gateway', addresses: ['10.0.0.50'], services: { [gateway.key]: ['15008'] } });
const client = buildWorkload({ name: 'client', addresses: ['10.0.0.9'] });
const ref = buildWaypointRef(gateway.key);

function viewOf(services: readonly Service[], workloads: readonly Workload[]): MeshView {
  const store = createMeshViewStore();
  store.apply({ workloads: [waypoint, client, ...workloads], services: [gateway, ...services] });
  return store.view;
}

function isCounted(source: Workload | undefined, service: Service, options: WorkloadOptions = {}): boolean {
  const workload = buildWorkload({ services: { [service.key]: ['80'] }, ...options });
  const ip = workload.addresses[0] ?? assert.fail();
  const target = { ip, port: parsePort(80) };
  const admission: Allowed = {
    kind: 'allowed',
    workload,
    policyTarget: target,
    target,
    decision: { verdict: 'allow', dryRun: [] } as unknown as Allowed['decision'],
  };
  return decideInboundCounting(viewOf([service], [workload]), source, admission);
}

test('decideOutboundCounting() leaves what goes to a waypoint to the waypoint, in whatever network', () => {
  const tunnel = {
    hboneAddress: { ip: parseIpAddress('10.0.0.1'), port: parsePort(15008) },
    authority: '10.96.0.1:80',
    expectedIdentities: [],
    innerIdentities: [],
    workload: client,
  };
  const bound = buildService({ waypoint: ref });
  const view = viewOf([bound], []);
  const cases: readonly (readonly [boolean, OutboundRoute])[] = [
    [true, { kind: 'direct-hbone', ...tunnel, service: bound }],
    [true, { kind: 'passthrough', address: tunnel.hboneAddress }],
    [false, { kind: 'waypoint-hbone', ...tunnel }],
    [true, { kind: 'double-hbone', ...tunnel, far: client }],
    [true, { kind: 'double-hbone', ...tunnel, far: client, service: bound }],
    [false, { kind: 'double-hbone', ...tunnel, far: waypoint, service: bound }],
  ];
  for (const [isCounted, route] of cases) assert.equal(decideOutboundCounting(view, route), isCounted, route.kind);
});

test('decideInboundCounting() leaves what a waypoint of the workload or of its services sends to the waypoint', () => {
  const plain = buildService();
  for (const [name, service, options] of [
    ['of the service', buildService({ waypoint: ref }), {}],
    ['of the service, by its address', buildService({ waypoint: buildWaypointRef('10.96.0.99') }), {}],
    ['of the service, weighted', buildService({ weightedWaypoints: [{ waypoint: ref, weight: 1 }] }), {}],
    ['of callers', buildService({ callerWaypoints: new Map([['other', ref]]) }), {}],
    ['of the workload', plain, { waypoint: ref }],
    ['of the workload, by its address', plain, { waypoint: buildWaypointRef('10.0.0.50') }],
  ] as const) {
    assert.equal(isCounted(waypoint, service, options), false, name);
    assert.equal(isCounted(client, service, options), true, name);
    assert.equal(isCounted(undefined, service, options), true, name);
  }
  assert.equal(isCounted(waypoint, plain), true);
});
