import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type MeshObject, parseObject } from '@ambit/mesh/kinds';
import {
  authorize,
  createMeshViewStore,
  normalisePath,
  parseIpAddress,
  parseServiceKey,
  parseSpiffeId,
} from '@ambit/mesh/model';
import { Authorizer, policiesAt, type PolicySet, type PolicySetName, servicePolicySet } from '@ambit/mesh/policies';
import { core, own, SETTINGS } from '../../test/policy-objects.ts';
import { CollectionGraph } from './collection-graph.ts';
import { deriveMesh } from './mesh-collections.ts';
import { applyChanges, createObjectCollections } from './object-collections.ts';

type Json = Readonly<Record<string, unknown>>;

const WAYPOINT = 'ambit.dev/waypoint';
const BYPASS = 'ambit.dev/waypoint-bypass';
const SELECTED = { selector: { matchLabels: { app: 'web' } } };
const GET: Json = { to: [{ methods: ['GET'] }] };
const FROM_CHECKOUT: Json = { from: [{ serviceAccounts: ['checkout'] }] };

function service(name: string, labels: Json = {}, annotations: Json = {}): Json {
  const spec = { selector: { app: name }, clusterIP: '10.9.0.1', ports: [{ port: 80, targetPort: 8080 }] };
  return core('Service', 'shop', name, { spec }, { labels, annotations });
}

function gateway(name: string, waypointFor = 'service'): Json {
  const spec = { gatewayClassName: 'ambit-waypoint', listeners: [] };
  const json = core('Gateway', 'shop', name, { spec }, { labels: { 'ambit.dev/waypoint-for': waypointFor } });
  return { ...json, apiVersion: 'gateway.networking.k8s.io/v1' };
}

function namespace(labels: Json = {}): Json {
  return core('Namespace', '', 'shop', {}, { labels: { 'ambit.dev/mode': 'ambient', ...labels } });
}

function web(labels: Json = {}): Json {
  const status = { phase: 'Running', podIP: '10.0.0.1', podIPs: [{ ip: '10.0.0.1' }] };
  return core('Pod', 'shop', 'web-1', { spec: { nodeName: 'n' }, status }, { labels: { app: 'web', ...labels } });
}

function policy(name: string, spec: Json, home = 'shop'): Json {
  return own('AccessPolicy', home, name, { action: 'Allow', rules: [GET], ...spec });
}

function target(kind: 'Service' | 'Gateway' | 'GatewayClass', name: string): Json {
  return { targetRefs: [{ group: kind === 'Service' ? '' : 'gateway.networking.k8s.io', kind, name }] };
}

class World {
  readonly #graph = new CollectionGraph();
  readonly #objects = createObjectCollections(this.#graph);
  readonly #mesh = deriveMesh(this.#graph, this.#objects, SETTINGS);

  constructor(objects: readonly Json[]) {
    const parsed = objects.map((json): MeshObject => parseObject(json) ?? assert.fail());
    applyChanges(
      this.#objects,
      parsed.map((object) => ({ kind: 'put', object })),
    );
    this.#graph.commit();
  }

  /** What the node agent of the pod says of a connection of `account` (`-` for plaintext), and by which policy. */
  direct(account: string): string {
    const store = createMeshViewStore();
    const pushed = [...this.#mesh.addresses.entries(), ...this.#mesh.authorizations.entries()].map(([, one]) => one);
    store.apply({
      workloads: pushed.flatMap((one) => (one.kind === 'workload' ? [one.workload] : [])),
      policies: pushed.flatMap((one) => (one.kind === 'policy' ? [one.policy] : [])),
    });
    const workload = [...store.view.workloads()].find(({ name }) => name === 'web-1') ?? assert.fail();
    const decision = authorize(
      {
        ...(account === '-' ? {} : { sourceIdentity: identity(account) }),
        sourceIp: parseIpAddress('10.0.0.9'),
        destinationIp: parseIpAddress('10.0.0.1'),
        destinationPort: 8080,
      },
      store.view.policiesFor(workload),
    );
    return `${decision.verdict}${'policy' in decision ? ` ${decision.policy}` : ''}`;
  }

  /** What a waypoint, of Gateway `shop/<at>`, says of a request of `shop/<account>` to Service `web`. */
  through(account: string, method = 'GET', name: PolicySetName = WEB, at = 'wp'): string {
    const sets = new Map(
      [...this.#mesh.policySets.entries()].map(([, one]) => {
        const { set: forAll, atCanary } = one.kind === 'policies' ? one : assert.fail();
        const set: PolicySet = atCanary?.gateway === `shop/${at}` ? atCanary.set : forAll;
        return [set.name, set] as const;
      }),
    );
    const policies = policiesAt(name, (wanted) => sets.get(wanted));
    const verdict = new Authorizer(policies, { ports: [8080], address: null }).decide(
      { identity: identity(account), address: parseIpAddress('10.0.0.9') },
      { method, host: 'web', path: ROOT, header: () => null, lines: () => [] },
    );
    return `${verdict.refusal ?? 'allow'} ${verdict.by}`.trim();
  }
}

const WEB = servicePolicySet(parseServiceKey('shop/web.shop.svc.cluster.local'));
const ROOT = rootPath();

function rootPath() {
  const normal = normalisePath('/');
  return normal.kind === 'path' ? normal.path : assert.fail();
}

function identity(account: string) {
  return parseSpiffeId(`spiffe://cluster.local/ns/shop/sa/${account}`);
}

const BOUND = namespace({ [WAYPOINT]: 'wp' });
const THE_WAYPOINT = 'wp-ambit-waypoint';
const GUARD = 'deny ambit-system/ambit_waypoint_shop_wp';

interface Row {
  readonly is: string;
  readonly objects: readonly Json[];
  /** Of the waypoint, of `checkout` and in plaintext at the pod itself. */
  readonly direct: readonly [waypoint: string, checkout: string, plaintext: string];
  /** Of `checkout` and of `other` at the waypoint. */
  readonly through?: readonly [checkout: string, other: string];
}

const ROWS: readonly Row[] = [
  {
    is: 'no policy: everybody may go past the waypoint',
    objects: [BOUND, gateway('wp'), service('web'), web()],
    direct: ['allow', 'allow', 'allow'],
    through: ['allow', 'allow'],
  },
  {
    is: 'a policy for the Service: only the waypoint comes in',
    objects: [
      BOUND,
      gateway('wp'),
      service('web'),
      web(),
      policy('p', { ...target('Service', 'web'), rules: [FROM_CHECKOUT] }),
    ],
    direct: ['allow', GUARD, GUARD],
    through: ['allow shop/p', 'access-denied'],
  },
  {
    is: 'a policy for the Gateway',
    objects: [BOUND, gateway('wp'), service('web'), web(), policy('p', target('Gateway', 'wp'))],
    direct: ['allow', GUARD, GUARD],
    through: ['allow shop/p', 'allow shop/p'],
  },
  {
    is: 'a policy for all waypoints',
    objects: [
      BOUND,
      gateway('wp'),
      service('web'),
      web(),
      policy('p', { ...target('GatewayClass', 'ambit-waypoint'), rules: [] }, 'ambit-system'),
    ],
    direct: ['allow', GUARD, GUARD],
    through: ['access-denied', 'access-denied'],
  },
  {
    is: 'a GatewayClass is no target outside of the root namespace',
    objects: [BOUND, gateway('wp'), service('web'), web(), policy('p', target('GatewayClass', 'ambit-waypoint'))],
    direct: ['allow', 'allow', 'allow'],
    through: ['allow', 'allow'],
  },
  {
    is: 'another Service of the pod has a policy, and a waypoint of its own',
    objects: [
      namespace(),
      gateway('wp'),
      service('web'),
      core(
        'Service',
        'shop',
        'api',
        { spec: { selector: { app: 'web' }, ports: [{ port: 80 }] } },
        { labels: { [WAYPOINT]: 'wp' } },
      ),
      web(),
      policy('p', target('Service', 'api')),
    ],
    direct: ['allow', GUARD, GUARD],
    through: ['allow', 'allow'],
  },
  {
    is: 'a policy of the namespace that says something of requests',
    objects: [BOUND, gateway('wp'), service('web'), web(), policy('p', {})],
    direct: ['allow shop/p', GUARD, GUARD],
    through: ['allow shop/p', 'allow shop/p'],
  },
  {
    is: 'a Deny of the namespace that says something of requests',
    objects: [
      BOUND,
      gateway('wp'),
      service('web'),
      web(),
      policy('p', { action: 'Deny', rules: [{ to: [{ methods: ['PUT'] }] }] }),
    ],
    direct: ['allow', 'deny shop/p', 'deny shop/p'],
    through: ['allow', 'allow'],
  },
  {
    is: 'a policy with a selector that says something of requests',
    objects: [BOUND, gateway('wp'), service('web'), web(), policy('p', SELECTED)],
    direct: ['allow shop/p', GUARD, GUARD],
    through: ['allow shop/p', 'allow shop/p'],
  },
  {
    is: 'a policy that says nothing of requests: both ask it, about the caller',
    objects: [BOUND, gateway('wp'), service('web'), web(), policy('p', { ...SELECTED, rules: [FROM_CHECKOUT] })],
    direct: ['allow shop/p', 'allow shop/p', 'deny'],
    through: ['allow shop/p', 'access-denied'],
  },
  {
    is: 'a policy of the root namespace holds for waypoints too',
    objects: [
      BOUND,
      gateway('wp'),
      service('web'),
      web(),
      policy('p', { action: 'Deny', rules: [{ from: [{ namespaces: ['shop'] }] }] }, 'ambit-system'),
    ],
    direct: ['deny /p', 'deny /p', 'allow'],
    through: ['access-denied ambit-system/p', 'access-denied ambit-system/p'],
  },
  {
    is: 'Audit and dry run refuse nobody',
    objects: [
      BOUND,
      gateway('wp'),
      service('web'),
      web(),
      policy('p', { ...target('Service', 'web'), action: 'Audit' }),
      policy('q', { ...target('Service', 'web'), dryRun: true, rules: [] }),
      policy('r', { action: 'Audit' }),
    ],
    direct: ['allow', 'allow', 'allow'],
    through: ['allow', 'allow'],
  },
  {
    is: 'the Gateway is missing: nobody',
    objects: [BOUND, service('web'), web(), policy('p', target('Service', 'web'))],
    direct: [GUARD, GUARD, GUARD],
  },
  {
    is: 'no waypoint: the node agent holds the policy of the Service, in the stricter way',
    objects: [
      namespace(),
      service('web'),
      web(),
      policy('p', { ...target('Service', 'web'), rules: [FROM_CHECKOUT, GET] }),
    ],
    direct: ['deny', 'allow shop/p', 'deny'],
  },
  {
    is: 'no waypoint: a Deny by method refuses whatever the request',
    objects: [namespace(), service('web'), web(), policy('p', { ...target('Service', 'web'), action: 'Deny' })],
    direct: ['deny shop/p', 'deny shop/p', 'deny shop/p'],
  },
  {
    is: 'a policy of a Service that the pod does not back',
    objects: [namespace(), service('web'), service('other'), web(), policy('p', target('Service', 'other'))],
    direct: ['allow', 'allow', 'allow'],
  },
  ...(['pod', 'service', 'namespace'] as const).map(
    (where): Row => ({
      is: `callers may go past the waypoint, says the label of the ${where}`,
      objects: [
        namespace({ [WAYPOINT]: 'wp', ...(where === 'namespace' ? { [BYPASS]: 'allow' } : {}) }),
        gateway('wp'),
        service('web', where === 'service' ? { [BYPASS]: 'allow' } : {}),
        web(where === 'pod' ? { [BYPASS]: 'allow' } : {}),
        policy('p', target('Service', 'web')),
      ],
      direct: ['allow', 'allow', 'allow'],
      through: ['allow shop/p', 'allow shop/p'],
    }),
  ),
  {
    is: 'the label of the pod wins',
    objects: [
      namespace({ [WAYPOINT]: 'wp', [BYPASS]: 'allow' }),
      gateway('wp'),
      service('web'),
      web({ [BYPASS]: 'refuse' }),
      policy('p', target('Service', 'web')),
    ],
    direct: ['allow', GUARD, GUARD],
  },
  {
    is: 'two waypoints, for two Services of the pod',
    objects: [
      namespace(),
      gateway('wp'),
      gateway('wp2'),
      service('web', { [WAYPOINT]: 'wp' }),
      core(
        'Service',
        'shop',
        'api',
        { spec: { selector: { app: 'web' }, ports: [{ port: 80 }] } },
        { labels: { [WAYPOINT]: 'wp2' } },
      ),
      web(),
      policy('p', target('Service', 'web')),
    ],
    direct: [
      'allow',
      'deny ambit-system/ambit_waypoint_shop_wp_shop_wp2',
      'deny ambit-system/ambit_waypoint_shop_wp_shop_wp2',
    ],
  },
];

for (const { is, objects, direct, through } of ROWS) {
  test(`policies at a waypoint and at a pod behind it: ${is}`, () => {
    const world = new World(objects);
    assert.deepEqual([world.direct(THE_WAYPOINT), world.direct('checkout'), world.direct('-')], direct);
    if (through !== undefined) assert.deepEqual([world.through('checkout'), world.through('other')], through);
  });
}

test('a waypoint asks about requests to a workload by its own address', () => {
  const world = new World([BOUND, gateway('wp', 'all'), web(), policy('p', { ...SELECTED })]);
  const name = 'workload/Kubernetes//Pod/shop/web-1';
  assert.deepEqual(
    [world.through('checkout', 'GET', name), world.through('checkout', 'PUT', name), world.direct('checkout')],
    ['allow shop/p', 'access-denied', GUARD],
  );
});

test('a waypoint has a set of policies for every Service, and none for what nobody stands before', () => {
  const world = new World([namespace(), service('web'), web()]);
  assert.equal(world.through('checkout'), 'allow');
  const name = 'workload/Kubernetes//Pod/shop/web-1';
  assert.equal(world.through('checkout', 'GET', name), `policy-missing ${name}`);
});

test('a policy for a Service holds for requests that reach its endpoints by the address of an import', () => {
  const spec = { type: 'ClusterSetIP', ips: ['10.42.0.1'], ports: [{ port: 80 }] };
  const imported = { ...core('ServiceImport', 'shop', 'web', { spec }), apiVersion: 'multicluster.x-k8s.io/v1alpha1' };
  const restricted = policy('p', { ...target('Service', 'web'), rules: [FROM_CHECKOUT] });
  const world = new World([BOUND, gateway('wp'), service('web'), imported, web(), restricted]);
  const name = servicePolicySet(parseServiceKey('shop/web.shop.svc.clusterset.local'));
  assert.deepEqual(
    [world.through('checkout', 'GET', name), world.through('other', 'GET', name), world.direct('checkout')],
    ['allow shop/p', 'access-denied', GUARD],
  );
});

test('a canary waypoint is let in, and enforces what is attached to its own Gateway', () => {
  const world = new World([
    namespace(),
    ...['wp', 'next'].map((name) => gateway(name)),
    service('web', { [WAYPOINT]: 'wp', 'ambit.dev/waypoint-canary': 'next' }),
    web(),
    policy('first', target('Gateway', 'wp')),
    policy('second', { ...target('Gateway', 'next'), rules: [FROM_CHECKOUT] }),
    policy('third', { ...target('Service', 'web'), action: 'Deny', rules: [{ to: [{ methods: ['PUT'] }] }] }),
  ]);
  const guard = 'deny ambit-system/ambit_waypoint_shop_next_shop_wp';
  assert.deepEqual(
    [THE_WAYPOINT, 'next-ambit-waypoint', 'checkout'].map((account) => world.direct(account)),
    ['allow', 'allow', guard],
  );
  const asked = (at: string): readonly string[] => [
    world.through('checkout', 'GET', WEB, at),
    world.through('other', 'GET', WEB, at),
    world.through('checkout', 'PUT', WEB, at),
  ];
  assert.deepEqual(asked('wp'), ['allow shop/first', 'allow shop/first', 'access-denied shop/third']);
  assert.deepEqual(asked('next'), ['allow shop/second', 'access-denied', 'access-denied shop/third']);
});
