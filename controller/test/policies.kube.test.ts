import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { after, test } from 'node:test';
import { until } from '@ambit/mesh/testing';
import { installCustomResources, kubectl } from '../../test/e2e/kube/custom-resources.ts';
import type { ControllerApp } from '../src/app.ts';
import { ask } from './controller-world.ts';
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

/** What the condition Acknowledged says, soon: a status may be read between two steps of the way to it. */
async function isSaid(name: string, message: string): Promise<void> {
  const isThere = async (): Promise<boolean> =>
    (await conditionsOf(name)).some((condition) => condition.type === 'Acknowledged' && condition.message === message);
  await until(message, isThere, LONG_MS);
}

async function leads(app: ControllerApp): Promise<boolean> {
  return /^ambit_leader 1$/m.test(await ask(app.ports.metrics, '/metrics'));
}

async function freePort(host: string): Promise<number> {
  const server = createServer().listen(0, host);
  await once(server, 'listening');
  const { port } = Object(server.address());
  server.close();
  return port;
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
  await using _app = await world.startController({ awayMs: 3000 });
  const spec = { selector: { matchLabels: { app: 'later' } }, action: 'Deny' };
  await world.api.request('POST', POLICIES, own('AccessPolicy', 'shop', 'early', spec));
  await becomes('early', 'Attached=False TargetNotFound', 'Acknowledged=Unknown NoNodeAgents');
  const later = { app: 'later' };
  const pod = { namespace: 'shop', name: 'later', serviceAccount: 'web', node: 'n1', ip: '10.1.0.3', labels: later };
  await world.createPod(pod);
  await becomes('early', 'Attached=True Attached');
  // The agent of n1 is ready and connected to nobody: it may still be on its way, and after a while it is not.
  await becomes('early', 'Acknowledged=False Pending');
  await isSaid('early', 'no node agent is connected; nothing heard from n1');
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

test('a policy is acknowledged by agents of every replica, and nobody is spoken for whom a replica keeps to itself', async () => {
  await world.createNode('n2');
  const account = { namespace: 'ambit-system', serviceAccount: 'ambit-node-agent' };
  const otherAgentPod = await world.createPod({ ...account, name: 'agent-2', node: 'n2', ip: '10.1.0.9' });
  const port = await freePort('127.0.0.2');
  const pods = new Map<ControllerApp, string>();
  const start = async (name: string, ip: string): Promise<ControllerApp> => {
    const serviceAccount = 'ambit-controller';
    await world.createPod({ namespace: 'ambit-system', name, serviceAccount, node: 'n1', ip });
    const app = await world.startController({ name, peers: `${ip}:${port}` });
    pods.set(app, name);
    return app;
  };
  const replicas = [await start('c-1', '127.0.0.2'), await start('c-2', '127.0.0.3')];
  const isLeader = await Promise.all(replicas.map(leads));
  const [leader = assert.fail(), other = assert.fail()] = isLeader[0] === true ? replicas : replicas.toReversed();
  let stopped: ControllerApp | null = null;
  try {
    await using _atLeader = await startPushAgent(await world.accessOf(leader, otherAgentPod));
    await using atOther = await startPushAgent(await world.accessOf(other, agentPod));
    const release = Promise.withResolvers<void>();
    atOther.hold = release.promise;
    const policy = own('AccessPolicy', 'shop', 'everywhere', { selector: { matchLabels: labels }, action: 'Allow' });
    await world.api.request('POST', POLICIES, policy);
    await becomes('everywhere', 'Acknowledged=False Pending');
    await isSaid('everywhere', '1 of 2 connected node agents have this version; waiting for n1');
    release.resolve();
    await becomes('everywhere', 'Acknowledged=True AllNodes');
    await isSaid('everywhere', '2 of 2 connected node agents have this version');
    // Its pod is there and does not answer, like one behind a network that is cut.
    stopped = other;
    await other[Symbol.asyncDispose]();
    await becomes('everywhere', 'Acknowledged=Unknown ReplicaSilent');
    const silent = `nothing is known of n1: ${pods.get(other)} does not tell the leading controller`;
    await isSaid('everywhere', `1 of 1 connected node agent has this version; ${silent}`);
    await using _moved = await startPushAgent(await world.accessOf(leader, agentPod));
    await becomes('everywhere', 'Acknowledged=True AllNodes');
    await isSaid('everywhere', '2 of 2 connected node agents have this version');
  } finally {
    for (const app of replicas) if (app !== stopped) await app[Symbol.asyncDispose]();
  }
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
