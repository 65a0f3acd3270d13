import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import {
  COMPONENTS,
  componentPods,
  ensureAmbit,
  installAmbit,
  NAMESPACE,
  redirectionBecomes,
  RELEASE,
} from './harness/ambit.ts';
import { Cluster } from './harness/cluster.ts';
import { assertEncrypted, watchLink } from './harness/link.ts';
import { appPod } from './harness/pods.ts';
import { report } from './harness/report.ts';
import { Scene } from './harness/scene.ts';
import { Traffic } from './harness/traffic.ts';

const NS = 'upgrade';
const CLIENT = `${NS}/client`;
const SERVER = `${NS}/server`;
/** None fails on a machine with time for it. */
const FAILED_PERCENT_MAX = 2;

const cluster = Cluster.fromEnvironment();
const [, second] = cluster.nodes;
await ensureAmbit(cluster);
const scene = await Scene.openPair(cluster, NS);
after(() => scene.close());

test('helm upgrade replaces every pod of Ambit, and pods stay in the mesh meanwhile', async () => {
  await redirectionBecomes(cluster, NS, 'server', 'enabled');
  // Those that are being deleted do not count: an old node agent stays as long as its connections.
  const names = async (): Promise<string[]> =>
    (await Promise.all(COMPONENTS.map((component) => componentPods(cluster, component))))
      .flat()
      .map(({ name }) => name);
  const before = await names();
  using link = watchLink(cluster, second);
  await using traffic = new Traffic(scene, CLIENT, SERVER, { timeoutMs: 2000 });
  await traffic.flows();
  await installAmbit(cluster, ['log.level=debug']);
  const afterwards = new Set(await names());
  assert.deepEqual(
    before.filter((name) => afterwards.has(name)),
    [],
    'pods that are not new',
  );
  await traffic.flows(20);
  const { calls, failed, failures } = traffic;
  report('calls that failed during an upgrade of all parts', `${failed} of ${calls} (at most ${FAILED_PERCENT_MAX} %)`);
  assert.ok(failed <= (calls * FAILED_PERCENT_MAX) / 100, `${failed} of ${calls}: ${failures.join('; ')}`);
  assertEncrypted(link, 10_000);
});

test('pods start as before, and the release can be rolled back', async () => {
  await cluster.apply(appPod(NS, 'afterwards', { node: second }));
  await scene.awaitPods([`${NS}/afterwards`]);
  await redirectionBecomes(cluster, NS, 'afterwards', 'enabled');
  await cluster.helm(['rollback', RELEASE, '-n', NAMESPACE, '--wait', '--timeout', '150s'], { timeoutMs: 160_000 });
  await ensureAmbit(cluster);
});
