import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MeshObject } from '@ambit/mesh/kinds';
import { type Service } from '@ambit/mesh/model';
import { encodePushedObject, parseAddressResource } from '@ambit/mesh/wire';
import { MeshWorld, type Json, all, object, pod, service, slice, SHOP, ports } from '../../test/mesh-world.ts';

test('deriveMesh makes a whole service, and keeps ExternalName services out', () => {
  const world = new MeshWorld(
    SHOP,
    service('web', {
      clusterIPs: ['10.96.0.9', 'fd00::9'],
      ipFamilies: ['IPv4', 'IPv6'],
      trafficDistribution: 'PreferSameZone',
      ports: [{ port: 443, name: 'https', targetPort: 'tls' }],
    }),
    service('outside', { type: 'ExternalName', externalName: 'example.com' }),
  );
  assert.deepEqual(world.service('web'), {
    key: 'shop/web.shop.svc.cluster.local',
    name: 'web',
    namespace: 'shop',
    hostname: 'web.shop.svc.cluster.local',
    addresses: [
      { network: 'net', ip: '10.96.0.9' },
      { network: 'net', ip: 'fd00::9' },
    ],
    ports: [{ servicePort: 443, targetPort: 0, appProtocol: 'tls' }],
    portNames: new Map([['https', 443]]),
    subjectAltNames: [],
    weightedWaypoints: [],
    loadBalancing: { mode: 'failover', routingPreference: ['network', 'region', 'zone'], healthPolicy: 'only-healthy' },
    ipFamilies: 'dual',
    canonical: true,
    ingressUseWaypoint: false,
    visibility: 'public',
  });
  assert.deepEqual(world.names, ['shop/web.shop.svc.cluster.local']);
});

test('deriveMesh publishes waypoints as they are bound, and their pods as taking tunnels themselves', () => {
  const gateway = (waypointFor: string): MeshObject =>
    object(
      'gateway.networking.k8s.io/v1',
      'Gateway',
      'wp',
      { spec: { gatewayClassName: 'ambit-waypoint', listeners: [] } },
      { labels: { 'ambit.dev/waypoint-for': waypointFor } },
    );
  const ofWaypoint = {
    'ambit.dev/mode': 'none',
    'gateway.networking.k8s.io/gateway-name': 'wp',
    'gateway.networking.k8s.io/gateway-class-name': 'ambit-waypoint',
  };
  const world = new MeshWorld(
    object('v1', 'Namespace', 'shop', {}, { labels: { 'ambit.dev/mode': 'ambient', 'ambit.dev/waypoint': 'wp' } }),
    service('web', { selector: { app: 'web' } }),
    pod('web-1', '10.0.0.1'),
    pod('wp-1', '10.0.0.2', {}, { labels: ofWaypoint }),
  );
  const bound = (): unknown => {
    const key = 'shop/web.shop.svc.cluster.local';
    const service = all(world.mesh.addresses).find((one) => one.kind === 'service' && one.service.key === key);
    return [service?.kind === 'service' ? service.service.waypoint : null, world.workload('web-1').waypoint].map(
      (ref) => (ref?.destination.kind === 'hostname' ? ref.destination.hostname.hostname : null),
    );
  };
  const here = 'wp-ambit-waypoint.shop.svc.cluster.local';
  assert.deepEqual(bound(), [here, null], 'the Gateway is missing');
  world.put(gateway('workload'));
  assert.deepEqual(bound(), [null, here]);
  world.put(gateway('all'));
  assert.deepEqual(bound(), [here, here]);
  const { tunnelProtocol, nativeTunnel, waypoint } = world.workload('wp-1');
  assert.deepEqual([tunnelProtocol, nativeTunnel, waypoint], ['hbone', true, undefined]);
});

test('deriveMesh puts a canary waypoint on the wire, by its share', () => {
  const waypoints = ['wp', 'next'].map((name) =>
    object('gateway.networking.k8s.io/v1', 'Gateway', name, {
      spec: { gatewayClassName: 'ambit-waypoint', listeners: [] },
    }),
  );
  const [primary, canary] = ['wp-ambit-waypoint.shop.svc.cluster.local', 'next-ambit-waypoint.shop.svc.cluster.local'];
  const labels = { 'ambit.dev/waypoint': 'wp', 'ambit.dev/waypoint-canary': 'next' };
  const world = new MeshWorld(SHOP, ...waypoints);
  const sent = (weight: string): unknown => {
    world.put(service('web', {}, { labels, annotations: { 'ambit.dev/waypoint-canary-weight': weight } }));
    const { value } = encodePushedObject({ kind: 'service', service: world.service('web') });
    const read = parseAddressResource(value);
    const { waypoint, weightedWaypoints } = read.kind === 'service' ? read.service : assert.fail();
    assert.equal(waypoint?.destination.kind === 'hostname' && waypoint.destination.hostname.hostname, primary);
    return weightedWaypoints.map(({ waypoint: { destination }, weight: share }) =>
      destination.kind === 'hostname' ? [destination.hostname.hostname, share] : destination,
    );
  };
  assert.deepEqual(sent('25'), [
    [primary, 75],
    [canary, 25],
  ]);
  assert.deepEqual(sent('much'), [
    [primary, 100],
    [canary, 0],
  ]);
  world.remove('Gateway/shop/next');
  assert.deepEqual(sent('25'), []);
});

test('deriveMesh maps services to pods by selector, ports by number and by name of each pod', () => {
  const named = (port: number): Json => ({
    containers: [{ name: 'c', ports: [{ name: 'http', containerPort: port }] }],
  });
  const world = new MeshWorld(
    service('by-name', {
      selector: { app: 'web' },
      ports: [
        { port: 80, targetPort: 'http' },
        { port: 81, targetPort: 'other' },
      ],
    }),
    service('by-number', { selector: { app: 'web', tier: 'front' } }),
    service('no-selector', {}),
    pod('a', '10.0.0.1', named(8080), { labels: { app: 'web', tier: 'front' } }),
    pod('b', '10.0.0.2', named(9090)),
    pod('elsewhere', '10.0.0.3', named(1), { namespace: 'other', labels: { app: 'web' } }),
  );
  const [byName, byNumber] = ['shop/by-name.shop.svc.cluster.local', 'shop/by-number.shop.svc.cluster.local'];
  assert.deepEqual(ports(world.workload('a')), { [byName]: [[80, 8080]], [byNumber]: [[80, 8080]] });
  assert.deepEqual(ports(world.workload('b')), { [byName]: [[80, 9090]] });
  assert.deepEqual(ports(world.workload('elsewhere')), {});
  world.put(service('by-name', { selector: { app: 'other' } }));
  assert.deepEqual(ports(world.workload('b')), {});
  world.remove('Service/shop/by-number');
  assert.deepEqual(ports(world.workload('a')), {});
});

test('deriveMesh lets EndpointSlices decide where a service has any', () => {
  const key = 'shop/web.shop.svc.cluster.local';
  const ref = (name: string): Json => ({ targetRef: { kind: 'Pod', name } });
  const world = new MeshWorld(
    service('web', { selector: { app: 'web' } }),
    pod('a', '10.0.0.1'),
    pod('b', '10.0.0.2'),
    pod('h1', '10.1.0.1', { hostNetwork: true }),
    pod('h2', '10.1.0.1', { hostNetwork: true }),
    slice('web-1', 'web', [
      { addresses: ['10.0.0.1'], ...ref('a') },
      { addresses: ['10.0.0.2'], conditions: { ready: false }, ...ref('b') },
      { addresses: ['10.1.0.1'], ...ref('h1') },
    ]),
  );
  const members = (): Readonly<Record<string, unknown>> =>
    Object.fromEntries(['a', 'b', 'h1', 'h2'].map((name) => [name, ports(world.workload(name))[key]]));
  assert.deepEqual(members(), { a: [[80, 9090]], b: undefined, h1: [[80, 9090]], h2: undefined });
  world.put(service('web', { selector: { app: 'web' }, publishNotReadyAddresses: true }));
  assert.deepEqual(members(), { a: [[80, 9090]], b: [[80, 9090]], h1: [[80, 9090]], h2: undefined });
  world.remove('EndpointSlice/shop/web-1');
  assert.deepEqual(members(), { a: [[80, 8080]], b: [[80, 8080]], h1: [[80, 8080]], h2: [[80, 8080]] });
});

test('deriveMesh tells of the waypoints of namespaces that have routes of their own to a service', () => {
  const gatewayApi = 'gateway.networking.k8s.io/v1';
  const parent = { group: '', kind: 'Service', name: 'web', namespace: 'shop' };
  const namespace = { namespace: 'other' };
  const world = new MeshWorld(
    SHOP,
    service('web', {}),
    object('v1', 'Namespace', 'other', {}, { labels: { 'ambit.dev/waypoint': 'wp' } }),
    object(gatewayApi, 'HTTPRoute', 'mine', { spec: { parentRefs: [parent], rules: [{}] } }, namespace),
  );
  const waypoint = {
    destination: {
      kind: 'hostname',
      hostname: { namespace: 'other', hostname: 'wp-ambit-waypoint.other.svc.cluster.local' },
    },
    hboneMtlsPort: 15008,
  };
  // Missing as it is: its callers are refused meanwhile.
  assert.deepEqual(world.service('web').callerWaypoints, new Map([['other', waypoint]]));
  world.remove('HTTPRoute/other/mine');
  assert.equal(world.service('web').callerWaypoints, undefined);
});

test('deriveMesh makes a service of an import by the endpoints of the Service of its name', () => {
  const imported = (ports: readonly Json[], meta: Json = {}): MeshObject =>
    object(
      'multicluster.x-k8s.io/v1alpha1',
      'ServiceImport',
      'web',
      { spec: { type: 'ClusterSetIP', ips: ['10.42.0.1'], ports } },
      meta,
    );
  const own = 'shop/web.shop.svc.cluster.local';
  const ofSet = 'shop/web.shop.svc.clusterset.local';
  const both = [
    { name: 'http', port: 80, targetPort: 8080 },
    { name: 'admin', port: 90 },
  ];
  const world = new MeshWorld(
    SHOP,
    service(
      'web',
      { selector: { app: 'web' }, ports: both },
      {
        labels: { 'ambit.dev/waypoint': 'wp', 'ambit.dev/waypoint-canary': 'next' },
        annotations: { 'ambit.dev/load-balancer': 'random' },
      },
    ),
    // Some make the address of an import that of a Service of their own.
    service('derived-x', { clusterIP: '10.42.0.1' }),
    pod('web-1', '10.0.0.1'),
    imported([{ name: 'other', port: 80, appProtocol: 'http2' }, { port: 443 }]),
  );
  const found = (key: string): Service =>
    all(world.mesh.addresses).flatMap((one) =>
      one.kind === 'service' && one.service.key === key ? [one.service] : [],
    )[0] ?? assert.fail(key);
  const { hostname, addresses, ports: declared, waypoint, canonical, balanceBy } = found(ofSet);
  assert.deepEqual(
    [hostname, addresses, declared, waypoint, canonical, balanceBy],
    [
      'web.shop.svc.clusterset.local',
      [{ network: 'net', ip: '10.42.0.1' }],
      [{ servicePort: 80, targetPort: 8080, appProtocol: 'http2' }],
      found(own).waypoint,
      true,
      'random',
    ],
  );
  assert.equal(found('shop/derived-x.shop.svc.cluster.local').canonical, false);
  assert.deepEqual(ports(world.workload('web-1')), {
    [own]: [
      [80, 8080],
      [90, 90],
    ],
    [ofSet]: [[80, 8080]],
  });
  world.put(
    imported([{ port: 90 }]),
    slice('web-a', 'web', [{ addresses: ['10.0.0.1'], targetRef: { kind: 'Pod', name: 'web-1' } }]),
  );
  assert.deepEqual(Object.keys(ports(world.workload('web-1'))), []);
  world.remove('Service/shop/web');
  assert.deepEqual(world.names.includes(ofSet), false);
});
