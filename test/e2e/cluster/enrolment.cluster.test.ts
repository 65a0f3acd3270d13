import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { until } from '@ambit/mesh/testing';
import { accessLog, ensureAmbit, redirectionBecomes } from './harness/ambit.ts';
import { assertAllowed, call, SETTLE_MS } from './harness/calls.ts';
import { Cluster } from './harness/cluster.ts';
import { assertEncrypted, assertPlaintext, watchLink } from './harness/link.ts';
import { setMode, setPodMode } from './harness/namespace.ts';
import { appPod, LINE_PORT, serviceAccount } from './harness/pods.ts';
import { Scene } from './harness/scene.ts';

const NS = 'enrolment';
const OTHER = 'enrolment-other';
const CLIENT = `${NS}/client`;
const SERVER = `${NS}/server`;
const BULK_BYTES = 2_000_000;

const cluster = Cluster.fromEnvironment();
const [first, second] = cluster.nodes;
await ensureAmbit(cluster);
const scene = await Scene.open(cluster, {
  namespaces: { [NS]: 'unlabelled', [OTHER]: 'unlabelled' },
  objects: [
    serviceAccount(NS, 'buyer'),
    serviceAccount(NS, 'seller'),
    appPod(NS, 'client', { node: first, serviceAccount: 'buyer' }),
    appPod(NS, 'server', { node: second, serviceAccount: 'seller' }),
    appPod(OTHER, 'visitor', { node: first }),
  ],
  clients: [CLIENT, `${OTHER}/visitor`],
});
after(() => scene.close());

/** Everything that a call carries across the link from now on is seen by `judge`. */
async function crossing(
  judge: (link: ReturnType<typeof watchLink>) => void,
  from = CLIENT,
  to = SERVER,
): Promise<void> {
  using link = watchLink(cluster, second);
  await assertAllowed(scene, from, to, { bytes: BULK_BYTES });
  judge(link);
}

const encrypted = (link: ReturnType<typeof watchLink>): void => assertEncrypted(link, BULK_BYTES);

test('pods of a namespace without label talk in plaintext', () => crossing(assertPlaintext));

test('a label on the namespace enrols running pods, and cuts what was open before', async () => {
  const { ip } = scene.pod(SERVER);
  const held = scene.client(CLIENT).hold({ ip, port: LINE_PORT, intervalMs: 50, timeoutMs: 8000 });
  assert.equal((await held.opened).ok, true);
  await setMode(cluster, NS, 'ambient');
  await redirectionBecomes(cluster, NS, 'client', 'enabled');
  await redirectionBecomes(cluster, NS, 'server', 'enabled');
  assert.notEqual((await held.ended).error, undefined, 'the old connection was cut');
  await crossing(encrypted);
});

test('the pods kept their containers while they were enrolled', async () => {
  const restarts = '{.items[*].status.containerStatuses[0].restartCount}';
  assert.equal(await cluster.read(['-n', NS, 'pods'], restarts), '0 0');
});

test('both node agents know who called whom', async () => {
  const { localAddress } = await assertAllowed(scene, CLIENT, SERVER);
  const record = await until(
    'the server’s node agent logs the call',
    async () =>
      (await accessLog(cluster, second, 'inbound')).findLast(({ fields }) =>
        fields.get('src.addr')?.startsWith(`${scene.pod(CLIENT).ip}:`),
      ),
    SETTLE_MS,
  );
  assert.notEqual(localAddress, '');
  assert.equal(record.fields.get('src.identity'), `spiffe://cluster.local/ns/${NS}/sa/buyer`);
  assert.equal(record.fields.get('dst.workload'), 'server');
});

test('the server sees the address of the client', async () => {
  const { seenSource } = await assertAllowed(scene, CLIENT, SERVER);
  assert.equal(seenSource?.split(':')[0], scene.pod(CLIENT).ip);
});

test('a pod outside the mesh still reaches an enrolled one, in plaintext', () =>
  crossing(assertPlaintext, `${OTHER}/visitor`));

test('a pod that its label opts in is enrolled in a namespace that is not', async () => {
  await setPodMode(cluster, OTHER, 'visitor', 'ambient');
  await redirectionBecomes(cluster, OTHER, 'visitor', 'enabled');
  await crossing(encrypted, `${OTHER}/visitor`);
});

test('a pod that its label opts out is released in a namespace that is enrolled', async () => {
  await setPodMode(cluster, NS, 'server', 'none');
  await redirectionBecomes(cluster, NS, 'server', null);
  await until(
    'calls go in plaintext',
    async () => {
      using link = watchLink(cluster, second);
      const { ok } = await call(scene, CLIENT, SERVER, { bytes: 10_000 });
      return ok && link.report().markers > 0;
    },
    SETTLE_MS,
  );
  await setPodMode(cluster, NS, 'server', 'unlabelled');
  await redirectionBecomes(cluster, NS, 'server', 'enabled');
  await crossing(encrypted);
});

test('without the label of the namespace all of its pods are released, and talk on', async () => {
  await setMode(cluster, NS, 'unlabelled');
  await redirectionBecomes(cluster, NS, 'client', null);
  await redirectionBecomes(cluster, NS, 'server', null);
  await crossing(assertPlaintext);
});
