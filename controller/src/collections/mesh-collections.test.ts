import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type MeshObject, parseObject } from '@ambit/mesh/kinds';
import { formatCidr } from '@ambit/mesh/model';
import { MeshWorld, type Json, all, object, pod, service, slice, ours, SHOP, ports } from '../../test/mesh-world.ts';

test('deriveMesh makes a whole workload of a pod with its namespace, node and service', () => {
  const labels = {
    'topology.kubernetes.io/region': 'r',
    'topology.kubernetes.io/zone': 'z',
    'topology.istio.io/subzone': 's',
  };
  const world = new MeshWorld(
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

test('deriveMesh follows the life of a pod', () => {
  const world = new MeshWorld(SHOP);
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
  const world = new MeshWorld(
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

test('deriveMesh tells of the probes of enrolled pods, with the addresses of their node', () => {
  const probed = { containers: [{ name: 'c', readinessProbe: { tcpSocket: { port: 8080 } } }] };
  const world = new MeshWorld(
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

test('deriveMesh makes workloads of bare endpoint addresses until a pod or external workload has the address', () => {
  const world = new MeshWorld(
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
  const world = new MeshWorld(
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
  const world = new MeshWorld(
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
    const world = new MeshWorld(pod('web', '10.0.0.1'), ...objects);
    assert.deepEqual(world.workload('web').authorizationPolicies, expected, what);
  }
});

test('deriveMesh recomputes one pod for a pod, and only the pods that a service can select for a service', () => {
  const pods = Array.from({ length: 200 }, (_, index) =>
    pod(`p${index}`, `10.0.1.${index}`, {}, { labels: { app: `a${index % 20}` } }),
  );
  const world = new MeshWorld(SHOP, service('s', { selector: { app: 'a3' } }), ...pods);
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
  const world = new MeshWorld(
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
