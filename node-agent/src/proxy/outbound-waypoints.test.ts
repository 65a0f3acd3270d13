import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type MeshViewUpdate, type Service } from '@ambit/mesh/model';
import { buildService, buildWaypointRef, buildWorkload } from '@ambit/mesh/testing';
import { client, decide, endpoint, hbone, identity, service } from '../../test/outbound-decision.ts';

describe('decideOutbound() and waypoints', () => {
  const gateway = buildService({ name: 'gateway', addresses: ['10.96.0.99'], ports: ['15008:15018'] });
  const waypoint = buildWorkload({
    name: 'gateway',
    addresses: ['10.0.0.50'],
    services: { [gateway.key]: ['15008:15018'] },
  });
  const bound = buildService({ waypoint: buildWaypointRef(gateway.key) });
  const toWaypoint = (authority: string, more: object = {}): object => ({
    kind: 'waypoint-hbone',
    workload: waypoint,
    hboneAddress: hbone('10.0.0.50', 15018),
    authority,
    expectedIdentities: [identity('gateway')],
    ...more,
  });

  test('the service goes to its waypoint with the address that was dialled', () => {
    const world = { services: [bound, gateway], workloads: [waypoint, endpoint('a')] };
    assert.deepEqual(decide(world, '10.96.0.1:80'), toWaypoint('10.96.0.1:80', { service: bound }));
  });

  test('where the service has none, callers of a namespace with routes of their own go through that of theirs', () => {
    const ownWaypoint = new Map([[client.namespace, buildWaypointRef(gateway.key)]]);
    const open = buildService({ callerWaypoints: ownWaypoint });
    const world = { services: [open, gateway], workloads: [waypoint, endpoint('a')] };
    assert.deepEqual(decide(world, '10.96.0.1:80'), toWaypoint('10.96.0.1:80', { service: open }));
    const stranger = buildWorkload({ name: 'stranger', namespace: 'other', addresses: ['10.0.0.8'] });
    assert.equal(decide(world, '10.96.0.1:80', { source: stranger }).kind, 'direct-hbone');
    assert.equal(decide(world, '10.96.0.1:80', { source: waypoint }).kind, 'direct-hbone');
    assert.deepEqual(decide({ services: [open], workloads: [endpoint('a')] }, '10.96.0.1:80'), {
      kind: 'refused',
      reason: 'waypoint-missing',
      service: open,
    });
    const both = buildService({ waypoint: buildWaypointRef('10.0.0.77'), callerWaypoints: ownWaypoint });
    assert.equal(decide({ ...world, services: [both, gateway] }, '10.96.0.1:80').kind, 'refused');
  });

  test('a waypoint named by its VIP is the same', () => {
    const byVip = buildService({ waypoint: buildWaypointRef('10.96.0.99') });
    const world = { services: [byVip, gateway], workloads: [waypoint] };
    assert.deepEqual(decide(world, '10.96.0.1:80'), toWaypoint('10.96.0.1:80', { service: byVip }));
  });

  test('a workload named as waypoint is reached at the port it was named with', () => {
    const byAddress = buildWorkload({
      name: 'db',
      addresses: ['10.0.0.7'],
      waypoint: buildWaypointRef('10.0.0.50', 15008),
    });
    assert.deepEqual(
      decide({ workloads: [byAddress, waypoint] }, '10.0.0.7:5432'),
      toWaypoint('10.0.0.7:5432', { hboneAddress: hbone('10.0.0.50', 15008) }),
    );
  });

  test('a workload reached through a service without waypoint goes past its own waypoint', () => {
    const one = endpoint('a', { waypoint: buildWaypointRef(gateway.key) });
    assert.equal(
      decide({ services: [service, gateway], workloads: [one, waypoint] }, '10.96.0.1:80').kind,
      'direct-hbone',
    );
  });

  test('one of several waypoints is chosen by weight', () => {
    const canary = buildService({ name: 'canary', addresses: ['10.96.0.98'], ports: ['15008'] });
    const canaryPod = buildWorkload({
      name: 'canary',
      addresses: ['10.0.0.51'],
      services: { [canary.key]: ['15008'] },
    });
    const weighted = (primary: number, second: number): Service =>
      buildService({
        weightedWaypoints: [
          { waypoint: buildWaypointRef(gateway.key), weight: primary },
          { waypoint: buildWaypointRef(canary.key), weight: second },
        ],
      });
    const chosen = (to: Service, random: number): unknown => {
      const world = { services: [to, gateway, canary], workloads: [waypoint, canaryPod] };
      const route = decide(world, '10.96.0.1:80', { random: () => random });
      return route.kind === 'waypoint-hbone' && route.workload.name;
    };
    assert.deepEqual(
      [0, 0.8, 0.95].map((random) => chosen(weighted(90, 10), random)),
      ['gateway', 'gateway', 'canary'],
    );
    assert.deepEqual(
      [0, 0.99].map((random) => chosen(weighted(0, 10), random)),
      ['canary', 'canary'],
    );
    assert.equal(chosen(weighted(0, 0), 0), 'gateway');
    const lost = { services: [{ ...weighted(0, 100), waypoint: buildWaypointRef(gateway.key) }, gateway, canary] };
    const left = decide({ ...lost, workloads: [waypoint] }, '10.96.0.1:80');
    assert.equal(left.kind === 'waypoint-hbone' && left.workload.name, 'gateway', 'the canary has no pod');
    assert.equal(decide(lost, '10.96.0.1:80').kind, 'refused');
  });

  const missing: readonly (readonly [string, MeshViewUpdate])[] = [
    ['is not known', { services: [bound] }],
    ['has no endpoint', { services: [bound, gateway] }],
    ['is unhealthy', { services: [bound, gateway], workloads: [{ ...waypoint, status: 'unhealthy' }] }],
    ['takes no tunnels', { services: [bound, gateway], workloads: [{ ...waypoint, tunnelProtocol: 'none' }] }],
    ['has no address', { services: [bound, gateway], workloads: [{ ...waypoint, addresses: [] }] }],
  ];
  for (const [name, world] of missing) {
    test(`a waypoint that ${name} refuses rather than goes direct`, () => {
      const route = decide({ ...world, workloads: [...(world.workloads ?? []), endpoint('a')] }, '10.96.0.1:80');
      assert.deepEqual(route, { kind: 'refused', reason: 'waypoint-missing', service: bound });
    });
  }

  test('an unknown waypoint address of a workload refuses', () => {
    const lost = buildWorkload({ name: 'db', addresses: ['10.0.0.7'], waypoint: buildWaypointRef('10.0.0.50') });
    assert.deepEqual(decide({ workloads: [lost] }, '10.0.0.7:5432'), { kind: 'refused', reason: 'waypoint-missing' });
  });

  test('a waypoint of a workload is known by the name of another workload as well', () => {
    const named = buildWorkload({ name: 'db', addresses: ['10.0.0.7'], waypoint: buildWaypointRef('shop/gw.example') });
    const pod = buildWorkload({ name: 'gateway', addresses: ['10.0.0.50'], hostname: 'gw.example' });
    assert.deepEqual(
      decide({ workloads: [named, pod] }, '10.0.0.7:5432'),
      toWaypoint('10.0.0.7:5432', { hboneAddress: hbone('10.0.0.50'), workload: pod }),
    );
    assert.deepEqual(decide({ workloads: [named] }, '10.0.0.7:5432'), { kind: 'refused', reason: 'waypoint-missing' });
  });

  test('a waypoint that takes all in one tunnel need not have its port in its service', () => {
    const open = buildService({ name: 'gateway', addresses: ['10.96.0.99'], ports: [] });
    const sandwich = {
      ...waypoint,
      services: new Map([[open.key, []]]),
      applicationTunnel: { protocol: 'proxy', port: 15088 },
    } as const;
    assert.deepEqual(
      decide({ services: [bound, open], workloads: [sandwich] }, '10.96.0.1:80'),
      toWaypoint('10.96.0.1:80', { hboneAddress: hbone('10.0.0.50'), workload: sandwich, service: bound }),
    );
  });

  test("a waypoint named by its address is reached at that of its family, one named by name at the caller's", () => {
    const dual = { ...waypoint, addresses: [hbone('10.0.0.50').ip, hbone('fd00::50').ip] };
    const to = (ref: string): unknown => {
      const db = buildWorkload({ name: 'db', addresses: ['fd00::7'], waypoint: buildWaypointRef(ref) });
      const route = decide({ services: [gateway], workloads: [db, dual] }, '[fd00::7]:5432');
      return route.kind === 'waypoint-hbone' && route.hboneAddress.ip;
    };
    assert.deepEqual([to('10.0.0.50'), to('10.96.0.99'), to(gateway.key)], ['10.0.0.50', '10.0.0.50', 'fd00::50']);
  });

  test('the waypoint itself goes on to the destination', () => {
    const world = { services: [bound, gateway], workloads: [endpoint('a')] };
    assert.equal(decide(world, '10.96.0.1:80', { source: waypoint }).kind, 'direct-hbone');
    const behind = buildWorkload({ name: 'db', addresses: ['10.0.0.7'], waypoint: buildWaypointRef('10.0.0.50') });
    assert.equal(decide({ workloads: [behind] }, '10.0.0.7:5432', { source: waypoint }).kind, 'direct-hbone');
  });
});
