import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { until } from '@ambit/mesh/testing';
import { LinkCapture } from '../world/capture.ts';
import type { MeshWorld } from '../world/mesh-world.ts';
import { LINK_INTERFACE } from '../world/network.ts';
import { requireSandbox } from '../world/sandbox.ts';
import { accessPolicy, addressesOf, ManifestDirectory, namespace, NODES, pod } from './manifests.ts';
import {
  callLine,
  controllerMetric,
  fromCaller,
  holdLine,
  livesOn,
  logsOf,
  nodeAgentMetric,
  recordOf,
  startMesh,
} from './scenario.ts';

const CLIENT = { name: 'client', host: 'host-a', number: 10 } as const;
const OTHER = { name: 'other', host: 'host-a', number: 11 } as const;
const SERVER = { name: 'server', host: 'host-b', number: 20 } as const;
const LATE = { name: 'late', host: 'host-b', number: 21 } as const;
const [server, serverV6] = addressesOf(SERVER);
const [late] = addressesOf(LATE);
const ALL = ['shop/client', 'shop/late', 'shop/other', 'shop/server'];
const MARKER = 'IN-THE-CLEAR-4711';
const DRAIN_MS = 2000;

describe('a mesh whose processes die', { skip: requireSandbox() }, () => {
  let manifests: ManifestDirectory;
  let world: MeshWorld;

  before(async () => {
    manifests = new ManifestDirectory('/run/scenario-outages');
    manifests.write('world.yaml', ...NODES, namespace('shop', 'ambient'), ...[CLIENT, OTHER, SERVER].map(pod));
    manifests.write('late.yaml', pod(LATE));
    world = await startMesh(manifests, ALL, {
      variables: { 'node-agent': { AMBIT_TERMINATION_DEADLINE: `${DRAIN_MS}ms` } },
    });
  });
  afterEach((t) => {
    if ('passed' in t && !t.passed) console.error(logsOf(world));
  });
  after(async () => {
    await world[Symbol.asyncDispose]();
    manifests[Symbol.dispose]();
  });

  /** What the controller, since it was started, sent to both agents once each has an answer to its first request. */
  const pushed = async (): Promise<readonly number[]> => {
    const count = (what: string, type: string): Promise<number> =>
      controllerMetric(world, `ambit_xds_${what}_total`, { type });
    await until('both agents are answered', async () => {
      const answers = await Promise.all(['Address', 'Authorization'].map((type) => count('responses', type)));
      return answers.every((answered) => answered >= 2);
    });
    return [await count('resources_sent', 'Address'), await count('resources_sent', 'Authorization')];
  };
  const callsWork = (from = 'client', to = server): Promise<true> =>
    until('calls work', async () => (await callLine(world, from, to, 'hello', 1000)).ok, 20_000);

  test('controller killed: nothing open is lost, new connections work, nothing is pushed again after', async () => {
    const held = await Promise.all([
      holdLine(world, 'client', server),
      holdLine(world, 'client', serverV6),
      holdLine(world, 'other', server),
    ]);
    await world.controller.stop('SIGKILL');
    for (let i = 0; i < 20; i++) {
      const call = await callLine(world, 'client', i % 2 === 0 ? server : serverV6);
      assert.deepEqual({ ok: call.ok, servedBy: call.servedBy }, { ok: true, servedBy: 'server' });
    }
    for (const connection of held) await livesOn(world, 'server', connection);

    world.controller.start();
    await world.controllerReady();
    assert.deepEqual(await pushed(), [0, 0], 'agents have every version already');
    await callsWork();
    assert.deepEqual(await Promise.all(held.map((connection) => connection.release())), [
      undefined,
      undefined,
      undefined,
    ]);
  });

  test('a policy written while the controller was away is in force once it is back', async () => {
    const kept = await holdLine(world, 'client', server);
    const cut = await holdLine(world, 'other', server);
    await world.controller.stop('SIGKILL');
    const rules = [{ from: [{ serviceAccounts: ['other'] }] }];
    manifests.write('policy.yaml', accessPolicy('not-other', 'server', { action: 'Deny', rules }));
    await livesOn(world, 'server', cut);

    world.controller.start();
    assert.equal((await cut.ended).error, 'ECONNRESET');
    assert.equal((await callLine(world, 'other', server)).ok, false);
    await livesOn(world, 'server', kept);
    assert.equal(await kept.release(), undefined);
    // The policy, and the workload that names it, to each of two agents.
    assert.deepEqual(await pushed(), [2, 2]);
    manifests.remove('policy.yaml');
    await callsWork('other');
  });

  test('node agent told to stop: nothing new, what is open goes on to its end or to the deadline', async () => {
    const { nodeAgent } = world.processes('host-b');
    const ends = await holdLine(world, 'client', server);
    const stopped = nodeAgent.stop('SIGTERM');
    await until('new connections are refused', async () => !(await callLine(world, 'client', server)).ok);
    await livesOn(world, 'server', ends);
    assert.equal(await ends.release(), undefined);
    await stopped;
    assert.equal((await callLine(world, 'client', server)).ok, false);

    nodeAgent.start();
    await callsWork();
    const stays = await holdLine(world, 'client', server);
    const began = performance.now();
    await nodeAgent.stop('SIGTERM');
    const ms = performance.now() - began;
    assert.equal((await stays.ended).error, 'ECONNRESET');
    assert.ok(ms >= DRAIN_MS && ms < DRAIN_MS + 3000, `stopped after ${ms} ms`);
    const record = await recordOf(
      world,
      'host-b',
      'inbound',
      (line) => line.fields.has('error') && line.message === 'connection complete',
    );
    assert.equal(record.fields.get('error'), 'connection closed because the node agent shuts down');
    assert.doesNotMatch(nodeAgent.log, /\terror\t/);
    nodeAgent.start();
    await callsWork();
  });

  test('node agent killed: connections break, new ones are refused, nothing goes in the clear, and all recovers', async () => {
    const { nodeAgent } = world.processes('host-b');
    const held = await holdLine(world, 'client', server);
    using capture = new LinkCapture(LINK_INTERFACE, MARKER, 15008);
    const attempt = async (): Promise<boolean[]> => {
      const calls = [
        callLine(world, 'client', server, MARKER, 1500),
        callLine(world, 'server', addressesOf(CLIENT)[0], MARKER, 1500),
        callLine(world, 'client', serverV6, MARKER, 1500),
      ];
      return (await Promise.all(calls)).map((call) => call.ok);
    };
    assert.deepEqual(await attempt(), [true, true, true]);
    await nodeAgent.stop('SIGKILL');
    assert.notEqual((await held.ended).error, undefined);
    const servedBefore = [...ALL].map((name) => world.app(name.slice(5)).served.length);
    for (let i = 0; i < 10; i++) assert.deepEqual(await attempt(), [false, false, false]);
    assert.deepEqual(
      [...ALL].map((name) => world.app(name.slice(5)).served.length),
      servedBefore,
      'no app was reached',
    );

    nodeAgent.start();
    await until('calls work both ways', async () => (await attempt()).every(Boolean), 20_000);
    assert.equal(capture.report().markers, 0);
    assert.ok(capture.report().tlsApplicationBytes > 0);
  });

  test('CNI agent killed: pods stay captured and connected, and the node agent has its pods again after', async () => {
    const { cniAgent } = world.processes('host-b');
    const held = await holdLine(world, 'client', server);
    const startedBefore = await nodeAgentMetric(world, 'host-b', 'ambit_pods_started_total');
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      await cniAgent.stop(signal);
      const call = await callLine(world, 'client', server);
      assert.equal(call.ok, true);
      const record = await recordOf(world, 'host-b', 'inbound', (line) => line.fields.get('src.workload') === 'client');
      assert.equal(record.fields.get('src.identity'), 'spiffe://cluster.local/ns/shop/sa/client');
      cniAgent.start();
      await until('the CNI agent is ready', async () => {
        const metrics = await world.ask('host-b', 'cni-metrics', '/metrics');
        return metrics !== null && /^ambit_cni_node_agents_connected 1$/m.test(metrics);
      });
      await world.captured(ALL);
    }
    await livesOn(world, 'server', held);
    assert.equal(await held.release(), undefined);
    assert.equal(await nodeAgentMetric(world, 'host-b', 'ambit_pods_started_total'), startedBefore);
    // A node agent that comes anew is told everything.
    const { nodeAgent } = world.processes('host-b');
    await nodeAgent.stop('SIGKILL');
    nodeAgent.start();
    await world.captured(ALL);
    await callsWork();
  });

  test('a pod added while the CNI agent is dead is refused, never reached in the clear, until the agent is back', async () => {
    manifests.remove('late.yaml');
    await world.captured(ALL.filter((name) => name !== 'shop/late'));
    // What is known of the pod from before would be taken for what is known of the new one.
    await world.forgotten('shop/late');
    const { cniAgent } = world.processes('host-b');
    await cniAgent.stop('SIGKILL');
    manifests.write('late.yaml', pod(LATE));
    await world.tunnelled(['shop/late']);
    using capture = new LinkCapture(LINK_INTERFACE, MARKER, 15008);
    const before = world.app('late').served.length;
    const refused = await callLine(world, 'client', late, MARKER);
    assert.equal(refused.ok, false);
    const record = await recordOf(world, 'host-a', 'outbound', fromCaller(refused));
    assert.equal(record.fields.get('dst.workload'), 'late');
    assert.equal(world.app('late').served.length, before);

    cniAgent.start();
    await world.captured(ALL);
    const call = await callLine(world, 'client', late, MARKER);
    assert.deepEqual({ ok: call.ok, servedBy: call.servedBy }, { ok: true, servedBy: 'late' });
    assert.equal(capture.report().markers, 0);
  });
});
