import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { until } from '@ambit/mesh/testing';
import { accessLog, ensureAmbit } from './harness/ambit.ts';
import { assertAllowed, becomesAllowed, becomesDenied, callLine, SETTLE_MS } from './harness/calls.ts';
import { Cluster, type Manifest } from './harness/cluster.ts';
import { appPod, HTTP_PORT, LINE_PORT, serviceAccount } from './harness/pods.ts';
import { Scene } from './harness/scene.ts';

const NS = 'policy';
const SERVER = `${NS}/payments`;
const CHECKOUT = `${NS}/checkout`;
const INTRUDER = `${NS}/intruder`;

const cluster = Cluster.fromEnvironment();
const [first, second] = cluster.nodes;
await ensureAmbit(cluster);
const scene = await Scene.open(cluster, {
  namespaces: { [NS]: 'ambient' },
  objects: [
    ...['checkout', 'intruder', 'payments'].map((name) => serviceAccount(NS, name)),
    appPod(NS, 'checkout', { node: first, serviceAccount: 'checkout' }),
    appPod(NS, 'intruder', { node: first, serviceAccount: 'intruder' }),
    appPod(NS, 'payments', { node: second, serviceAccount: 'payments' }),
  ],
  clients: [CHECKOUT, INTRUDER],
});
after(() => scene.close());

function callers(ports: readonly number[]): Manifest {
  return {
    apiVersion: 'ambit.dev/v1alpha1',
    kind: 'AccessPolicy',
    metadata: { namespace: NS, name: 'payments-callers' },
    spec: {
      selector: { matchLabels: { app: 'payments' } },
      action: 'Allow',
      rules: [{ from: [{ serviceAccounts: ['checkout'] }], to: [{ ports }] }],
    },
  };
}

/** Resolves once a condition of the policy, as it is applied now, has that status. */
async function conditionBecomes(type: string, wanted: 'True' | 'False'): Promise<void> {
  const condition = `{.status.ancestors[0].conditions[?(@.type=="${type}")]`;
  const path = `{.metadata.generation} ${condition}.observedGeneration} ${condition}.status}`;
  await until(
    `condition ${type} is ${wanted}`,
    async () => {
      const text = await cluster.read(['-n', NS, 'accesspolicy', 'payments-callers'], path);
      const [generation, observed, status] = text.split(' ');
      return generation === observed && status === wanted;
    },
    SETTLE_MS,
  );
}

test('without a policy everybody in the mesh may call', async () => {
  await assertAllowed(scene, CHECKOUT, SERVER);
  await assertAllowed(scene, INTRUDER, SERVER);
});

test('a policy by service account admits its caller and nobody else', async () => {
  await cluster.apply(callers([HTTP_PORT]));
  await becomesDenied(scene, INTRUDER, SERVER);
  await assertAllowed(scene, CHECKOUT, SERVER);
});

test('the caller is refused on a port that the policy does not name, until it does', async () => {
  assert.equal((await callLine(scene, CHECKOUT, SERVER)).ok, false);
  await cluster.apply(callers([HTTP_PORT, LINE_PORT]));
  await until('the other port is admitted', async () => (await callLine(scene, CHECKOUT, SERVER)).ok, SETTLE_MS);
  assert.equal((await callLine(scene, INTRUDER, SERVER)).ok, false);
});

test('the status of the policy says that it is in force, where, and that the nodes have it', async () => {
  for (const type of ['Accepted', 'Attached', 'ResolvedRefs', 'Acknowledged']) await conditionBecomes(type, 'True');
  await conditionBecomes('PartiallyEnforced', 'False');
  assert.match(await cluster.kubectl(['-n', NS, 'get', 'ambit']), /payments-callers/);
});

test('the log of the node agent says why a call was refused', async () => {
  await becomesDenied(scene, INTRUDER, SERVER);
  const refused = await until(
    'the refusal is logged',
    async () =>
      (await accessLog(cluster, second, 'inbound')).findLast(
        ({ fields }) => fields.get('src.identity')?.endsWith('/sa/intruder') === true && fields.has('error'),
      ),
    SETTLE_MS,
  );
  assert.match(refused.fields.get('error') ?? '', /ALLOW policies exist, but none allowed/);
});

test('a connection that a new policy forbids is cut', async () => {
  const { ip } = scene.pod(SERVER);
  const held = scene.client(CHECKOUT).hold({ ip, port: LINE_PORT, intervalMs: 50, timeoutMs: 8000 });
  assert.equal((await held.opened).ok, true);
  await cluster.apply(callers([HTTP_PORT]));
  assert.notEqual((await held.ended).error, undefined);
});

test('a policy that cannot mean anything is refused when it is applied', async () => {
  const broken = callers([HTTP_PORT]);
  const spec = { action: 'Permit', rules: [] };
  await assert.rejects(cluster.apply({ ...broken, spec }), /action|Permit/);
  await conditionBecomes('Accepted', 'True');
});

test('when the policy is deleted everybody may call again', async () => {
  await cluster.kubectl(['-n', NS, 'delete', 'accesspolicy', 'payments-callers']);
  await becomesAllowed(scene, INTRUDER, SERVER);
});
