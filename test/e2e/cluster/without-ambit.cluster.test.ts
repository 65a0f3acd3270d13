/** The control run: what the other scenarios look for on the link is there when there is no mesh. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { assertAllowed } from './harness/calls.ts';
import { Cluster } from './harness/cluster.ts';
import { assertPlaintext, watchLink } from './harness/link.ts';
import { saveNodes } from './harness/saved-state.ts';
import { Scene } from './harness/scene.ts';

const NS = 'without-ambit';
const CLIENT = `${NS}/client`;
const SERVER = `${NS}/server`;

const cluster = Cluster.fromEnvironment();
const [, second] = cluster.nodes;
await saveNodes(cluster);
const scene = await Scene.openPair(cluster, NS);
after(() => scene.close());

test('a call between pods crosses the link in plaintext', async () => {
  using link = watchLink(cluster, second);
  await assertAllowed(scene, CLIENT, SERVER, { bytes: 1_000_000 });
  assertPlaintext(link);
  assert.equal(link.report().tunnelBytes, 0);
});
