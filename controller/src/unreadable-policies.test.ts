import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type MeshObject,
  type ObjectKey,
  type ObjectObserver,
  type ObjectProblem,
  parseObject,
} from '@ambit/mesh/kinds';
import { authorize, createMeshViewStore, DEFAULT_TRUST_DOMAIN, parseIpAddress } from '@ambit/mesh/model';
import { type LogFields, type Logger, Metrics, silentLogger } from '@ambit/mesh/runtime';
import { buildWorkload, ManualClock, testIdentity } from '@ambit/mesh/testing';
import { parseBackend } from '@ambit/mesh/route-wire';
import { parsePushedResource } from '@ambit/mesh/wire';
import { Pipeline } from './pipeline.ts';

const KEY = 'AccessPolicy/shop/p' as const;
const ROOT = 'ambit-system';

function problem(key: ObjectKey, severity: ObjectProblem['severity'] = 'error'): ObjectProblem {
  return { where: '/m/p.yaml', line: 3, reason: 'spec.action: "Alow" is not one of Allow, Deny', key, severity };
}

const good = parseObject({
  apiVersion: 'ambit.dev/v1alpha1',
  kind: 'AccessPolicy',
  metadata: { name: 'p', namespace: 'shop' },
  spec: { action: 'Deny', rules: [{ from: [{ ipBlocks: ['192.0.2.0/24'] }] }] },
});

function service(namespace: string, name: string): MeshObject {
  const object = parseObject({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: { clusterIP: '10.96.0.1', ports: [{ port: 443 }, { port: 53, protocol: 'UDP' }] },
  });
  return object ?? assert.fail();
}

const tlsPolicy = parseObject({
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'BackendTLSPolicy',
  metadata: { name: 'tls', namespace: 'shop' },
  spec: {
    targetRefs: [{ group: '', kind: 'Service', name: 'web' }],
    validation: { wellKnownCACertificates: 'System', hostname: 'web.example' },
  },
});

/** A pipeline over a source that says what a test wants it to say, and what an agent would make of its policies. */
class World {
  readonly errors: (LogFields | undefined)[] = [];
  readonly clock = new ManualClock();
  observer: ObjectObserver | null = null;
  readonly pipeline: Pipeline;

  constructor(first: (observer: ObjectObserver) => void) {
    const logger: Logger = { ...silentLogger, error: (_message, fields) => void this.errors.push(fields) };
    this.pipeline = new Pipeline({
      source: {
        watch: async (observer) => {
          this.observer = observer;
          first(observer);
        },
      },
      settings: {
        clusterId: 'c',
        clusterDomain: 'cluster.local',
        trustDomain: DEFAULT_TRUST_DOMAIN,
        rootNamespace: ROOT,
        defaultNetwork: '',
        excludedNamespaces: [],
      },
      clock: this.clock,
      logger,
      metrics: new Metrics(),
      onProblems: () => {},
    });
  }

  static async start(first: (observer: ObjectObserver) => void): Promise<World> {
    const world = new World(first);
    await world.pipeline.start(new AbortController().signal);
    return world;
  }

  /** How waypoints reach ports of Services. */
  secured(): Readonly<Record<string, readonly string[]>> {
    const { backends } = this.pipeline;
    return Object.fromEntries(
      [...backends.names()].toSorted().map((name) => {
        const { secured } = parseBackend(backends.get(name) ?? assert.fail());
        return [name, secured.map(({ ports, security }) => `${ports.join()} ${security.kind}`)];
      }),
    );
  }

  /** What becomes of a caller with and of one without an identity, in the namespaces. */
  verdicts(...namespaces: readonly string[]): readonly string[] {
    const store = createMeshViewStore();
    const { authorizations } = this.pipeline;
    for (const name of authorizations.names()) {
      const resource = authorizations.get(name);
      const object = resource === undefined ? undefined : parsePushedResource(resource);
      if (object?.kind === 'policy') store.apply({ policies: [object.policy] });
    }
    const ip = parseIpAddress('10.0.0.1');
    const facts = { sourceIp: ip, destinationIp: ip, destinationPort: 80 };
    return namespaces.map((namespace) => {
      const effective = store.view.policiesFor(buildWorkload({ namespace }));
      const secure = authorize({ ...facts, sourceIdentity: testIdentity('shop', 'web') }, effective).verdict;
      return `${secure}/${authorize(facts, effective).verdict}`;
    });
  }
}

describe('a policy that is broken when the controller starts', () => {
  const table: readonly [name: string, problems: readonly ObjectProblem[], shopOther: readonly string[]][] = [
    ['refuses everything in its namespace', [problem(KEY)], ['deny/deny', 'allow/allow']],
    ['of the root namespace refuses everything', [problem(`AccessPolicy/${ROOT}/p`)], ['deny/deny', 'deny/deny']],
    ['for mutual TLS refuses plaintext', [problem('MutualTLSPolicy/shop/p')], ['allow/deny', 'allow/allow']],
    ['of another kind refuses nothing', [problem('Service/shop/p')], ['allow/allow', 'allow/allow']],
    ['with a mere warning refuses nothing', [problem(KEY, 'warning')], ['allow/allow', 'allow/allow']],
  ];
  for (const [name, problems, expected] of table) {
    test(name, async () => {
      const world = await World.start((observer) => observer.onProblems(problems));
      assert.deepEqual(world.verdicts('shop', 'other'), expected);
    });
  }

  test('for TLS closes the ports of its namespace that no other one secures, until it is mended', async () => {
    const broken = problem('BackendTLSPolicy/shop/tls');
    const world = await World.start((observer) => {
      const services = [service('shop', 'web'), service('shop', 'db'), service('other', 'web')];
      observer.onChanges(services.map((object) => ({ kind: 'put', object })));
      observer.onProblems([broken]);
    });
    const host = (name: string): string => `shop/${name}.shop.svc.cluster.local`;
    assert.deepEqual(world.verdicts('shop'), ['allow/allow']);
    assert.deepEqual(world.secured(), { [host('db')]: ['443 invalid'], [host('web')]: ['443 invalid'] });
    world.observer?.onChanges([{ kind: 'put', object: tlsPolicy ?? assert.fail() }]);
    world.observer?.onProblems([]);
    await world.clock.advance(10);
    assert.deepEqual(world.secured(), { [host('web')]: ['443 tls'] });
    world.observer?.onProblems([broken]);
    await world.clock.advance(10);
    assert.deepEqual(world.secured(), { [host('web')]: ['443 tls'] });
  });

  test('is named in the log with its place', async () => {
    const world = await World.start((observer) => observer.onProblems([problem(KEY)]));
    const named = { 'policy.kind': 'AccessPolicy', 'policy.namespace': 'shop', 'policy.name': 'p' };
    assert.deepEqual(world.errors, [{ ...named, where: '/m/p.yaml', line: 3 }]);
  });

  test('refuses nothing when another version of it is in force', async () => {
    const world = await World.start((observer) => {
      if (good !== null) observer.onChanges([{ kind: 'put', object: good }]);
      observer.onProblems([problem(KEY)]);
    });
    assert.deepEqual(world.verdicts('shop'), ['allow/allow']);
  });

  test('refuses until it is mended', async () => {
    const world = await World.start((observer) => observer.onProblems([problem(KEY), problem('Service/shop/s')]));
    if (good !== null) world.observer?.onChanges([{ kind: 'put', object: good }]);
    world.observer?.onProblems([problem('Service/shop/s')]);
    assert.deepEqual(world.verdicts('shop'), ['deny/deny']);
    await world.clock.advance(10);
    assert.deepEqual(world.verdicts('shop'), ['allow/allow']);
    assert.deepEqual([...world.pipeline.authorizations.names()].toSorted(), [`${ROOT}/ambit_strict`, 'shop/p']);
  });

  test('refuses until it is removed, and not again when it breaks later', async () => {
    const world = await World.start((observer) => observer.onProblems([problem(KEY)]));
    world.observer?.onProblems([]);
    await world.clock.advance(10);
    assert.deepEqual(world.verdicts('shop'), ['allow/allow']);
    world.observer?.onProblems([problem(KEY)]);
    await world.clock.advance(10);
    assert.deepEqual(world.verdicts('shop'), ['allow/allow']);
  });
});
