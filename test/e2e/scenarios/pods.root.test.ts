import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { until } from '@ambit/mesh/testing';
import { AppHandle } from '../world/apps/app-handle.ts';
import { LinkCapture } from '../world/capture.ts';
import type { MeshWorld } from '../world/mesh-world.ts';
import { LINK_INTERFACE } from '../world/network.ts';
import { requireSandbox } from '../world/sandbox.ts';
import { addressesOf, LINE_PORT, ManifestDirectory, namespace, NODES, pod, type PodOptions } from './manifests.ts';
import { callLine, fromCaller, holdLine, ipOf, livesOn, logsOf, recordOf, startMesh } from './scenario.ts';

const CLIENT = { name: 'client', host: 'host-a', number: 10 } as const;
const SERVER = { name: 'server', host: 'host-b', number: 20 } as const;
const LATE = { name: 'late', host: 'host-b', number: 21 } as const;
const PLAIN = { name: 'plain', host: 'host-b', number: 22, mode: 'none' } as const;
const DNS = { name: 'dns', host: 'host-b', number: 23, namespace: 'kube-system' } as const;
const EXPORTER = { name: 'exporter', host: 'host-a', number: 30, mode: 'ambient', hostAddress: '10.9.0.1' } as const;
const NOBODY = { host: 'host-b', number: 99 } as const;
const ENROLLED = ['shop/client', 'shop/late', 'shop/server'];
const MARKER = 'READABLE-0815';
/** How long a connection waits for a destination that is not known (docs/reference/node-agent.md). */
const PATIENCE_MS = 5000;

describe('pods of a mesh', { skip: requireSandbox() }, () => {
  let manifests: ManifestDirectory;
  let world: MeshWorld;

  before(async () => {
    manifests = new ManifestDirectory('/run/scenario-pods');
    const namespaces = [namespace('shop', 'ambient'), namespace('kube-system', 'ambient')];
    manifests.write('world.yaml', ...NODES, ...namespaces, ...[CLIENT, SERVER, PLAIN, DNS, EXPORTER].map(pod));
    manifests.write('late.yaml', pod(LATE));
    world = await startMesh(manifests, ENROLLED);
  });
  afterEach((t) => {
    if ('passed' in t && !t.passed) console.error(logsOf(world));
  });
  after(async () => {
    await world[Symbol.asyncDispose]();
    manifests[Symbol.dispose]();
  });

  /** Everything of a pod's network that enrolling could touch. */
  const stateOf = ({ name, namespace: place = 'shop' }: Pick<PodOptions, 'name' | 'namespace'>): string => {
    const commands = [
      ...['nft list ruleset', 'ip rule', 'ip -6 rule', 'ip addr', 'ip link'],
      ...['ip route show table all', 'ip -6 route show table all', 'cat /proc/net/ip_tables_names 2>&1 || true'],
      'grep -rs . /proc/sys/net/ipv4/conf /proc/sys/net/ipv6/conf /proc/sys/net/ipv4/ip_forward || true',
    ];
    return world.network.outputOf({ namespace: place, name }, 'sh', ['-c', commands.join('; echo; ')]);
  };
  const rulesOf = (name: string, place = 'shop'): string =>
    world.network.outputOf({ namespace: place, name }, 'nft', ['list', 'ruleset']);

  test('a running pod is enrolled and released by its label, and its network is as it was', async () => {
    const [plain, plainV6] = addressesOf(PLAIN);
    const before = stateOf(PLAIN);
    assert.equal(rulesOf('plain'), '');
    using capture = new LinkCapture(LINK_INTERFACE, MARKER, 15008);
    const first = await callLine(world, 'client', plain, MARKER);
    assert.deepEqual([first.ok, capture.report().markers > 0], [true, true]);
    const inward = await holdLine(world, 'client', plain);
    const outward = await holdLine(world, 'plain', addressesOf(SERVER)[0]);
    await livesOn(world, 'plain', inward);

    const write = (mode: PodOptions['mode']): void =>
      manifests.write(
        'world.yaml',
        ...[...NODES, namespace('shop', 'ambient'), namespace('kube-system', 'ambient')],
        ...[CLIENT, SERVER, { ...PLAIN, mode: mode ?? 'none' }, DNS, EXPORTER].map(pod),
      );
    write('ambient');
    // What began outside the mesh must not go on past it.
    assert.notEqual((await inward.ended).error, undefined);
    assert.notEqual((await outward.ended).error, undefined);
    await world.captured([...ENROLLED, 'shop/plain']);
    await world.tunnelled(['shop/plain']);
    assert.match(rulesOf('plain'), /table inet ambit/);
    const seen = capture.report().markers;
    for (const ip of [plain, plainV6]) {
      const call = await callLine(world, 'client', ip, MARKER);
      assert.deepEqual([call.ok, call.servedBy], [true, 'plain']);
      const record = await recordOf(world, 'host-b', 'inbound', (line) => line.fields.get('dst.workload') === 'plain');
      assert.equal(record.fields.get('src.identity'), 'spiffe://cluster.local/ns/shop/sa/client');
    }
    assert.equal(capture.report().markers, seen);

    write('none');
    await world.captured(ENROLLED);
    await until('the rules are gone', () => stateOf(PLAIN) === before).catch(() =>
      assert.equal(stateOf(PLAIN), before),
    );
    await until('the caller knows', async () => {
      const call = await callLine(world, 'client', plain, MARKER, 1000);
      return call.ok && capture.report().markers > seen;
    });
    // The same process all along: its record of what it served has both halves.
    assert.ok(world.app('plain').served.length > 4);
  });

  test('an address of the mesh that nobody has is waited for, then refused, over both families', async () => {
    const began = performance.now();
    const calls = await Promise.all(addressesOf(NOBODY).map((ip) => callLine(world, 'client', ip, 'x', 9000)));
    const ms = performance.now() - began;
    assert.deepEqual(
      calls.map((call) => call.ok),
      [false, false],
    );
    assert.ok(ms >= PATIENCE_MS - 100 && ms < PATIENCE_MS + 2500, `refused after ${ms} ms`);
    for (const call of calls) {
      const record = await recordOf(world, 'host-a', 'outbound', fromCaller(call));
      assert.equal(record.fields.get('error'), 'the destination is inside the mesh but not known');
    }
  });

  test('a call to a pod that appears while it waits is served, over both families', async () => {
    manifests.remove('late.yaml');
    await world.captured(ENROLLED.filter((name) => name !== 'shop/late'));
    await world.forgotten('shop/late');
    const ips = addressesOf(LATE);
    // Its own host is quicker than the news of it: else it might not listen yet when its caller knows it.
    const { pid } = world.controller;
    assert.ok(pid !== null);
    process.kill(pid, 'SIGSTOP');
    manifests.write('late.yaml', pod(LATE));
    await world.captured(ENROLLED);
    const calls = ips.map((ip) => callLine(world, 'client', ip, 'x', 9000));
    const waiting = Symbol();
    const pause = new Promise((resolve) => setTimeout(resolve, 300, waiting));
    assert.equal(await Promise.race([...calls, pause]), waiting);
    process.kill(pid, 'SIGCONT');
    for (const [index, call] of (await Promise.all(calls)).entries()) {
      assert.deepEqual(
        [call.ok, call.servedBy, ipOf(call.seenSource), call.ms < PATIENCE_MS],
        [true, 'late', addressesOf(CLIENT)[index], true],
        call.error,
      );
    }
  });

  test('a pod on the network of its host and pods of excluded namespaces are left alone, whatever their labels', async () => {
    const dumps = await Promise.all(world.hosts.map(({ name }) => world.ask(name, 'admin', '/config_dump')));
    for (const dump of dumps) assert.ok(dump !== null && !/"(exporter|dns)":? ?\{?"state"/.test(dump));
    assert.equal(world.network.outputOf('host-a', 'nft', ['list', 'ruleset']), '');
    assert.equal(rulesOf('dns', 'kube-system'), '');
    await using exporter = await AppHandle.start({ name: 'exporter', linePort: LINE_PORT }, (command, args) =>
      world.network.spawnOnHost('host-a', command, args, { stdio: ['pipe', 'pipe', 'inherit'] }),
    );
    using capture = new LinkCapture(LINK_INTERFACE, MARKER, 15008);
    const toHost = await callLine(world, 'server', EXPORTER.hostAddress, MARKER);
    assert.deepEqual([toHost.ok, toHost.servedBy, ipOf(toHost.seenSource)], [true, 'exporter', addressesOf(SERVER)[0]]);
    const [dns] = addressesOf(DNS);
    const toDns = await callLine(world, 'client', dns, MARKER);
    assert.deepEqual([toDns.ok, toDns.servedBy, toDns.seenSource], [true, 'dns', world.app('dns').served[0]?.source]);
    assert.ok(capture.report().markers >= 4, 'both in the clear');
    // And it is let in as what it is: without an identity.
    const [server] = addressesOf(SERVER);
    const call = await exporter.run({ op: 'line', ip: server, port: LINE_PORT, line: 'x', timeoutMs: 5000 });
    assert.deepEqual([call.ok, ipOf(call.seenSource)], [true, EXPORTER.hostAddress]);
    const record = await recordOf(world, 'host-b', 'inbound', fromCaller(call));
    assert.equal(record.fields.get('src.identity'), undefined);
  });
});
