import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type LoadBalancing,
  type MeshViewUpdate,
  parseIpAddress,
  type Service,
  type WaypointRef,
  type Workload,
} from '@ambit/mesh/model';
import {
  buildService,
  buildWaypointRef,
  buildWorkload,
  type ServiceOptions,
  type WorkloadOptions,
} from '@ambit/mesh/testing';
import { client, decide, hbone, identity } from '../../test/outbound-decision.ts';
import { type OutboundRoute, routeToResolved } from './outbound-route.ts';

const SANS = [identity('far-web'), identity('far-web-v2')];
const service = buildService({ subjectAltNames: SANS });
const served = { [service.key]: ['80:8080'] };
const gateway = buildWorkload({ name: 'gateway', namespace: 'mesh', network: 'far', addresses: ['192.0.2.7'] });
const byAddress = (ip = '192.0.2.7', network = 'far'): WaypointRef => ({
  ...buildWaypointRef(ip, 15_009),
  destination: { kind: 'address', network, ip: parseIpAddress(ip) },
});
/** Split horizon: what is known here of all that is there. */
const far = buildWorkload({
  name: 'far',
  addresses: [],
  network: 'far',
  services: served,
  networkGateway: byAddress(),
});
const near = buildWorkload({ name: 'near', addresses: ['10.0.0.1'], services: served });

const throughGateway = (more: object = {}): object => ({
  kind: 'double-hbone',
  workload: gateway,
  far,
  hboneAddress: hbone('192.0.2.7', 15_009),
  authority: 'web.shop.svc.cluster.local:80',
  expectedIdentities: [identity('gateway', 'mesh')],
  innerIdentities: SANS,
  service,
  ...more,
});

describe('decideOutbound() towards another network', () => {
  test('goes through its gateway, asks for the name of the service, and expects whom the service names', () => {
    assert.deepEqual(decide({ services: [service], workloads: [far, gateway] }, '10.96.0.1:80'), throughGateway());
  });

  test('takes an address of a far workload for nothing: the gateway is the way there', () => {
    const addressed = { ...far, addresses: [hbone('10.0.0.1').ip], uid: near.uid };
    const world = { services: [service], workloads: [addressed, gateway] };
    assert.deepEqual(decide(world, '10.96.0.1:80'), throughGateway({ far: addressed }));
  });

  test('finds a gateway by the name of a service, with what that service claims and its target port', () => {
    const front = buildService({
      ...{ name: 'gw', namespace: 'mesh', addresses: [], ports: ['15008:15018'] },
      subjectAltNames: [identity('gw-alias', 'mesh')],
    });
    const pod = buildWorkload({
      ...{ name: 'gateway', namespace: 'mesh', network: 'far', addresses: ['192.0.2.7', '2001:db8::7'] },
      services: { [front.key]: ['15008:15018'] },
    });
    const named = { ...far, networkGateway: buildWaypointRef(front.key) };
    const route = {
      far: named,
      workload: pod,
      expectedIdentities: [identity('gateway', 'mesh'), identity('gw-alias', 'mesh')],
    };
    const v6 = buildService({ subjectAltNames: SANS, addresses: ['10.96.0.1', 'fd00:96::1'] });
    const world = { services: [v6, front], workloads: [named, pod] };
    assert.deepEqual(
      decide(world, '10.96.0.1:80'),
      throughGateway({ ...route, service: v6, hboneAddress: hbone('192.0.2.7', 15_018) }),
    );
    assert.deepEqual(
      decide(world, '[fd00:96::1]:80'),
      throughGateway({ ...route, service: v6, hboneAddress: hbone('2001:db8::7', 15_018) }),
    );
  });

  test('finds a gateway by the name of a workload, and resolves that name when it has no address', () => {
    const named = { ...far, networkGateway: buildWaypointRef('mesh/gw.example', 15_009) };
    const known = { ...gateway, hostname: 'gw.example' };
    assert.deepEqual(
      decide({ services: [service], workloads: [named, known] }, '10.96.0.1:80'),
      throughGateway({ far: named, workload: known }),
    );
    const nameOnly = { ...known, addresses: [] };
    const route = decide({ services: [service], workloads: [named, nameOnly] }, '10.96.0.1:80');
    assert.equal(route.kind, 'resolve');
    assert.deepEqual(
      route.kind === 'resolve' && routeToResolved(route, [parseIpAddress('192.0.2.8')], () => 0),
      throughGateway({ far: named, workload: nameOnly, hboneAddress: hbone('192.0.2.8', 15_009) }),
    );
  });

  test('counts near and far alike, unless the service prefers its own network', () => {
    const chosen = (loadBalancing: Partial<ServiceOptions>, workloads: readonly Workload[]): readonly string[] => {
      const to = buildService({ subjectAltNames: SANS, ...loadBalancing });
      const kinds = [0, 0.99].map(
        (random) =>
          decide({ services: [to], workloads: [...workloads, gateway] }, '10.96.0.1:80', { random: () => random }).kind,
      );
      return [...new Set(kinds)];
    };
    const prefer: LoadBalancing = {
      mode: 'failover',
      routingPreference: ['network', 'region', 'zone'],
      healthPolicy: 'only-healthy',
    };
    assert.deepEqual(chosen({}, [near, far]), ['direct-hbone', 'double-hbone']);
    assert.deepEqual(chosen({ loadBalancing: prefer }, [near, far]), ['direct-hbone']);
    assert.deepEqual(chosen({ loadBalancing: prefer }, [far, { ...near, status: 'unhealthy' }]), ['double-hbone']);
    const heavy = { ...far, capacity: 99 };
    assert.equal(
      decide({ services: [service], workloads: [near, heavy, gateway] }, '10.96.0.1:80', { random: () => 0.02 }).kind,
      'double-hbone',
    );
  });

  test('looks at open connections of what is there, not of its gateway', () => {
    const world = { services: [service], workloads: [near, far, gateway] };
    const busy = (name: string): OutboundRoute =>
      decide(world, '10.96.0.1:80', { openConnections: (uid) => (uid.endsWith(`/${name}`) ? 1 : 0) });
    assert.deepEqual(
      ['near', 'far', 'gateway'].map((name) => busy(name).kind),
      ['double-hbone', 'direct-hbone', 'direct-hbone'],
    );
  });

  const refusals: readonly (readonly [string, MeshViewUpdate, string])[] = [
    ['no gateway is known', { workloads: [withoutGateway(far)] }, 'no-network-gateway'],
    [
      'what is there takes no tunnels',
      { workloads: [{ ...far, tunnelProtocol: 'none' }, gateway] },
      'no-remote-tunnel',
    ],
    ['the gateway is not there', { workloads: [far] }, 'network-gateway-missing'],
    [
      'the gateway takes no tunnels',
      { workloads: [far, { ...gateway, tunnelProtocol: 'none' }] },
      'network-gateway-missing',
    ],
    ['the gateway has neither address nor name', namedGateway({ addresses: [] }), 'network-gateway-missing'],
    ['the gateway is not ready', namedGateway({ status: 'unhealthy' }), 'network-gateway-missing'],
  ];
  for (const [name, world, reason] of refusals) {
    test(`is refused when ${name}`, () => {
      const route = decide({ ...world, services: [service, ...(world.services ?? [])] }, '10.96.0.1:80');
      assert.deepEqual(route, { kind: 'refused', reason, service });
    });
  }

  test('is refused when nobody says who serves there', () => {
    for (const subjectAltNames of [[], ['not an identity']]) {
      const silent = buildService({ subjectAltNames });
      assert.deepEqual(decide({ services: [silent], workloads: [far, gateway] }, '10.96.0.1:80'), {
        kind: 'refused',
        reason: 'no-remote-identity',
        service: silent,
      });
    }
  });

  test('is not the answer while something near takes connections that no gateway is needed for', () => {
    const route = decide({ services: [service], workloads: [withoutGateway(far), near] }, '10.96.0.1:80', {
      random: () => 0.99,
    });
    assert.equal(route.kind, 'direct-hbone');
  });
});

describe('decideOutbound() and waypoints of another network', () => {
  const front = buildService({
    ...{ name: 'waypoint', addresses: [], ports: ['15008'] },
    subjectAltNames: [identity('waypoint')],
  });
  const waypoint = buildWorkload({
    ...{ name: 'waypoint', addresses: [], network: 'far' },
    ...{ services: { [front.key]: ['15008'] }, networkGateway: byAddress() },
  });
  const bound: Service = buildService({ waypoint: buildWaypointRef(front.key) });

  test('a service is asked for at the gateway, and its waypoint is who answers', () => {
    const world = { services: [bound, front], workloads: [waypoint, gateway, near] };
    assert.deepEqual(
      decide(world, '10.96.0.1:80'),
      throughGateway({ far: waypoint, service: bound, innerIdentities: [identity('waypoint')] }),
    );
  });

  test('a service is refused without a gateway to its waypoint, with one that is missing, and with an anonymous waypoint', () => {
    const anonymous = buildService({ name: 'waypoint', addresses: [], ports: ['15008'] });
    const rows: readonly (readonly [readonly Service[], readonly Workload[], string])[] = [
      [[bound, front], [withoutGateway(waypoint), gateway], 'waypoint-missing'],
      [[bound, front], [waypoint], 'network-gateway-missing'],
      [[bound, anonymous], [waypoint, gateway], 'no-remote-identity'],
    ];
    for (const [services, workloads, reason] of rows) {
      const route = decide({ services, workloads: [...workloads, near] }, '10.96.0.1:80');
      assert.deepEqual(route, { kind: 'refused', reason, service: bound });
    }
  });

  test('a workload is not asked for by name, so it is refused', () => {
    const db = buildWorkload({ name: 'db', addresses: ['10.0.0.7'], waypoint: buildWaypointRef(front.key) });
    assert.deepEqual(decide({ services: [front], workloads: [db, waypoint, gateway] }, '10.0.0.7:5432'), {
      kind: 'refused',
      reason: 'no-network-gateway',
    });
  });
});

describe('decideOutbound() for what is known by name', () => {
  const named = (more: WorkloadOptions = {}): Workload =>
    buildWorkload({ name: 'db', addresses: [], hostname: 'db.example', services: served, ...more });

  test('has the name resolved, then goes to one of its addresses of the family of the caller', () => {
    const db = named({ tunnelProtocol: 'none' });
    const route = decide({ services: [service], workloads: [db] }, '10.96.0.1:80');
    assert.deepEqual(route, {
      kind: 'resolve',
      hop: { to: 'destination', workload: db, port: 8080, service },
      like: parseIpAddress('10.96.0.1'),
    });
    const to = (random: number, ...addresses: string[]): unknown => {
      const found = route.kind === 'resolve' && routeToResolved(route, addresses.map(parseIpAddress), () => random);
      return found !== false && found.kind === 'direct-tcp' ? found.address.ip : found;
    };
    assert.equal(to(0, '2001:db8::1', '192.0.2.1', '192.0.2.2'), '192.0.2.1');
    assert.equal(to(0.9, '2001:db8::1', '192.0.2.1', '192.0.2.2'), '192.0.2.2');
    assert.equal(to(0, '2001:db8::1'), '2001:db8::1');
    const refused = { kind: 'refused', reason: 'name-not-resolved', service };
    assert.deepEqual([to(0), to(0, '127.0.0.1', '::1')], [refused, refused]);
  });

  test('tunnels to it as to any other workload when it is enrolled', () => {
    const db = named();
    const route = decide({ services: [service], workloads: [db] }, '10.96.0.1:80');
    assert.deepEqual(route.kind === 'resolve' && routeToResolved(route, [parseIpAddress('192.0.2.1')], () => 0), {
      kind: 'direct-hbone',
      workload: db,
      service,
      hboneAddress: hbone('192.0.2.1'),
      authority: '192.0.2.1:8080',
      expectedIdentities: [identity('db'), ...SANS],
    });
  });

  test('does not ask when an address is known', () => {
    const db = named({ addresses: ['10.0.0.7'] });
    assert.equal(decide({ services: [service], workloads: [db] }, '10.96.0.1:80').kind, 'direct-hbone');
  });

  test('has the name of a waypoint resolved as well', () => {
    const front = buildService({ name: 'waypoint', addresses: [], ports: ['15008'] });
    const waypoint = named({ name: 'waypoint', services: { [front.key]: ['15008'] } });
    const bound = buildService({ waypoint: buildWaypointRef(front.key) });
    const route = decide({ services: [bound, front], workloads: [waypoint] }, '10.96.0.1:80');
    assert.deepEqual(route.kind === 'resolve' && routeToResolved(route, [parseIpAddress('192.0.2.1')], () => 0), {
      kind: 'waypoint-hbone',
      workload: waypoint,
      service: bound,
      hboneAddress: hbone('192.0.2.1'),
      authority: '10.96.0.1:80',
      expectedIdentities: [identity('waypoint')],
    });
    assert.equal(client.hostname, '');
  });
});

function withoutGateway({ networkGateway: _, ...workload }: Workload): Workload {
  return workload;
}

/** A world whose far workload names its gateway by the service of a workload that is so. */
function namedGateway(more: WorkloadOptions): MeshViewUpdate {
  const front = buildService({ name: 'gw', namespace: 'mesh', addresses: [], ports: ['15008'] });
  const pod = buildWorkload({
    ...{ name: 'gateway', namespace: 'mesh' },
    services: { [front.key]: ['15008'] },
    ...more,
  });
  return { services: [front], workloads: [{ ...far, networkGateway: buildWaypointRef(front.key) }, pod] };
}
