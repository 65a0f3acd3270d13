import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyOf, type MeshObject, parseObject } from '@ambit/mesh/kinds';
import { type AccessPolicy, formatCidr, parseTrustDomain, type Service, type Workload } from '@ambit/mesh/model';
import type { PushedObject } from '@ambit/mesh/wire';
import type { MeshSettings } from '../translate/mesh-settings.ts';
import { CollectionGraph } from './collection-graph.ts';
import { deriveMesh } from './mesh-collections.ts';
import { applyChanges, createObjectCollections, type ObjectCollections } from './object-collections.ts';

const SETTINGS: MeshSettings = {
  clusterId: 'c1',
  clusterDomain: 'cluster.local',
  trustDomain: parseTrustDomain('cluster.local'),
  rootNamespace: 'ambit-system',
  defaultNetwork: 'net',
  excludedNamespaces: ['kube-system'],
};

type Json = Readonly<Record<string, unknown>>;

class World {
  readonly graph = new CollectionGraph();
  readonly objects: ObjectCollections = createObjectCollections(this.graph);
  readonly mesh = deriveMesh(this.graph, this.objects, SETTINGS);
  readonly #known = new Map<string, MeshObject>();

  constructor(...objects: readonly MeshObject[]) {
    this.put(...objects);
  }

  put(...objects: readonly MeshObject[]): void {
    applyChanges(
      this.objects,
      objects.map((object) => ({ kind: 'put', object })),
    );
    for (const object of objects) this.#known.set(keyOf(object), object);
    this.graph.commit();
  }

  remove(key: string): void {
    const last = this.#known.get(key);
    assert.ok(last);
    applyChanges(this.objects, [{ kind: 'delete', key: keyOf(last), last }]);
    this.graph.commit();
  }

  workload(name: string): Workload {
    const found = all(this.mesh.addresses).find(
      (object) => object.kind === 'workload' && object.workload.name === name,
    );
    return found?.kind === 'workload' ? found.workload : assert.fail(`no workload ${name}`);
  }

  service(name: string): Service {
    const found = all(this.mesh.addresses).find((object) => object.kind === 'service' && object.service.name === name);
    return found?.kind === 'service' ? found.service : assert.fail(`no service ${name}`);
  }

  get names(): readonly string[] {
    return all(this.mesh.addresses)
      .map((object) =>
        object.kind === 'workload' ? object.workload.uid : object.kind === 'service' ? object.service.key : '',
      )
      .toSorted();
  }

  get policies(): readonly AccessPolicy[] {
    return all(this.mesh.authorizations).flatMap((object) => (object.kind === 'policy' ? [object.policy] : []));
  }
}

function all(collection: { entries(): Iterable<readonly [string, PushedObject]> }): readonly PushedObject[] {
  return [...collection.entries()].map(([, object]) => object);
}

function object(apiVersion: string, kind: string, name: string, rest: Json = {}, meta: Json = {}): MeshObject {
  const namespace = kind === 'Namespace' || kind === 'Node' ? {} : { namespace: 'shop' };
  const parsed = parseObject({ apiVersion, kind, metadata: { name, ...namespace, ...meta }, ...rest });
  return parsed ?? assert.fail(`${kind} is not read`);
}

function pod(
  name: string,
  ip: string,
  spec: Json = {},
  meta: Json = { labels: { app: 'web' } },
  status: Json = {},
): MeshObject {
  const conditions = [{ type: 'Ready', status: 'True' }];
  return object(
    'v1',
    'Pod',
    name,
    { spec: { nodeName: 'host-a', ...spec }, status: { phase: 'Running', podIPs: [{ ip }], conditions, ...status } },
    meta,
  );
}

function service(name: string, spec: Json, meta: Json = {}): MeshObject {
  return object(
    'v1',
    'Service',
    name,
    { spec: { clusterIP: '10.96.0.1', ports: [{ port: 80, targetPort: 8080 }], ...spec } },
    meta,
  );
}

function slice(name: string, of: string, endpoints: readonly Json[], port = 9090): MeshObject {
  const labels = { 'kubernetes.io/service-name': of };
  return object(
    'discovery.k8s.io/v1',
    'EndpointSlice',
    name,
    { addressType: 'IPv4', endpoints, ports: [{ name: '', port }] },
    { labels },
  );
}

function ours(kind: string, name: string, spec: Json, meta: Json = {}): MeshObject {
  return object('ambit.dev/v1alpha1', kind, name, { spec }, meta);
}

const SHOP = object('v1', 'Namespace', 'shop', {}, { labels: { 'ambit.dev/mode': 'ambient' } });

function ports(workload: Workload): Readonly<Record<string, readonly (readonly [number, number])[]>> {
  return Object.fromEntries(
    [...workload.services].map(([key, list]) => [key, list.map((port) => [port.servicePort, port.targetPort])]),
  );
}

test('deriveMesh makes a whole workload of a pod with its namespace, node and service', () => {
  const labels = {
    'topology.kubernetes.io/region': 'r',
    'topology.kubernetes.io/zone': 'z',
    'topology.istio.io/subzone': 's',
  };
  const world = new World(
    SHOP,
    object('v1', 'Node', 'host-a', {}, { labels }),
    service('web', {
      selector: { app: 'web' },
      ports: [
        { port: 80, targetPort: 'http', name: 'http' },
        { port: 53, protocol: 'UDP' },
      ],
    }),
    pod(
      'web-7d9-x',
      '10.0.0.1',
      { serviceAccountName: 'web', containers: [{ name: 'c', ports: [{ name: 'http', containerPort: 8080 }] }] },
      {
        labels: { app: 'web', version: 'v2', 'pod-template-hash': '7d9' },
        ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web-7d9', controller: true }],
      },
      { podIPs: [{ ip: '10.0.0.1' }, { ip: '2001:DB8::1' }] },
    ),
  );
  assert.deepEqual(world.workload('web-7d9-x'), {
    uid: 'c1//Pod/shop/web-7d9-x',
    name: 'web-7d9-x',
    namespace: 'shop',
    addresses: ['10.0.0.1', '2001:db8::1'],
    hostname: '',
    network: 'net',
    tunnelProtocol: 'hbone',
    trustDomain: 'cluster.local',
    serviceAccount: 'web',
    node: 'host-a',
    canonicalName: 'web',
    canonicalRevision: 'v2',
    workloadType: 'deployment',
    workloadName: 'web',
    nativeTunnel: false,
    services: new Map([
      ['shop/web.shop.svc.cluster.local', [{ servicePort: 80, targetPort: 8080, appProtocol: 'http1' }]],
    ]),
    authorizationPolicies: [],
    status: 'healthy',
    clusterId: 'c1',
    locality: { region: 'r', zone: 'z', subzone: 's' },
    networkMode: 'standard',
    capacity: 1,
  });
});

test('deriveMesh makes a whole service, and keeps ExternalName services out', () => {
  const world = new World(
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

test('deriveMesh follows the life of a pod', () => {
  const world = new World(SHOP);
  const steps: [string, MeshObject, string][] = [
    ['without an address', pod('p', '10.0.0.1', {}, {}, { podIPs: [], phase: 'Pending' }), 'absent'],
    ['not ready', pod('p', '10.0.0.1', {}, {}, { conditions: [{ type: 'Ready', status: 'False' }] }), 'unhealthy'],
    ['ready', pod('p', '10.0.0.1', {}, {}), 'healthy'],
    ['deleting', pod('p', '10.0.0.1', {}, { deletionTimestamp: '2026-01-01T00:00:00Z' }), 'unhealthy'],
    ['finished', pod('p', '10.0.0.1', {}, {}, { phase: 'Succeeded' }), 'absent'],
  ];
  for (const [what, next, expected] of steps) {
    world.put(next);
    assert.equal(world.names.length === 0 ? 'absent' : world.workload('p').status, expected, what);
  }
});

test('deriveMesh publishes HBONE for exactly the enrolled pods and follows the labels', () => {
  const world = new World(
    SHOP,
    pod('plain', '10.0.0.1'),
    pod('out', '10.0.0.2', {}, { labels: { 'ambit.dev/mode': 'none' } }),
    pod('host', '10.0.0.3', { hostNetwork: true }),
    pod('system', '10.0.0.4', {}, { namespace: 'kube-system', labels: { 'ambit.dev/mode': 'ambient' } }),
    pod('own', '10.0.0.5', {}, { namespace: 'other', labels: { 'ambit.dev/mode': 'ambient' } }),
  );
  const tunnels = (): unknown =>
    ['plain', 'out', 'host', 'system', 'own'].map((name) => world.workload(name).tunnelProtocol);
  assert.deepEqual(tunnels(), ['hbone', 'none', 'none', 'none', 'hbone']);
  assert.equal(world.workload('host').networkMode, 'host-network');
  world.put(object('v1', 'Namespace', 'shop'));
  assert.deepEqual(tunnels(), ['none', 'none', 'none', 'none', 'hbone']);
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
  const world = new World(
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

test('deriveMesh tells of the probes of enrolled pods, with the addresses of their node', () => {
  const probed = { containers: [{ name: 'c', readinessProbe: { tcpSocket: { port: 8080 } } }] };
  const world = new World(
    SHOP,
    object('v1', 'Node', 'host-a', { status: { addresses: [{ type: 'InternalIP', address: '192.0.2.1' }] } }),
    pod('probed', '10.0.0.1', probed),
    pod('plain', '10.0.0.2'),
    pod('out', '10.0.0.3', probed, { labels: { 'ambit.dev/mode': 'none' } }),
  );
  const probes = [{ kind: 'tcp', port: 8080, timeoutMs: 1000 }];
  assert.deepEqual(
    ['probed', 'plain', 'out'].map((name) => world.workload(name).probes),
    [{ nodeAddresses: ['192.0.2.1'], probes }, undefined, undefined],
  );
  world.remove('Node//host-a');
  assert.deepEqual(world.workload('probed').probes, { nodeAddresses: [], probes });
});

test('deriveMesh maps services to pods by selector, ports by number and by name of each pod', () => {
  const named = (port: number): Json => ({
    containers: [{ name: 'c', ports: [{ name: 'http', containerPort: port }] }],
  });
  const world = new World(
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
  const world = new World(
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

test('deriveMesh makes workloads of bare endpoint addresses until a pod or external workload has the address', () => {
  const world = new World(
    service('db', {}),
    slice(
      'db-1',
      'db',
      [{ addresses: ['192.0.2.7', '192.0.2.8'] }, { addresses: ['192.0.2.9'], targetRef: { kind: 'Pod', name: 'x' } }],
      5432,
    ),
  );
  const bare = (ip: string): string => `c1/discovery.k8s.io/EndpointSlice/shop/${ip}`;
  const key = 'shop/db.shop.svc.cluster.local';
  assert.deepEqual(world.names, [bare('192.0.2.7'), bare('192.0.2.8'), key]);
  const workload = world.workload('192.0.2.7');
  assert.deepEqual(
    [workload.tunnelProtocol, workload.serviceAccount, ports(workload)],
    ['none', 'default', { [key]: [[80, 5432]] }],
  );
  world.put(ours('ExternalWorkload', 'legacy', { addresses: ['192.0.2.7'] }), pod('p', '192.0.2.8', {}, {}));
  assert.deepEqual(world.names, ['c1//Pod/shop/p', 'c1/ambit.dev/ExternalWorkload/shop/legacy', key]);
  assert.deepEqual(ports(world.workload('p')), { [key]: [[80, 5432]] });
  assert.deepEqual(ports(world.workload('legacy')), { [key]: [[80, 5432]] });
});

test('deriveMesh makes a workload of an external machine that backs services by label and by name', () => {
  const world = new World(
    SHOP,
    service('web', { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 'http' }] }),
    service('db', { ports: [{ port: 5432, targetPort: 5432 }] }),
    ours(
      'ExternalWorkload',
      'vm',
      {
        addresses: ['192.0.2.1'],
        serviceAccountName: 'vm',
        services: ['db'],
        ports: [{ name: 'http', port: 8000 }],
        tunnel: 'HBONE',
        nodeName: 'vm-1',
        network: 'dc',
        locality: { region: 'r' },
        weight: 3,
      },
      { labels: { app: 'web', 'app.kubernetes.io/version': '9' } },
    ),
  );
  const { services, ...workload } = world.workload('vm');
  assert.deepEqual(
    { ...workload, ports: ports({ ...workload, services }) },
    {
      uid: 'c1/ambit.dev/ExternalWorkload/shop/vm',
      name: 'vm',
      namespace: 'shop',
      addresses: ['192.0.2.1'],
      hostname: '',
      network: 'dc',
      tunnelProtocol: 'hbone',
      trustDomain: 'cluster.local',
      serviceAccount: 'vm',
      node: 'vm-1',
      canonicalName: 'web',
      canonicalRevision: '9',
      workloadType: 'pod',
      workloadName: 'vm',
      nativeTunnel: false,
      authorizationPolicies: [],
      status: 'healthy',
      clusterId: 'c1',
      locality: { region: 'r', zone: '', subzone: '' },
      networkMode: 'standard',
      capacity: 3,
      ports: { 'shop/db.shop.svc.cluster.local': [[5432, 5432]], 'shop/web.shop.svc.cluster.local': [[80, 8000]] },
    },
  );
});

test('deriveMesh attaches policies by selector, mesh-wide selector and target, and keeps the scopes apart', () => {
  const allow = (rest: Json = {}): Json => ({
    action: 'Allow',
    rules: [{ from: [{ namespaces: ['shop'] }] }],
    ...rest,
  });
  const selector = { selector: { matchLabels: { app: 'web' } } };
  const world = new World(
    pod('web', '10.0.0.1'),
    pod('db', '10.0.0.2', {}, { labels: { app: 'db' } }),
    ours('ExternalWorkload', 'vm', { addresses: ['192.0.2.1'] }),
    ours('AccessPolicy', 'ns', allow()),
    ours('AccessPolicy', 'mesh', allow(), { namespace: 'ambit-system' }),
    ours('AccessPolicy', 'web', allow(selector)),
    ours('AccessPolicy', 'all-web', allow(selector), { namespace: 'ambit-system' }),
    ours('AccessPolicy', 'other-web', allow(selector), { namespace: 'other' }),
    ours('AccessPolicy', 'vm', allow({ targetRefs: [{ group: 'ambit.dev', kind: 'ExternalWorkload', name: 'vm' }] })),
  );
  const attached = (): unknown => ['web', 'db', 'vm'].map((name) => world.workload(name).authorizationPolicies);
  assert.deepEqual(attached(), [['ambit-system/all-web', 'shop/web'], [], ['shop/vm']]);
  assert.deepEqual(world.policies.map(({ key, scope }) => `${key} ${scope}`).toSorted(), [
    '/mesh mesh',
    'ambit-system/all-web workload',
    'ambit-system/ambit_strict workload',
    'other/other-web workload',
    'shop/ns namespace',
    'shop/vm workload',
    'shop/web workload',
  ]);
  world.put(ours('AccessPolicy', 'web', allow()));
  assert.deepEqual(attached(), [['ambit-system/all-web'], [], ['shop/vm']]);
});

test('deriveMesh resolves mutual TLS by precedence, age and port', () => {
  const mtls = (name: string, spec: Json, meta: Json = {}): MeshObject => ours('MutualTLSPolicy', name, spec, meta);
  const web = { selector: { matchLabels: { app: 'web' } } };
  const aged = (year: number): Json => ({ creationTimestamp: `${year}-01-01T00:00:00Z` });
  const strict = ['ambit-system/ambit_strict'];
  const cases: [string, readonly MeshObject[], readonly string[]][] = [
    ['nothing says anything', [], []],
    ['mesh', [mtls('m', { mode: 'Strict' }, { namespace: 'ambit-system' })], strict],
    [
      'namespace over mesh',
      [mtls('m', { mode: 'Strict' }, { namespace: 'ambit-system' }), mtls('n', { mode: 'Permissive' })],
      [],
    ],
    ['workload over namespace', [mtls('n', { mode: 'Permissive' }), mtls('w', { ...web, mode: 'Strict' })], strict],
    ['another namespace', [mtls('n', { mode: 'Strict' }, { namespace: 'other' })], []],
    ['selector of other workloads', [mtls('w', { selector: { matchLabels: { app: 'db' } }, mode: 'Strict' })], []],
    ['oldest wins', [mtls('a', { mode: 'Strict' }, aged(2022)), mtls('b', { mode: 'Permissive' }, aged(2021))], []],
    ['equal age: first name wins', [mtls('b', { mode: 'Permissive' }), mtls('a', { mode: 'Strict' })], strict],
    [
      'ports',
      [mtls('w', { ...web, mode: 'Strict', ports: [{ port: 80, mode: 'Permissive' }] })],
      ['shop/ambit_mtls_w'],
    ],
  ];
  for (const [what, objects, expected] of cases) {
    const world = new World(pod('web', '10.0.0.1'), ...objects);
    assert.deepEqual(world.workload('web').authorizationPolicies, expected, what);
  }
});

test('deriveMesh recomputes one pod for a pod, and only the pods that a service can select for a service', () => {
  const pods = Array.from({ length: 200 }, (_, index) =>
    pod(`p${index}`, `10.0.1.${index}`, {}, { labels: { app: `a${index % 20}` } }),
  );
  const world = new World(SHOP, service('s', { selector: { app: 'a3' } }), ...pods);
  const cost = (change: () => void): number => {
    const before = world.graph.recomputed;
    change();
    return world.graph.recomputed - before;
  };
  // A pod with its policies, and its resource.
  assert.equal(
    cost(() => world.put(pod('p7', '10.0.1.7', {}, { labels: { app: 'a7', more: 'x' } }))),
    2,
  );
  // The service itself, its routes, its policies, and the ten pods with its label.
  assert.equal(
    cost(() => world.put(service('s', { selector: { app: 'a3' }, ports: [{ port: 81 }] }))),
    3 + 2 * 10,
  );
});

test('deriveMesh tells of the ranges that nodes give to their pods, with the network of the node', () => {
  const node = (name: string, podCIDRs: readonly string[], labels: Json = {}): MeshObject => {
    const object = { apiVersion: 'v1', kind: 'Node', metadata: { name, labels }, spec: { podCIDRs } };
    return parseObject(object) ?? assert.fail();
  };
  const world = new World(
    node('n1', ['10.244.0.0/24', 'fd00::/64']),
    node('n2', ['10.244.1.0/24'], { 'ambit.dev/network': 'east' }),
    node('n3', []),
  );
  const shown = (): readonly string[] =>
    all(world.mesh.ranges).map((object) => {
      const { name, network, blocks } = object.kind === 'ranges' ? object.ranges : assert.fail();
      return [name, network, ...blocks.map(formatCidr)].join(' ');
    });
  assert.deepEqual(shown(), ['Node/n1 net 10.244.0.0/24 fd00::/64', 'Node/n2 east 10.244.1.0/24']);
  world.put(node('n3', ['10.244.2.0/24']));
  world.remove('Node//n1');
  assert.deepEqual(shown(), ['Node/n2 east 10.244.1.0/24', 'Node/n3 net 10.244.2.0/24']);
});

test('deriveMesh tells of the waypoints of namespaces that have routes of their own to a service', () => {
  const gatewayApi = 'gateway.networking.k8s.io/v1';
  const parent = { group: '', kind: 'Service', name: 'web', namespace: 'shop' };
  const namespace = { namespace: 'other' };
  const world = new World(
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
  const world = new World(
    SHOP,
    service(
      'web',
      { selector: { app: 'web' }, ports: both },
      { labels: { 'ambit.dev/waypoint': 'wp' }, annotations: { 'ambit.dev/load-balancer': 'random' } },
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
