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
import { type LiveConnection, liveConnections } from './harness/live-connections.ts';
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

type Agent = (typeof BOTH_NODE_AGENTS)[number];

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

/** What the agent carries of the connections held between the two pods. */
async function heldIn(pod: ComponentPod): Promise<readonly LiveConnection[]> {
  const lists = [CLIENT, SERVER].map((name) => liveConnections(cluster, pod, `${scene.pod(name).ip}:${LINE_PORT}`));
  return (await Promise.all(lists)).flat();
}

function outboundSources(connections: readonly LiveConnection[]): string[] {
  return connections
    .filter(({ direction }) => direction === 'outbound')
    .map(({ source }) => source)
    .toSorted();
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
  const held: HeldConnection[] = [];
  await until(
    'either carries some',
    async () => {
      held.push(...(await HeldConnection.openMany(scene, late, CLIENT, HELD_COUNT)));
      const carried = await Promise.all(
        BOTH_NODE_AGENTS.map(async (agent) => heldIn(await componentPod(cluster, agent, second))),
      );
      const sources = new Set(held.map(({ source }) => source));
      return carried.every((connections) => outboundSources(connections).some((source) => sources.has(source)));
    },
    SETTLE_MS,
  );
  for (const each of held) await each.assertWhole();
});

test('one of two killed: what it carried is lost and nothing else, the other goes on alone, it comes back', async () => {
  using link = watchLink(cluster, second);
  await using traffic = new TrafficBothWays();
  await traffic.flows();
  const arriving = await HeldConnection.openMany(scene, CLIENT, SERVER, HELD_COUNT);
  const leaving = await HeldConnection.openMany(scene, SERVER, CLIENT, HELD_COUNT);
  const agents = await Promise.all(
    BOTH_NODE_AGENTS.map(async (name: Agent) => {
      const pod = await componentPod(cluster, name, second);
      const carried = await heldIn(pod);
      const outbound = outboundSources(carried);
      return { name, pod, outbound, inboundCount: carried.length - outbound.length };
    }),
  );
  // Tunnels are few and may all have gone to one agent: it is the one of which there is something to see both ways.
  const [victim, other] = agents.toSorted((a, b) => b.inboundCount - a.inboundCount);
  assert.ok(victim !== undefined && other !== undefined);
  assert.deepEqual(
    [...victim.outbound, ...other.outbound].toSorted(),
    leaving.map(({ source }) => source).toSorted(),
    'each is carried by one of the two',
  );
  assert.ok(victim.outbound.length > 0 && other.outbound.length > 0, 'either carries some');
  assert.equal(victim.inboundCount + other.inboundCount, arriving.length);

  // So that nobody starts it again before the other one was seen to be enough.
  await cluster.stop(second, 'kubelet');
  await killComponent(cluster, victim.name, second);
  const broken = (held: readonly HeldConnection[]): HeldConnection[] => held.filter(({ isBroken }) => isBroken);
  await until(
    'what it carried breaks',
    () => broken(leaving).length + broken(arriving).length >= victim.outbound.length + victim.inboundCount,
    SETTLE_MS,
  );
  await traffic.flows(20);
  await cluster.start(second, 'kubelet');
  const opened = (): Promise<number> => podMetric(victim.name, victim.pod, OPENED).catch(() => 0);
  await until('it carries connections again', async () => (await opened()) > 0, SETTLE_MS);
  await rolledOut(cluster, BOTH_NODE_AGENTS);
  await traffic.flows(20);

  assert.deepEqual(
    broken(leaving)
      .map(({ source }) => source)
      .toSorted(),
    victim.outbound,
  );
  assert.equal(broken(arriving).length, victim.inboundCount);
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
  const held = await HeldConnection.openMany(scene, CLIENT, SERVER, HELD_COUNT);
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
