import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, test } from 'node:test';
import { Metrics, silentLogger, systemClock } from '@ambit/mesh/runtime';
import { createTestCa, type TestCa, until } from '@ambit/mesh/testing';
import { TestApiServer } from '../../../test/e2e/kube/api-server.ts';
import { testClient } from '../../../test/e2e/kube/clients.ts';
import { installCustomResources } from '../../../test/e2e/kube/custom-resources.ts';
import { kubeProgram } from '../../../test/e2e/kube/programs.ts';
import { core, own, pod, worldOf } from '../../test/policy-objects.ts';
import type { HttpsServer } from '../https-server.ts';
import { openAdmissionServer } from './admission-server.ts';
import { CaBundleKeeper } from './ca-bundle.ts';
import { createAdmissionMetrics } from './metrics.ts';

/** For what the API server does in its own time: it follows webhook configurations by a watch. */
const FOLLOW_MS = 60_000;
const CONFIGURATION = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations';
const POLICIES = '/apis/ambit.dev/v1alpha1/namespaces/shop/accesspolicies';
/** Right by the schema; only the webhook sees that a field is misspelt. */
const MISSPELT = { action: 'Allow', rules: [{ to: [{ ports: [80], notIpBlock: ['10.0.0.1'] }] }] };

const api = await TestApiServer.start();
const client = testClient(api);
const first = createTestCa();
const metrics = new Metrics();
const admissionMetrics = createAdmissionMetrics(metrics);
const WORLD = worldOf([
  core('Namespace', '', 'shop', {}, { labels: { 'ambit.dev/mode': 'ambient' } }),
  pod('shop', 'web-1', 'web'),
]);
let roots = first.rootPem;
let webhook = await open(first, 0);
const term = new AbortController();
const keeper = new CaBundleKeeper({
  client,
  rootsPem: () => roots,
  clock: systemClock,
  logger: silentLogger,
  onWrite: () => admissionMetrics.caBundleWrites.add([]),
});
after(async () => {
  term.abort();
  await webhook[Symbol.asyncDispose]();
  client[Symbol.dispose]();
  await api[Symbol.asyncDispose]();
});

function certificate(ca: TestCa): ReturnType<TestCa['issueCertificate']> {
  return ca.issueCertificate({ altNames: [{ kind: 'ip', value: '127.0.0.1' }], purposes: ['server'] });
}

function open(ca: TestCa, port: number): Promise<HttpsServer> {
  return openAdmissionServer({
    host: '127.0.0.1',
    port,
    tls: certificate(ca),
    world: () => WORLD,
    clock: systemClock,
    logger: silentLogger,
    metrics: admissionMetrics,
  });
}

/** How the API server answers a policy; nothing is stored. */
async function answerTo(spec: unknown): Promise<{ readonly status: number; readonly message: string }> {
  const { status, text } = await api.call(
    'POST',
    `${POLICIES}?dryRun=All`,
    own('AccessPolicy', 'shop', 'p', Object(spec)),
  );
  return { status, message: String(JSON.parse(text).message) };
}

async function storedConfiguration(): Promise<Readonly<Record<string, never>>> {
  return Object(await api.request('GET', `${CONFIGURATION}/ambit-validation`));
}

function asksWebhook(): Promise<boolean> {
  return answerTo(MISSPELT).then(({ status }) => status === 422);
}

await installCustomResources(api);
await api.request('POST', '/api/v1/namespaces', { metadata: { name: 'shop' } });
// As the chart has it, but by address: there is no cluster network here.
await api.request('POST', CONFIGURATION, {
  metadata: { name: 'ambit-validation', labels: { 'app.kubernetes.io/name': 'ambit' } },
  webhooks: [
    {
      name: 'validate.ambit.dev',
      clientConfig: { url: `https://127.0.0.1:${webhook.port}/validate` },
      rules: [
        {
          apiGroups: ['ambit.dev'],
          apiVersions: ['v1alpha1'],
          operations: ['CREATE', 'UPDATE'],
          resources: ['accesspolicies', 'mutualtlspolicies', 'externalworkloads'],
        },
      ],
      failurePolicy: 'Ignore',
      sideEffects: 'None',
      admissionReviewVersions: ['v1'],
      timeoutSeconds: 5,
    },
  ],
});

test('without our roots the API server does without the webhook: the schema still refuses', async () => {
  assert.deepEqual((await answerTo(MISSPELT)).status, 201);
  assert.equal((await answerTo({ action: 'Alow' })).status, 422);
  assert.equal(await metrics.value('ambit_admission_reviews_total', ['refused']), 0);
});

test('the leader writes our roots and nothing else, and then the API server asks', async () => {
  keeper.run(term.signal).catch(() => {});
  await until('a misspelt field is refused', asksWebhook, FOLLOW_MS);
  const { message } = await answerTo(MISSPELT);
  assert.match(message, /spec\.rules\[0\]\.to\[0\]\.notIpBlock is not a known field \(did you mean notIpBlocks\?\)/);
  const { metadata, webhooks } = Object(await storedConfiguration());
  assert.deepEqual(metadata.labels, { 'app.kubernetes.io/name': 'ambit' });
  assert.deepEqual(
    [webhooks[0].failurePolicy, webhooks[0].rules.length, webhooks[0].clientConfig.caBundle],
    ['Ignore', 1, Buffer.from(roots).toString('base64')],
  );
  const fields = metadata.managedFields.find(
    ({ manager }: { manager: string }) => manager === 'ambit-controller',
  ).fieldsV1;
  const entry = { '.': {}, 'f:clientConfig': { 'f:caBundle': {} }, 'f:name': {} };
  assert.deepEqual(fields, { 'f:webhooks': { 'k:{"name":"validate.ambit.dev"}': entry } });
});

test('what is missing is a warning that kubectl shows, and no refusal', async () => {
  const spec = {
    action: 'Allow',
    selector: { matchLabels: { app: 'wep' } },
    rules: [{ from: [{ serviceAccounts: ['chekout'] }] }],
  };
  // Not spawnSync: the webhook is in this process.
  const kubectl = spawn(kubeProgram('kubectl'), ['--kubeconfig', api.kubeconfig, 'apply', '-f', '-']);
  let printed = '';
  kubectl.stderr.setEncoding('utf8').on('data', (chunk: string) => (printed += chunk));
  kubectl.stdin.end(JSON.stringify(own('AccessPolicy', 'shop', 'callers', spec)));
  assert.deepEqual(await once(kubectl, 'close'), [0, null], printed);
  assert.match(printed, /Warning: attached to nothing: no workload is selected by it/);
  assert.match(printed, /Warning: does not exist: service account shop\/chekout/);
});

test('an update is looked at like a creation, and a status is not', async () => {
  const patch = { spec: { dryRum: true } };
  const update = await api.call('PATCH', `${POLICIES}/callers`, patch, 'application/merge-patch+json');
  assert.equal(update.status, 422, update.text);
  assert.match(update.text, /spec\.dryRum is not a known field \(did you mean dryRun\?\)/);
  const status = { status: { ancestors: [] } };
  const written = await api.call('PATCH', `${POLICIES}/callers/status`, status, 'application/merge-patch+json');
  assert.equal(written.status, 200, written.text);
});

test('a change of root: old and new roots together, then the new certificate, then the new root alone', async () => {
  const second = createTestCa();
  const writes = (): Promise<number | undefined> => metrics.value('ambit_admission_ca_bundle_writes_total');
  const rootsBecome = async (pem: string): Promise<void> => {
    const before = (await writes()) ?? 0;
    roots = pem;
    keeper.poke();
    await until('the roots are written', async () => ((await writes()) ?? 0) > before, FOLLOW_MS);
  };
  await rootsBecome(first.rootPem + second.rootPem);
  await until('the old certificate is still believed', asksWebhook, FOLLOW_MS);
  webhook.updateTls(certificate(second));
  await until('the new certificate is believed beside it', asksWebhook, FOLLOW_MS);
  await rootsBecome(second.rootPem);
  await until('the new certificate is believed alone', asksWebhook, FOLLOW_MS);
  // A webhook that still shows the old one is no longer asked.
  const { port } = webhook;
  await webhook[Symbol.asyncDispose]();
  webhook = await open(first, port);
  await until('the old certificate is refused', async () => !(await asksWebhook()), FOLLOW_MS);
  await webhook[Symbol.asyncDispose]();
  webhook = await open(second, port);
  await until('the new certificate is believed again', asksWebhook, FOLLOW_MS);
});

test('while the controller is away, policies can be written and the schema guards them', async () => {
  await webhook[Symbol.asyncDispose]();
  const begun = performance.now();
  assert.equal((await answerTo(MISSPELT)).status, 201);
  assert.equal((await answerTo({ action: 'Alow' })).status, 422);
  assert.ok(performance.now() - begun < FOLLOW_MS);
});
