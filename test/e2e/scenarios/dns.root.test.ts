import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, afterEach, before, describe, test } from 'node:test';
import { DatagramBatch, DatagramListener, NetnsHandle } from '@ambit/mesh/linux';
import { parseSocketAddress } from '@ambit/mesh/model';
import { until } from '@ambit/mesh/testing';
import type { MeshWorld } from '../world/mesh-world.ts';
import { NETNS_DIRECTORY } from '../world/network.ts';
import { requireSandbox } from '../world/sandbox.ts';
import { askForAddress, podNetnsName } from './dns-client.ts';
import { addressesOf, type Manifest, ManifestDirectory, namespace, NODES, pod, service } from './manifests.ts';
import { logsOf, startMesh } from './scenario.ts';

const CLIENT = { name: 'client', host: 'host-a', number: 10 } as const;
const LATE = { name: 'late', host: 'host-a', number: 11 } as const;
const WITHOUT = { name: 'without', host: 'host-a', number: 12 } as const;
const SERVER = { name: 'server', host: 'host-b', number: 20 } as const;
const NAMES = { name: 'names', host: 'host-b', number: 30, mode: 'none' } as const;
const nameServers = addressesOf(NAMES);
const DIRECTORY = '/run/scenario-dns';
/** What the name server gives for every name: nothing of the mesh has it. */
const FOREIGN = '192.0.2.53';
const MESH = '10.20.0.7';

/** The answer to `message` with one address. */
function answerOf(message: Buffer, ip: string): Buffer {
  const answer = Buffer.concat([
    message,
    Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, ...ip.split('.').map(Number)]),
  ]);
  answer[2] = 0x81;
  answer[7] = 1;
  return answer;
}

describe('DNS of captured pods', { skip: requireSandbox() }, () => {
  const cleanup = new AsyncDisposableStack();
  let manifests: ManifestDirectory;
  let world: MeshWorld;

  before(async () => {
    manifests = cleanup.use(new ManifestDirectory(DIRECTORY));
    const without = pod(WITHOUT);
    const metadata = { ...(without['metadata'] as Manifest), annotations: { 'ambit.dev/dns-capture': 'false' } };
    manifests.write(
      'world.yaml',
      ...[...NODES, namespace('shop', 'ambient'), service('web', 7, 'server')],
      ...[CLIENT, SERVER, NAMES].map(pod),
      { ...without, metadata },
    );
    manifests.write('late.yaml', pod({ ...LATE, mode: 'none' }));
    writeFileSync('/run/scenario-dns-resolv.conf', nameServers.map((ip) => `nameserver ${ip}\n`).join(''));
    world = await startMesh(manifests, ['shop/client', 'shop/server', 'shop/without'], {
      variables: { 'node-agent': { AMBIT_DNS_RESOLV_CONF: '/run/scenario-dns-resolv.conf' } },
    });
    cleanup.use(world);
    serveNames();
  });
  afterEach((t) => {
    if ('passed' in t && !t.passed) console.error(logsOf(world));
  });
  after(() => cleanup.disposeAsync());

  const handleOf = (name: string): NetnsHandle =>
    cleanup.use(NetnsHandle.open(`${NETNS_DIRECTORY}/${podNetnsName(name)}`));

  function serveNames(): void {
    const batch = new DatagramBatch(512);
    const netns = handleOf('names');
    for (const ip of nameServers) {
      const address = parseSocketAddress(ip.includes(':') ? `[${ip}]:53` : `${ip}:53`);
      const listener: DatagramListener = new DatagramListener(netns, { address }, () => {
        for (let i = batch.receive(listener); i-- > 0; ) {
          batch.reply(i, answerOf(Buffer.from(batch.datagram(i)), FOREIGN).copy(batch.replyBuffer()));
        }
        batch.flush(listener);
      });
      cleanup.use(listener);
    }
  }

  const ask = (name: string, of: string, ip: string = nameServers[0]): Promise<string | null> =>
    askForAddress(name, of, ip);
  const becomes = (name: string, of: string, expected: string): Promise<true> =>
    until(`${of} is told ${expected} for ${name}`, async () => (await ask(name, of)) === expected);

  test('names of the mesh come from the mesh, others from the name server, in either family', async () => {
    await becomes('web', 'client', MESH);
    for (const ip of nameServers) {
      assert.equal(await ask('web.shop.svc.cluster.local', 'client', ip), MESH);
      assert.equal(await ask('example.org', 'client', ip), FOREIGN);
    }
  });

  test('an annotation leaves DNS of a pod alone, until it is taken away', async () => {
    assert.equal(await ask('web', 'without'), FOREIGN);
    manifests.write(
      'world.yaml',
      ...[...NODES, namespace('shop', 'ambient'), service('web', 7, 'server')],
      ...[CLIENT, SERVER, NAMES, WITHOUT].map(pod),
    );
    await becomes('web', 'without', MESH);
  });

  test('an upgrade of the node agent costs no answer', async () => {
    let done = false;
    const told: (string | null)[] = [];
    const asking = (async () => {
      while (!done) for (const name of ['web', 'example.org']) told.push(await ask(name, 'client'));
    })();
    const before = await world.upgradeNodeAgent('host-a');
    const stopped = before.nodeAgent.stop('SIGTERM');
    await until('some more were asked', () => told.length > 4);
    await stopped;
    done = true;
    await asking;
    assert.deepEqual(
      told,
      told.map((_, i) => (i % 2 === 0 ? MESH : FOREIGN)),
    );
  });

  test('without a node agent names are what the name server says, for pods of before and new ones', async () => {
    const { nodeAgent } = world.processes('host-a');
    await nodeAgent.stop('SIGKILL');
    await becomes('web', 'client', FOREIGN);
    manifests.write('late.yaml', pod(LATE));
    await until('the pod is redirected', () =>
      world.network.outputOf({ namespace: 'shop', name: 'late' }, 'nft', ['list', 'tables']).includes('inet ambit'),
    );
    assert.equal(await ask('web', 'late'), FOREIGN);
    nodeAgent.start();
    await world.nodeAgentReady('host-a');
    for (const name of ['client', 'late']) await becomes('web', name, MESH);
  });
});
