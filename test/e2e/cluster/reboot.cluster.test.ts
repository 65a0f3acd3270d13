import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { ensureAmbit, redirectionBecomes, rolledOut } from './harness/ambit.ts';
import { Cluster } from './harness/cluster.ts';
import { assertEncrypted, MARKER, watchLink } from './harness/link.ts';
import { agnhostPod, appPod, HTTP_PORT, service } from './harness/pods.ts';
import { Scene } from './harness/scene.ts';
import { Traffic } from './harness/traffic.ts';

const NS = 'reboot';
const CLIENT = `${NS}/client`;
const SERVER = `${NS}/server`;
const BOOT_MS = 180_000;

const cluster = Cluster.fromEnvironment();
const [first, second] = cluster.nodes;
await ensureAmbit(cluster);
const scene = await Scene.open(cluster, {
  namespaces: { [NS]: 'ambient' },
  objects: [
    service(NS, 'server', [{ name: 'http', port: HTTP_PORT }]),
    service(NS, 'client', [{ name: 'http', port: HTTP_PORT }]),
    appPod(NS, 'client', { node: first }),
    appPod(NS, 'server', { node: second }),
  ],
  clients: [CLIENT],
});
after(() => scene.close());

/** Sends the marker to `url` for ever, from the first moment of its container. */
function eagerCaller(url: string): readonly string[] {
  const body = MARKER.repeat(20);
  return ['bash', '-c', `while :; do curl -s --max-time 2 --data ${body} ${url} >/dev/null; sleep 0.05; done`];
}

test('a node that boots starts no pod outside the mesh', async () => {
  // The name server may be on the node that reboots.
  const caller = eagerCaller(`http://${scene.pod(CLIENT).ip}:${HTTP_PORT}/`);
  await cluster.apply(agnhostPod(NS, 'caller', [], { node: second, container: { command: caller, args: [] } }));
  await scene.awaitPods([`${NS}/caller`]);
  await redirectionBecomes(cluster, NS, 'caller', 'enabled');

  // The other node's cable: it stays, and everything between the two crosses it.
  using link = watchLink(cluster, first);
  const ip = await cluster.read(['-n', NS, 'service', 'server'], '{.spec.clusterIP}');
  await using traffic = new Traffic(scene, CLIENT, SERVER, { ip, timeoutMs: 2000 });
  await traffic.flows();
  await cluster.reboot(second);
  await cluster.kubectl(
    [
      '-n',
      NS,
      'wait',
      '--for=jsonpath={.status.containerStatuses[0].restartCount}=1',
      '--timeout=170s',
      'pod/server',
      'pod/caller',
    ],
    { timeoutMs: BOOT_MS },
  );
  await scene.awaitPods([SERVER, `${NS}/caller`], BOOT_MS);
  await traffic.flows(20, BOOT_MS);
  await rolledOut(cluster);
  await traffic.flows();
  assertEncrypted(link, 10_000);
});

test('its pods are in the mesh, with the containers of the second boot', async () => {
  await redirectionBecomes(cluster, NS, 'server', 'enabled');
  await redirectionBecomes(cluster, NS, 'caller', 'enabled');
  const restarts = await cluster.read(['-n', NS, 'pod', 'server'], '{.status.containerStatuses[0].restartCount}');
  assert.equal(restarts, '1');
});
