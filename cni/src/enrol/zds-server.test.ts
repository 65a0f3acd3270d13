import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  connectDescriptorChannel,
  type DescriptorChannel,
  listenForDescriptorChannels,
  NetnsHandle,
} from '@ambit/mesh/linux';
import { type Clock, Metrics, silentLogger, systemClock } from '@ambit/mesh/runtime';
import { checkLeaks, ManualClock, until } from '@ambit/mesh/testing';
import { type AgentSlot, decodePodRequest, encodePodHello, encodePodResponse } from '@ambit/mesh/wire';
import { cniMetrics } from '../metrics.ts';
import type { AnnouncedPod } from './agent-connection.ts';
import { AGENTS_CONNECTED_MAX, ZdsServer } from './zds-server.ts';

checkLeaks();

/** A server at a socket of its own, with pods whose namespace is this process's (nothing enters it). */
class World implements Disposable {
  readonly path: string;
  readonly server: ZdsServer;
  readonly metrics: Metrics = new Metrics();
  readonly #stack: DisposableStack = new DisposableStack();

  constructor(options: { readonly clock?: Clock; readonly allowedUserIds?: readonly number[] } = {}) {
    const directory = mkdtempSync(join(tmpdir(), 'ambit-zds-'));
    this.#stack.defer(() => rmSync(directory, { recursive: true }));
    this.path = join(directory, 'zds.sock');
    this.server = this.#stack.use(
      new ZdsServer({
        listener: listenForDescriptorChannels(this.path),
        allowedUserIds: new Set(options.allowedUserIds ?? [process.getuid?.() ?? 0]),
        clock: options.clock ?? systemClock,
        logger: silentLogger,
        metrics: this.metrics.register(cniMetrics),
      }),
    );
  }

  pod(uid: string): AnnouncedPod {
    const netns = this.#stack.use(NetnsHandle.open('/proc/self/ns/net'));
    return { uid, names: { namespace: 'shop', name: uid, serviceAccount: 'default' }, netns };
  }

  announce(...uids: readonly string[]): void {
    for (const uid of uids) this.server.announce(this.pod(uid));
  }

  async agent(slot: AgentSlot = 'a'): Promise<FakeAgent> {
    const agent = this.#stack.use(new FakeAgent(this.path));
    await agent.channel.send(encodePodHello(slot));
    return agent;
  }

  raw(): DescriptorChannel {
    return this.#stack.use(connectDescriptorChannel(this.path));
  }

  ended(end: string): Promise<number> {
    return this.metrics.value('ambit_cni_node_agent_connections_total', [end]);
  }

  [Symbol.dispose](): void {
    this.#stack[Symbol.dispose]();
  }
}

/** A node agent that does what it is told and notes it; it opens no ports. */
class FakeAgent implements Disposable {
  readonly channel: DescriptorChannel;

  constructor(path: string) {
    this.channel = connectDescriptorChannel(path);
  }

  /** The next request as text, `+netns` when a descriptor of one came along; null when the connection was closed. */
  async read(): Promise<string | null> {
    const message = await this.channel.receive().catch(() => null);
    if (message === null) return null;
    using descriptor = message.descriptor;
    const request = decodePodRequest(message.data);
    const suffix = descriptor === null ? '' : NetnsHandle.borrow(descriptor.fd).identity.inode > 0n ? '+netns' : '';
    const pod = 'pod' in request && request.pod !== undefined ? ` ${request.pod.namespace}/${request.pod.name}` : '';
    return 'uid' in request ? `${request.kind} ${request.uid}${pod}${suffix}` : request.kind;
  }

  async next(error = ''): Promise<string | null> {
    const text = await this.read();
    if (text !== null) await this.channel.send(encodePodResponse({ error }));
    return text;
  }

  async take(count: number): Promise<readonly (string | null)[]> {
    const taken: (string | null)[] = [];
    for (let i = 0; i < count; i++) taken.push(await this.next());
    return taken;
  }

  [Symbol.dispose](): void {
    this.channel[Symbol.dispose]();
  }
}

test('a node agent gets the snapshot, then changes', async () => {
  using world = new World();
  world.announce('a', 'b');
  void world.server.serve();
  const agent = await world.agent();
  assert.deepEqual(await agent.take(3), ['add a shop/a+netns', 'add b shop/b+netns', 'snapshot-sent']);
  world.announce('c');
  assert.equal(await agent.next(), 'add c shop/c+netns');
  const withdrawn = world.server.withdraw('a');
  assert.equal(await agent.next(), 'delete a');
  await withdrawn;
  assert.equal(world.server.liveCount, 1);
});

test('each of two node agents gets every pod, one that follows in a slot leaves the other alone, and either makes a pod taken', async () => {
  using world = new World();
  const pod = world.pod('one');
  world.server.announce(pod);
  void world.server.serve();
  const a = await world.agent('a');
  const b = await world.agent('b');
  assert.deepEqual(await a.take(2), ['add one shop/one+netns', 'snapshot-sent']);
  await until('it is taken', () => world.server.isTaken('one', pod.netns));
  assert.deepEqual(await b.take(2), ['add one shop/one+netns', 'snapshot-sent']);
  const next = await world.agent('a');
  assert.deepEqual(await next.take(2), ['add one shop/one+netns', 'snapshot-sent']);
  world.announce('two');
  assert.equal(await b.next(), 'add two shop/two+netns');
  assert.equal(await next.next(), 'add two shop/two+netns');
  const withdrawn = world.server.withdraw('one');
  for (const agent of [a, b, next]) assert.equal(await agent.next(), 'delete one');
  await withdrawn;
  b[Symbol.dispose]();
  world.announce('three');
  assert.equal(await next.next(), 'add three shop/three+netns');
});

test('nothing is said before the node agent greets, and the next thing only after an acknowledgement', async () => {
  using world = new World();
  world.announce('a', 'b');
  void world.server.serve();
  const agent = world.raw();
  const first = agent.receive();
  await agent.send(encodePodHello());
  assert.deepEqual(decodePodRequest((await first)?.data ?? Buffer.alloc(0)).kind, 'add');
  const second = agent.receive(AbortSignal.timeout(30));
  await assert.rejects(second, { name: 'TimeoutError' });
});

test('withdraw() waits for the node agent, and not for one that is gone', async () => {
  using world = new World();
  const pod = world.pod('a');
  world.server.announce(pod);
  await world.server.withdraw('never announced');
  void world.server.serve();
  const agent = await world.agent();
  await agent.take(2);
  await until('the pod is taken', () => world.server.isTaken('a', pod.netns));
  let withdrawn = false;
  const done = world.server.withdraw('a').then(() => {
    withdrawn = true;
  });
  assert.equal(await agent.read(), 'delete a');
  assert.equal(withdrawn, false);
  agent[Symbol.dispose]();
  await done;
});

test('a pod that the node agent refuses does not hold up the snapshot and is asked for again', async () => {
  const clock = new ManualClock();
  using world = new World({ clock });
  const refused = world.pod('a');
  world.server.announce(refused);
  world.announce('b');
  void world.server.serve();
  const agent = await world.agent();
  assert.equal(await agent.next('no such port'), 'add a shop/a+netns');
  assert.deepEqual(await agent.take(2), ['add b shop/b+netns', 'snapshot-sent']);
  await until('the snapshot is acknowledged', () => world.server.liveCount === 1);
  assert.equal(world.server.isTaken('a', refused.netns), false);
  await clock.advance(200);
  assert.equal(await agent.next(), 'add a shop/a+netns');
  await until('the pod is taken', () => world.server.isTaken('a', refused.netns));
});

test('a pod in another namespace under its uid is announced again', async () => {
  using world = new World();
  world.announce('a');
  void world.server.serve();
  const agent = await world.agent();
  await agent.take(2);
  world.announce('a');
  assert.equal(await agent.next(), 'add a shop/a+netns');
});

test('a pod of another service account is announced again, one of the same is not', async () => {
  using world = new World();
  const pod = world.pod('a');
  world.server.announce(pod);
  void world.server.serve();
  const agent = await world.agent();
  await agent.take(2);
  world.server.announce({ ...pod });
  world.server.announce({ ...pod, names: { ...pod.names, serviceAccount: 'other' } });
  assert.equal(await agent.next(), 'add a shop/a+netns');
  await until('the pod is taken', () => world.server.isTaken('a', pod.netns));
  world.announce('b');
  assert.equal(await agent.next(), 'add b shop/b+netns');
});

test('pods go to the node agent that connected last, deletions to all', async () => {
  using world = new World();
  world.announce('a');
  void world.server.serve();
  const older = await world.agent();
  await older.take(2);
  const newer = await world.agent();
  assert.deepEqual(await newer.take(2), ['add a shop/a+netns', 'snapshot-sent']);
  world.announce('b');
  assert.equal(await newer.next(), 'add b shop/b+netns');
  const withdrawn = world.server.withdraw('a');
  assert.deepEqual([await older.next(), await newer.next()], ['delete a', 'delete a']);
  await withdrawn;
  newer[Symbol.dispose]();
  assert.equal(await older.next(), 'add b shop/b+netns');
});

test('a node agent that comes back gets a whole snapshot; one that stays through our restart does too', async () => {
  const world = new World();
  world.announce('a', 'b');
  void world.server.serve();
  const first = await world.agent();
  await first.take(1);
  first[Symbol.dispose]();
  const second = await world.agent();
  assert.deepEqual(await second.take(3), ['add a shop/a+netns', 'add b shop/b+netns', 'snapshot-sent']);
  world[Symbol.dispose]();
  assert.equal(await second.read(), null);
  using restarted = new World();
  const again = await restarted.agent();
  restarted.announce('b');
  void restarted.server.serve();
  assert.deepEqual(await again.take(2), ['add b shop/b+netns', 'snapshot-sent']);
});

const noise = Buffer.from('ff00ff00', 'hex');
const breaches: readonly (readonly [string, (world: World) => Promise<unknown>, string])[] = [
  ['greets with noise', async (world) => world.raw().send(noise), 'broke-protocol'],
  ['greets with another version', async (world) => world.raw().send(Buffer.of(0x08, 0x02)), 'broke-protocol'],
  ['passes a descriptor', async (world) => world.raw().send(encodePodHello(), 0), 'broke-protocol'],
  [
    'answers with noise',
    async (world) => {
      const agent = await world.agent();
      await agent.read();
      await agent.channel.send(noise);
    },
    'broke-protocol',
  ],
  [
    'speaks without being asked',
    async (world) => {
      const agent = await world.agent();
      await agent.take(2);
      await agent.channel.send(encodePodResponse({ error: '' }));
    },
    'broke-protocol',
  ],
  [
    'refuses the snapshot',
    async (world) => {
      const agent = await world.agent();
      await agent.next();
      await agent.next('no');
    },
    'failed',
  ],
];

for (const [what, misbehave, end] of breaches) {
  test(`a node agent that ${what} is disconnected, and the next one is served`, async () => {
    using world = new World();
    world.announce('a');
    void world.server.serve();
    await misbehave(world);
    await until('the connection is ended', async () => (await world.ended(end)) === 1);
    const next = await world.agent();
    assert.deepEqual(await next.take(2), ['add a shop/a+netns', 'snapshot-sent']);
  });
}

for (const silence of ['never greets', 'never answers'] as const) {
  test(`a node agent that ${silence} is disconnected after five seconds`, async () => {
    const clock = new ManualClock();
    using world = new World({ clock });
    world.announce('a');
    void world.server.serve();
    if (silence === 'never greets') world.raw();
    else await (await world.agent()).read();
    await until('the connection is accepted', async () => {
      return (await world.metrics.value('ambit_cni_node_agents_connected')) === 1;
    });
    await clock.advance(4900);
    assert.equal(await world.ended('silent'), 0);
    await clock.advance(200);
    await until('the connection is ended', async () => (await world.ended('silent')) === 1);
  });
}

test('a stranger is refused', async () => {
  using world = new World({ allowedUserIds: [4_294_967_294] });
  void world.server.serve();
  const stranger = world.raw();
  assert.equal(await stranger.receive(), null);
  assert.equal(await world.ended('stranger'), 1);
});

test('at most five connections are accepted in a second, and a bounded number is kept', async () => {
  const clock = new ManualClock();
  using world = new World({ clock });
  void world.server.serve();
  const connected = (): Promise<number> => world.metrics.value('ambit_cni_node_agents_connected');
  for (let i = 0; i < 8; i++) world.raw();
  await until('five are accepted', async () => (await connected()) === 5);
  await clock.advance(900);
  assert.equal(await connected(), 5);
  await clock.advance(200);
  await until('the others are accepted', async () => (await connected()) === 8);
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 5; i++) (await world.agent()) satisfies FakeAgent;
    await clock.advance(1100);
  }
  await until('the surplus is refused', async () => (await world.ended('too-many')) > 0);
  assert.ok((await connected()) <= AGENTS_CONNECTED_MAX);
});
