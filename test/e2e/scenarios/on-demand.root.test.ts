import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { until } from '@ambit/mesh/testing';
import { AppHandle } from '../world/apps/app-handle.ts';
import { knownPods } from '../world/config-dumps.ts';
import type { MeshWorld } from '../world/mesh-world.ts';
import { requireSandbox } from '../world/sandbox.ts';
import { askForAddress } from './dns-client.ts';
import {
  accessPolicy,
  addressesOf,
  LINE_PORT,
  ManifestDirectory,
  namespace,
  NODES,
  pod,
  service,
} from './manifests.ts';
import { CALL_MS, callLine, fromCaller, holdLine, ipOf, livesOn, logsOf, recordOf, startMesh } from './scenario.ts';

const CLIENT = { name: 'client', host: 'host-a', number: 10 } as const;
const OTHER = { name: 'other', host: 'host-a', number: 11 } as const;
const SERVER = { name: 'server', host: 'host-b', number: 20 } as const;
const FAR = { name: 'far', host: 'host-b', number: 21 } as const;
const QUIET = { name: 'quiet', host: 'host-b', number: 22 } as const;
const PLAIN = { name: 'plain', host: 'host-b', number: 23, mode: 'none' } as const;
const VIP = '10.20.0.7';
/** No address of the mesh, and nobody's that the controller knows. */
const OUTSIDE = '10.9.0.1';
const ACCOUNT = 'spiffe://cluster.local/ns/shop/sa/client';

describe('a mesh of agents that ask for what they need', { skip: requireSandbox() }, () => {
  let manifests: ManifestDirectory;
  let world: MeshWorld;

  before(async () => {
    manifests = new ManifestDirectory('/run/scenario-on-demand');
    manifests.write(
      'world.yaml',
      ...[...NODES, namespace('shop', 'ambient'), service('web', 7, 'server')],
      ...[CLIENT, OTHER, SERVER, FAR, QUIET, PLAIN].map(pod),
    );
    world = await startMesh(manifests, ['shop/client', 'shop/far', 'shop/other', 'shop/quiet', 'shop/server'], {
      variables: { 'node-agent': { AMBIT_XDS_ON_DEMAND: 'true' } },
    });
  });
  afterEach((t) => {
    if ('passed' in t && !t.passed) console.error(logsOf(world));
  });
  after(async () => {
    await world[Symbol.asyncDispose]();
    manifests[Symbol.dispose]();
  });

  const known = async (host: string): Promise<readonly string[]> =>
    [...knownPods((await world.ask(host, 'admin', '/config_dump')) ?? '{}').keys()].sort();

  test('an agent knows the pods of its node, and others once somebody calls them, by address or by service', async () => {
    await until('it knows its own', async () => (await known('host-a')).length > 0);
    assert.deepEqual(await known('host-a'), ['shop/client', 'shop/other']);
    for (const ip of addressesOf(SERVER)) {
      const call = await callLine(world, 'client', ip);
      assert.deepEqual([call.ok, call.servedBy], [true, 'server'], call.error);
      const sent = await recordOf(world, 'host-a', 'outbound', fromCaller(call));
      assert.equal(sent.fields.get('dst.workload'), 'server');
      const record = await recordOf(
        world,
        'host-b',
        'inbound',
        (line) => ipOf(line.fields.get('src.addr')) === ipOf(call.localAddress),
      );
      assert.deepEqual([record.fields.get('src.identity'), record.fields.get('src.workload')], [ACCOUNT, 'client']);
    }
    const [port, path] = [80, '/'];
    const call = await world.app('client').run({ op: 'http', ip: VIP, port, path, timeoutMs: CALL_MS });
    assert.deepEqual([call.ok, call.servedBy], [true, 'server'], call.error);
    const plain = await callLine(world, 'client', addressesOf(PLAIN)[0]);
    assert.deepEqual([plain.ok, plain.servedBy], [true, 'plain'], plain.error);
    assert.deepEqual(await known('host-a'), ['shop/client', 'shop/other', 'shop/plain', 'shop/server']);
  });

  test('a name is answered from what the controller knows of it', async () => {
    for (const name of ['web', 'web.shop.svc.cluster.local']) {
      assert.equal(await askForAddress(name, 'other', addressesOf(QUIET)[0]), VIP);
    }
  });

  test('policy by the principal of the source holds, and what changes of it comes by itself', async () => {
    const [server] = addressesOf(SERVER);
    const held = await holdLine(world, 'other', server);
    const from = [{ principals: [ACCOUNT.replace('spiffe://', '')] }];
    manifests.write('allow.yaml', accessPolicy('allow', 'server', { action: 'Allow', rules: [{ from }] }));
    assert.equal((await held.ended).error, 'ECONNRESET');
    assert.equal((await callLine(world, 'other', server)).ok, false);
    assert.equal((await callLine(world, 'client', server)).ok, true);
    manifests.remove('allow.yaml');
    await until('others are admitted again', async () => (await callLine(world, 'other', server)).ok);
  });

  test('without a controller what is known goes on, what is not is waited for; one that is back is told what is held', async () => {
    const [server] = addressesOf(SERVER);
    const held = await holdLine(world, 'client', server);
    await world.controller.stop('SIGKILL');
    assert.equal((await callLine(world, 'client', server)).ok, true);
    const refused = await callLine(world, 'client', addressesOf(FAR)[1], 'x', 9000);
    assert.equal(refused.ok, false);
    const record = await recordOf(world, 'host-a', 'outbound', fromCaller(refused));
    assert.equal(record.fields.get('error'), 'the controller has not said in time who the destination is');

    world.controller.start();
    await world.controllerReady();
    const call = await until('what is not known is asked for', async () => {
      const later = await callLine(world, 'client', addressesOf(FAR)[0]);
      return later.ok ? later : null;
    });
    assert.equal(call.servedBy, 'far');
    await livesOn(world, 'server', held);
    assert.equal(await held.release(), undefined);
    assert.equal((await known('host-a')).includes('shop/quiet'), false);
  });

  test("a pod that goes is gone, and one that comes to an address that was nobody's is known", async () => {
    const write = (...more: readonly (typeof QUIET | typeof FAR)[]): void =>
      manifests.write(
        'world.yaml',
        ...[...NODES, namespace('shop', 'ambient'), service('web', 7, 'server')],
        ...[CLIENT, OTHER, SERVER, PLAIN, ...more].map(pod),
      );
    write(QUIET);
    await world.forgotten('shop/far');
    const [far] = addressesOf(FAR);
    const call = callLine(world, 'client', far, 'x', 9000);
    write(QUIET, FAR);
    const first = await call;
    // It may have come too late for the first.
    const { servedBy } = first.ok
      ? first
      : await until('it is called', async () => {
          const later = await callLine(world, 'client', far);
          return later.ok ? later : null;
        });
    assert.equal(servedBy, 'far');
  });

  test("an address outside the mesh is called as it is, once the controller has said that it is nobody's", async () => {
    await using host = await AppHandle.start({ name: 'outside', linePort: LINE_PORT }, (command, args) =>
      world.network.spawnOnHost('host-a', command, args, { stdio: ['pipe', 'pipe', 'inherit'] }),
    );
    for (let i = 0; i < 2; i++) {
      const call = await callLine(world, 'server', OUTSIDE);
      assert.deepEqual([call.ok, call.servedBy, ipOf(call.seenSource)], [true, 'outside', addressesOf(SERVER)[0]]);
      const record = await recordOf(world, 'host-b', 'outbound', fromCaller(call));
      assert.equal(record.fields.get('dst.workload'), undefined);
    }
    const inward = await host.run({
      op: 'line',
      ip: addressesOf(CLIENT)[0],
      port: LINE_PORT,
      line: 'x',
      timeoutMs: CALL_MS,
    });
    assert.equal(inward.ok, true, inward.error);
  });
});
