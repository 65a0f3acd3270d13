import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { until } from '@ambit/mesh/testing';
import { installCustomResources, kubectl } from '../../test/e2e/kube/custom-resources.ts';
import { KubernetesWorld } from './kubernetes-world.ts';
import { own } from './policy-objects.ts';
import { startPushAgent } from './push-agent.ts';

const LONG_MS = 60_000;
const POLICIES = '/apis/ambit.dev/v1alpha1/namespaces/shop/accesspolicies';
const WEBHOOKS = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations';

const stack = new AsyncDisposableStack();
after(() => stack.disposeAsync());
const world = stack.use(await KubernetesWorld.start());
await installCustomResources(world.api);
await world.createNamespace('shop', { 'ambit.dev/mode': 'ambient' });
await world.createNode('n1');
const agentPod = await world.createPod({
  namespace: 'ambit-system',
  name: 'agent-1',
  serviceAccount: 'ambit-node-agent',
  node: 'n1',
  ip: '10.1.0.1',
});
const labels = { app: 'web' };
await world.createPod({ namespace: 'shop', name: 'web', serviceAccount: 'web', node: 'n1', ip: '10.1.0.2', labels });

interface StoredCondition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration: number;
  readonly lastTransitionTime: string;
}

async function conditionsOf(name: string): Promise<readonly StoredCondition[]> {
  const policy = Object(await world.api.request('GET', `${POLICIES}/${name}`));
  return policy.status?.ancestors?.[0]?.conditions ?? [];
}

/** `Type=Status Reason` of each condition. */
async function told(name: string): Promise<string> {
  return (await conditionsOf(name)).map(({ type, status, reason }) => `${type}=${status} ${reason}`).join('\n');
}

async function becomes(name: string, ...expected: readonly string[]): Promise<void> {
  let last = '';
  const isThere = async (): Promise<boolean> => {
    last = await told(name);
    return expected.every((line) => last.split('\n').includes(line));
  };
  await until(`${name} is told ${expected.join(', ')}`, isThere, LONG_MS).catch((error: unknown) => {
    throw new Error(`last seen:\n${last}`, { cause: error });
  });
}

test('a policy is told from kubectl apply to the acknowledgement of the last node, and what kubectl shows agrees', async () => {
  await using app = await world.startController();
  await using agent = await startPushAgent(await world.accessOf(app, agentPod));
  const release = Promise.withResolvers<void>();
  agent.hold = release.promise;
  const policy = own('AccessPolicy', 'shop', 'callers', {
    selector: { matchLabels: labels },
    action: 'Allow',
    rules: [{ from: [{ serviceAccounts: ['checkout'] }] }],
  });
  kubectl(world.api, { input: JSON.stringify(policy) }, 'apply', '-f', '-');
  await becomes(
    'callers',
    'Accepted=True Accepted',
    'Attached=True Attached',
    'ResolvedRefs=False RefNotFound',
    'PartiallyEnforced=False FullyEnforced',
    'Acknowledged=False Pending',
  );
  const pending = (await conditionsOf('callers')).find(({ type }) => type === 'Acknowledged');
  assert.equal(pending?.message, '0 of 1 connected node agent has this version; waiting for n1');
  release.resolve();
  await becomes('callers', 'Acknowledged=True AllNodes');
  await world.api.request('POST', '/api/v1/namespaces/shop/serviceaccounts', { metadata: { name: 'checkout' } });
  await becomes('callers', 'ResolvedRefs=True ResolvedRefs');
  const [, row = ''] = kubectl(world.api, 'get', 'ambit', '-n', 'shop').split('\n');
  assert.match(row, /accesspolicy\.ambit\.dev\/callers\s+Allow\s+True\s+True\s+True/);

  // A version that gets past everybody is told, and the one before it stays in force.
  const { accepted } = Object.groupBy(await conditionsOf('callers'), ({ type }) =>
    type === 'Accepted' ? 'accepted' : 'rest',
  );
  const patch = { spec: { rules: [{ from: [{ serviceAccounts: ['checkout'], notIpBlock: ['10.0.0.1'] }] }] } };
  await world.api.request('PATCH', `${POLICIES}/callers`, patch, 'application/merge-patch+json');
  await becomes('callers', 'Accepted=False Invalid');
  const [refused] = await conditionsOf('callers');
  assert.match(
    refused?.message ?? '',
    /^spec\.rules\[0\]\.from\[0\]\.notIpBlock is not a known field \(did you mean notIpBlocks\?\).*; the version before it stays in force$/,
  );
  assert.equal(refused?.observedGeneration, (accepted?.[0]?.observedGeneration ?? 0) + 1);
  await world.api.request('DELETE', `${POLICIES}/callers`);
});

test('a policy that is attached to nothing says so until something comes', async () => {
  await using _app = await world.startController();
  const spec = { selector: { matchLabels: { app: 'later' } }, action: 'Deny' };
  await world.api.request('POST', POLICIES, own('AccessPolicy', 'shop', 'early', spec));
  await becomes('early', 'Attached=False TargetNotFound', 'Acknowledged=Unknown NoNodeAgents');
  const later = { app: 'later' };
  const pod = { namespace: 'shop', name: 'later', serviceAccount: 'web', node: 'n1', ip: '10.1.0.3', labels: later };
  await world.createPod(pod);
  await becomes('early', 'Attached=True Attached');
});

test('a controller that begins anew writes only what has changed, and keeps the times', async () => {
  const before = await conditionsOf('early');
  const version = async (): Promise<unknown> =>
    Object(await world.api.request('GET', `${POLICIES}/early`)).metadata.resourceVersion;
  const versionBefore = await version();
  await using app = await world.startController();
  await using _agent = await startPushAgent(await world.accessOf(app, agentPod));
  await becomes('early', 'Acknowledged=True AllNodes');
  const after = await conditionsOf('early');
  const times = (conditions: readonly StoredCondition[]): readonly string[] =>
    conditions.filter(({ type }) => type !== 'Acknowledged').map(({ lastTransitionTime }) => lastTransitionTime);
  assert.deepEqual(times(after), times(before));
  assert.notEqual(await version(), versionBefore);
});

test('the webhook of a real controller is asked by the API server with the certificate of the mesh', async () => {
  await using app = await world.startController();
  await world.api.request('POST', WEBHOOKS, {
    metadata: { name: 'ambit-validation' },
    webhooks: [
      {
        name: 'validation.ambit.dev',
        clientConfig: { url: `https://127.0.0.1:${app.ports.admission}/validate` },
        rules: [
          { apiGroups: ['ambit.dev'], apiVersions: ['v1alpha1'], operations: ['CREATE', 'UPDATE'], resources: ['*'] },
        ],
        failurePolicy: 'Ignore',
        sideEffects: 'None',
        admissionReviewVersions: ['v1'],
      },
    ],
  });
  const misspelt = own('AccessPolicy', 'shop', 'p', { action: 'Allow', dryRum: true });
  await until(
    'the webhook is asked',
    async () => {
      const { status, text } = await world.api.call('POST', `${POLICIES}?dryRun=All`, misspelt);
      return status === 422 && text.includes('spec.dryRum is not a known field (did you mean dryRun?)');
    },
    LONG_MS,
  );
});
