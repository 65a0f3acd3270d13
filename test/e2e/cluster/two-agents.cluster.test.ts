/** Two node agents that serve the pods of a node at the same time: `nodeAgent.perNode: 2`. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { until } from '@ambit/mesh/testing';
import {
  BOTH_NODE_AGENTS,
  type ComponentPod,
  componentPod,
  componentPods,
  ensureAmbit,
  installAmbit,
  killComponent,
  NAMESPACE,
  podMetric,
  redirectionBecomes,
  rolledOut,
} from './harness/ambit.ts';
import { SETTLE_MS } from './harness/calls.ts';
import { Cluster } from './harness/cluster.ts';
import { assertEncrypted, watchLink } from './harness/link.ts';
import { liveConnectionCount } from './harness/live-connections.ts';
import { appPod, LINE_PORT } from './harness/pods.ts';
import { report } from './harness/report.ts';
import { Scene } from './harness/scene.ts';
import { HeldConnection, Traffic } from './harness/traffic.ts';

const NS = 'two-agents';
const CLIENT = `${NS}/client`;
const SERVER = `${NS}/server`;
/** Connections held each way: that all go through the same one of two agents happens once in a million runs. */
const HELD_COUNT = 20;
const OPENED = 'istio_tcp_connections_opened_total';

const cluster = Cluster.fromEnvironment();
const [, second] = cluster.nodes;
await ensureAmbit(cluster);
const scene = await Scene.openPair(cluster, NS);
await scene.openClient(SERVER);
let isBackToOne = false;
after(async () => {
  await scene.close();
  // The scenarios that follow know of one.
  if (!isBackToOne) await backToOne();
});

/** Helm would keep the value if it were not named. */
async function backToOne(): Promise<void> {
  await installAmbit(cluster, ['nodeAgent.perNode=1']);
  isBackToOne = true;
}

/** Calls both ways, so that the agents of each node have some to carry outwards. */
class TrafficBothWays implements AsyncDisposable {
  readonly ways: readonly Traffic[] = [new Traffic(scene, CLIENT, SERVER), new Traffic(scene, SERVER, CLIENT)];

  async flows(count?: number): Promise<void> {
    await Promise.all(this.ways.map((way) => way.flows(count)));
  }

  async assertUnbroken(): Promise<void> {
    for (const way of this.ways) await way.assertUnbroken();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.ways.map((way) => way[Symbol.asyncDispose]()));
  }
}

test('helm upgrade to two node agents: the first ones and what they carry stay', async () => {
  await redirectionBecomes(cluster, NS, 'client', 'enabled');
  await redirectionBecomes(cluster, NS, 'server', 'enabled');
  const before = await componentPods(cluster, 'ambit-node-agent');
  await using traffic = new TrafficBothWays();
  const held = await HeldConnection.open(scene, CLIENT, SERVER);
  await traffic.flows();
  await installAmbit(cluster, ['nodeAgent.perNode=2']);
  await rolledOut(cluster, BOTH_NODE_AGENTS);
  assert.deepEqual(await componentPods(cluster, 'ambit-node-agent'), before);
  const seconds = await componentPods(cluster, 'ambit-node-agent-b');
  assert.deepEqual(seconds.map(({ node }) => node).toSorted(), cluster.nodes);
  await traffic.flows(20);
  await held.assertWhole();
  await traffic.assertUnbroken();
});

test('both agents of each node carry connections', async () => {
  await using traffic = new TrafficBothWays();
  for (const agent of BOTH_NODE_AGENTS) {
    for (const pod of await componentPods(cluster, agent)) {
      const opened = (): Promise<number> => podMetric(agent, pod, OPENED, { reporter: 'source' });
      const before = await opened();
      await until(`${agent} of ${pod.node} carries more`, async () => (await opened()) > before, SETTLE_MS);
    }
  }
  await traffic.assertUnbroken();
});

test('a pod that starts has both: its connections are shared', async () => {
  const late = `${NS}/late`;
  await cluster.apply(appPod(NS, 'late', { node: second }));
  await scene.awaitPods([late]);
  await redirectionBecomes(cluster, NS, 'late', 'enabled');
  await scene.openClient(late);
  // It may start as soon as one of them has it: more are opened until the other one has it too.
  await using opened = new AsyncDisposableStack();
  await until(
    'either carries some',
    async () => {
      for (const held of await HeldConnection.openMany(scene, late, CLIENT, HELD_COUNT)) opened.use(held);
      const filter = { direction: 'outbound', namespace: NS, pod: 'late' } as const;
      const carried = BOTH_NODE_AGENTS.map(async (agent) =>
        liveConnectionCount(cluster, await componentPod(cluster, agent, second), filter),
      );
      return (await Promise.all(carried)).every((count) => count > 0);
    },
    SETTLE_MS,
  );
});

/** How many of the connections held between the two pods an agent of the second node carries, for `server`. */
async function heldIn(agent: ComponentPod): Promise<{ readonly leaving: number; readonly arriving: number }> {
  const count = (direction: 'inbound' | 'outbound', to: string): Promise<number> => {
    const destination = `${scene.pod(to).ip}:${LINE_PORT}`;
    return liveConnectionCount(cluster, agent, { direction, namespace: NS, pod: 'server', destination });
  };
  return { leaving: await count('outbound', CLIENT), arriving: await count('inbound', SERVER) };
}

test('one of two killed: what it carried is lost and nothing else, the other goes on alone, it comes back', async () => {
  using link = watchLink(cluster, second);
  await using traffic = new TrafficBothWays();
  await traffic.flows();
  await using opened = new AsyncDisposableStack();
  const arriving = await HeldConnection.openMany(scene, CLIENT, SERVER, HELD_COUNT);
  const leaving = await HeldConnection.openMany(scene, SERVER, CLIENT, HELD_COUNT);
  for (const held of [...arriving, ...leaving]) opened.use(held);
  const agents = await Promise.all(
    BOTH_NODE_AGENTS.map(async (name) => {
      const pod = await componentPod(cluster, name, second);
      return { name, pod, carried: await heldIn(pod) };
    }),
  );
  // Tunnels are few and may all have gone to one agent: it is the one of which there is something to see both ways.
  const [victim, other] = agents.toSorted((a, b) => b.carried.arriving - a.carried.arriving);
  assert.ok(victim !== undefined && other !== undefined);
  assert.ok(victim.carried.leaving > 0 && other.carried.leaving > 0, 'either carries some');
  assert.equal(victim.carried.leaving + other.carried.leaving, leaving.length);
  assert.equal(victim.carried.arriving + other.carried.arriving, arriving.length);

  // So that nobody starts it again before the other one was seen to be enough.
  opened.defer(() => cluster.start(second, 'kubelet'));
  await cluster.stop(second, 'kubelet');
  await killComponent(cluster, victim.name, second);
  const broken = (held: readonly HeldConnection[]): number => held.filter(({ isBroken }) => isBroken).length;
  await until('what left by it breaks', () => broken(leaving) >= victim.carried.leaving, SETTLE_MS);
  await until('what arrived by it breaks', () => broken(arriving) >= victim.carried.arriving, SETTLE_MS);
  await traffic.flows(20);
  await cluster.start(second, 'kubelet');
  const carriedAgain = (): Promise<number> => podMetric(victim.name, victim.pod, OPENED).catch(() => 0);
  await until('it carries connections again', async () => (await carriedAgain()) > 0, SETTLE_MS);
  await rolledOut(cluster, BOTH_NODE_AGENTS);
  await traffic.flows(20);

  assert.deepEqual({ leaving: broken(leaving), arriving: broken(arriving) }, victim.carried);
  for (const held of [...leaving, ...arriving]) if (!held.isBroken) await held.assertWhole();
  await traffic[Symbol.asyncDispose]();
  for (const { calls, failed, failures } of traffic.ways) {
    report('calls lost with one of two node agents', `${failed} of ${calls} (at most 1)`);
    assert.ok(failed <= 1, `more than the one call that was on its way: ${failures.join('; ')}`);
  }
  assertEncrypted(link, 10_000);
});

test('back to one per node: the second goes when its last connection has ended, and no call fails', async () => {
  await using traffic = new TrafficBothWays();
  await traffic.flows();
  await using opened = new AsyncDisposableStack();
  const held = await HeldConnection.openMany(scene, CLIENT, SERVER, HELD_COUNT);
  for (const each of held) opened.use(each);
  await backToOne();
  await until(
    'the second ones are on their way out',
    async () => (await componentPods(cluster, 'ambit-node-agent-b')).length === 0,
    SETTLE_MS,
  );
  await traffic.flows(20);
  for (const each of held) await each.assertWhole();
  await traffic.assertUnbroken();
  const selector = ['-n', NAMESPACE, 'pods', '-l', 'app.kubernetes.io/name=ambit-node-agent-b'];
  await until(
    'the second ones have ended',
    async () => (await cluster.read(selector, '{.items[*].metadata.name}')) === '',
    SETTLE_MS,
  );
});
