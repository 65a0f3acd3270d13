import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ObjectProblem, parseObject } from '@ambit/mesh/kinds';
import { Metrics, silentLogger } from '@ambit/mesh/runtime';
import { ManualClock } from '@ambit/mesh/testing';
import { ADDRESS_TYPE_URL, AUTHORIZATION_TYPE_URL } from '@ambit/mesh/wire';
import { MemoryKubeClient } from '../../test/memory-kube-client.ts';
import { core, own, pod, SETTINGS } from '../../test/policy-objects.ts';
import { CollectionGraph } from '../collections/collection-graph.ts';
import { applyChanges, createObjectCollections } from '../collections/object-collections.ts';
import type { NodeProgress } from '../push/push-server.ts';
import { ResourceStore } from '../push/resource-store.ts';
import { decidePresence, NOBODY_SEEN } from './decide-presence.ts';
import { STATUS_LIMITS } from './limits.ts';
import { PolicyVersions } from './policy-versions.ts';
import { createPolicyWorld } from './policy-world.ts';
import { StatusWriter } from './status-writer.ts';

type Json = Readonly<Record<string, unknown>>;

const SELECTOR = { selector: { matchLabels: { app: 'web' } } };

function policy(generation: number, spec: Json = { action: 'Allow', ...SELECTOR }): Json {
  return own('AccessPolicy', 'shop', 'callers', spec, { uid: 'u1', generation, resourceVersion: String(generation) });
}

/** A writer over objects that the test puts, with two nodes whose progress it says. */
class World implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly kube = new MemoryKubeClient();
  readonly metrics = new Metrics();
  readonly settled: Record<string, number> = { 'node-a': 0, 'node-b': 0 };
  /** Nodes whose agents are away, however ready. */
  readonly away = new Set<string>();
  problems: readonly ObjectProblem[] = [];
  #presence = NOBODY_SEEN;
  readonly #graph = new CollectionGraph();
  readonly #objects = createObjectCollections(this.#graph);
  readonly #stores = [new ResourceStore(ADDRESS_TYPE_URL), new ResourceStore(AUTHORIZATION_TYPE_URL)];
  readonly #versions = new PolicyVersions(this.#objects, this.#stores);
  readonly writer = new StatusWriter({
    client: this.kube.client,
    versions: this.#versions,
    world: () => createPolicyWorld(this.#objects, SETTINGS),
    problems: () => this.problems,
    progress: () => {
      const expected = Object.keys(this.settled);
      const nodes = Object.entries(this.settled)
        .filter(([node]) => !this.away.has(node))
        .map(([node, revision]) => progressOf(node, revision));
      const replicas = [{ id: 'self', nodes, version: this.#versions.get.bind(this.#versions) }];
      const look = { replicas, silent: [], expected, nowMs: this.clock.monotonic(), awayMs: STATUS_LIMITS.awayMs };
      const { presence, progress } = decidePresence(this.#presence, look);
      this.#presence = presence;
      return progress;
    },
    clock: this.clock,
    logger: silentLogger,
    metrics: this.metrics,
  });
  readonly #term = new AbortController();
  #run: Promise<void> = Promise.resolve();

  begin(): void {
    this.#run = this.writer.run(this.#term.signal);
  }

  /** As the API server has them and the source delivers them. */
  put(...objects: readonly Json[]): void {
    for (const object of objects) {
      this.store(object);
      const parsed = parseObject(object);
      if (parsed !== null) applyChanges(this.#objects, [{ kind: 'put', object: parsed }]);
    }
    this.commit();
  }

  /** In the API server alone: the source has not heard of it, or refuses it. */
  store(object: Json): void {
    if (object['kind'] !== 'AccessPolicy') return;
    const { namespace, name } = object['metadata'] as { readonly namespace: string; readonly name: string };
    const status = this.kube.object('accesspolicies', namespace, name)?.['status'];
    this.kube.put('accesspolicies', namespace, name, status === undefined ? object : { ...object, status });
  }

  commit(): void {
    this.#graph.commit();
    for (const store of this.#stores) store.update([], []);
    this.#versions.committed();
    this.writer.poke();
  }

  /** Every node has acknowledged everything so far. */
  settle(...nodes: readonly string[]): void {
    for (const node of nodes) this.settled[node] = this.#stores[0]?.revision ?? 0;
    this.writer.poke();
  }

  /** Time for a pass and its writes. */
  async pass(): Promise<void> {
    await this.clock.advance(STATUS_LIMITS.passMs + STATUS_LIMITS.writeGapMs * 10);
  }

  /** `Type=Status Reason` of the stored conditions. */
  get conditions(): readonly string[] {
    return this.stored.map(({ type, status, reason }) => `${String(type)}=${String(status)} ${String(reason)}`);
  }

  get stored(): readonly Readonly<Record<string, unknown>>[] {
    const status = this.kube.object('accesspolicies', 'shop', 'callers')?.['status'];
    return Object(status).ancestors?.[0]?.conditions ?? [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#term.abort();
    await assert.rejects(this.#run, { name: 'AbortError' });
  }
}

function progressOf(node: string, revision: number): NodeProgress {
  const settled = new Map([ADDRESS_TYPE_URL, AUTHORIZATION_TYPE_URL].map((typeUrl) => [typeUrl, revision]));
  return { node, settled, refused: new Map() };
}

const NAMESPACE = core('Namespace', '', 'shop', {}, { labels: { 'ambit.dev/mode': 'ambient' } });
const HEALTHY = [
  'Accepted=True Accepted',
  'Attached=True Attached',
  'ResolvedRefs=True ResolvedRefs',
  'PartiallyEnforced=False FullyEnforced',
];

test('StatusWriter follows a policy from nothing to all nodes, and writes nothing that is there', async () => {
  await using world = new World();
  world.put(NAMESPACE, policy(1));
  world.begin();
  await world.pass();
  assert.deepEqual(world.conditions, [
    'Accepted=True Accepted',
    'Attached=False TargetNotFound',
    'ResolvedRefs=True ResolvedRefs',
    'PartiallyEnforced=False FullyEnforced',
    'Acknowledged=False Pending',
  ]);
  world.put(pod('shop', 'web-1', 'web'));
  await world.pass();
  assert.deepEqual(world.conditions, [...HEALTHY, 'Acknowledged=False Pending']);
  world.settle('node-a');
  await world.pass();
  assert.match(
    String(world.stored.at(-1)?.['message']),
    /^1 of 2 connected node agents have this version; waiting for node-b$/,
  );
  world.settle('node-b');
  await world.pass();
  assert.deepEqual(world.conditions, [...HEALTHY, 'Acknowledged=True AllNodes']);
  const writes = world.kube.applied.length;
  const { reads } = world.kube;
  world.writer.poke();
  world.put(pod('shop', 'other', 'other'));
  await world.pass();
  assert.deepEqual([world.kube.applied.length, world.kube.reads], [writes, reads]);
  const { apply } = world.kube.applied[0] ?? assert.fail();
  assert.deepEqual([apply.fieldManager, apply.force, apply.subresource], ['ambit-controller', true, 'status']);
  assert.equal(Object(apply.object).metadata.uid, 'u1');
});

test('StatusWriter does not take for written what it decided before it wrote something newer', async () => {
  await using world = new World();
  const others = Array.from({ length: 60 }, (_, i) =>
    own('AccessPolicy', 'shop', `p${i}`, { action: 'Allow', ...SELECTOR }, { uid: `p${i}`, generation: 1 }),
  );
  world.put(NAMESPACE, pod('shop', 'web-1', 'web'), ...others, policy(1));
  world.settle('node-a');
  world.begin();
  // The last policy's turn comes when what the pass has looked at is too old.
  await world.clock.advance(STATUS_LIMITS.passMs - STATUS_LIMITS.writeGapMs);
  assert.deepEqual(world.conditions, []);
  world.settle('node-b');
  await world.clock.advance(30 * STATUS_LIMITS.writeGapMs);
  assert.equal(world.conditions.at(-1), 'Acknowledged=True AllNodes');
  world.settled['node-b'] = 0;
  world.writer.poke();
  await world.clock.advance(STATUS_LIMITS.passMs + 70 * STATUS_LIMITS.writeGapMs);
  assert.equal(world.conditions.at(-1), 'Acknowledged=False Pending');
});

test('StatusWriter keeps the time of a transition while the status stays', async () => {
  await using world = new World();
  world.put(NAMESPACE, policy(1), pod('shop', 'web-1', 'web'));
  world.begin();
  await world.pass();
  const times = (): readonly unknown[] => world.stored.map((condition) => condition['lastTransitionTime']);
  const before = times();
  await world.clock.advance(10_000);
  world.settle('node-a', 'node-b');
  await world.pass();
  const after = times();
  assert.deepEqual(after.slice(0, 4), before.slice(0, 4));
  assert.notEqual(after[4], before[4]);
});

test('StatusWriter writes nothing of an agent that comes and goes, and once of one that stays away', async () => {
  await using world = new World();
  world.put(NAMESPACE, policy(1), pod('shop', 'web-1', 'web'));
  world.settle('node-a', 'node-b');
  world.begin();
  await world.pass();
  const written = world.kube.applied.length;
  const flap = async (agoMs: number): Promise<void> => {
    world.away.add('node-b');
    world.writer.poke();
    await world.clock.advance(agoMs);
    world.away.delete('node-b');
    world.writer.poke();
    await world.clock.advance(1500);
  };
  for (let i = 0; i < 50; i++) await flap(500 + i * 500);
  assert.equal(world.kube.applied.length, written);
  // Nothing but time tells the writer.
  world.away.add('node-b');
  world.writer.poke();
  await world.clock.advance(STATUS_LIMITS.awayMs - STATUS_LIMITS.passMs);
  assert.equal(world.conditions.at(-1), 'Acknowledged=True AllNodes');
  await world.clock.advance(3 * STATUS_LIMITS.passMs);
  assert.equal(world.conditions.at(-1), 'Acknowledged=False Pending');
  assert.match(String(world.stored.at(-1)?.['message']), /has this version; nothing heard from node-b$/);
  await world.clock.advance(10 * STATUS_LIMITS.awayMs);
  assert.equal(world.kube.applied.length, written + 1);
  for (let i = 0; i < 10; i++) await flap(STATUS_LIMITS.awayMs + 5000);
  assert.equal(world.kube.applied.length, written + 2 * 10);
  assert.equal(world.conditions.at(-1), 'Acknowledged=True AllNodes');
});

test('StatusWriter says that a change is refused while the version before it stays in force', async () => {
  await using world = new World();
  world.put(NAMESPACE, policy(1), pod('shop', 'web-1', 'web'));
  world.begin();
  await world.pass();
  world.store(policy(2, { action: 'Alow' }));
  const reason = 'spec.action must be one of Allow, Deny, Audit but is "Alow" (did you mean Allow?)';
  world.problems = [{ where: 'shop/callers', reason, severity: 'error', key: 'AccessPolicy/shop/callers' }];
  world.writer.poke();
  await world.pass();
  assert.deepEqual(world.conditions, ['Accepted=False Invalid']);
  assert.deepEqual(
    [world.stored[0]?.['message'], world.stored[0]?.['observedGeneration']],
    [`${reason}; the version before it stays in force`, 2],
  );
  world.problems = [];
  world.put(policy(3));
  await world.pass();
  assert.equal(world.conditions[0], 'Accepted=True Accepted');
});

test('StatusWriter does not call a version acknowledged that the source has not delivered', async () => {
  await using world = new World();
  world.put(NAMESPACE, policy(1), pod('shop', 'web-1', 'web'));
  world.settle('node-a', 'node-b');
  world.store(policy(2));
  world.begin();
  await world.pass();
  assert.equal(world.conditions.at(-1), 'Acknowledged=False Pending');
  world.put(policy(2));
  world.settle('node-a', 'node-b');
  await world.pass();
  assert.equal(world.conditions.at(-1), 'Acknowledged=True AllNodes');
});

test('StatusWriter tries again after a conflict, forgets what is gone, and mends what somebody else wrote', async () => {
  await using world = new World();
  world.put(NAMESPACE, policy(1), pod('shop', 'web-1', 'web'));
  world.kube.failures.push('conflict', 'not-found');
  world.begin();
  await world.pass();
  assert.deepEqual(world.conditions, []);
  await world.pass();
  assert.deepEqual(world.conditions, []);
  assert.equal(await world.metrics.value('ambit_status_writes_total', ['conflict']), 1);
  assert.equal(await world.metrics.value('ambit_status_writes_total', ['gone']), 1);
  await world.clock.advance(STATUS_LIMITS.resyncMs + STATUS_LIMITS.passMs);
  assert.equal(world.conditions.length, 5);
  world.kube.put('accesspolicies', 'shop', 'callers', { ...policy(1), status: { ancestors: [] } });
  await world.clock.advance(STATUS_LIMITS.resyncMs + STATUS_LIMITS.passMs);
  assert.equal(world.conditions.length, 5);
});

test('StatusWriter goes on with the others when the API server refuses an object', async () => {
  await using world = new World();
  const other = own('AccessPolicy', 'shop', 'another', { action: 'Allow', ...SELECTOR }, { uid: 'u0', generation: 1 });
  world.put(NAMESPACE, other, policy(1), pod('shop', 'web-1', 'web'));
  world.kube.failures.push('invalid');
  world.begin();
  await world.pass();
  assert.deepEqual(
    world.kube.applied.map(({ key }) => key),
    ['accesspolicies/shop/callers'],
  );
  assert.equal(await world.metrics.value('ambit_status_writes_total', ['refused']), 1);
  await world.clock.advance(STATUS_LIMITS.resyncMs + STATUS_LIMITS.passMs);
  assert.equal(world.kube.applied.length, 2);
});

test('StatusWriter.run() rejects when the API server fails, and another run begins from what is stored', async () => {
  const world = new World();
  world.put(NAMESPACE, policy(1), pod('shop', 'web-1', 'web'));
  world.kube.failures.push('unreachable');
  await assert.rejects(world.writer.run(new AbortController().signal), { code: 'unreachable' });
  world.begin();
  await world.pass();
  assert.equal(world.conditions.length, 5);
  await world[Symbol.asyncDispose]();
});
