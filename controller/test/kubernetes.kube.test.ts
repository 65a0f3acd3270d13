import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type ControllerAccess, createCaClient, requestSvid } from '@ambit/mesh/grpc';
import { createSpiffeId, DEFAULT_TRUST_DOMAIN, parseIpAddress, parseWorkloadUid } from '@ambit/mesh/model';
import { systemClock } from '@ambit/mesh/runtime';
import { until } from '@ambit/mesh/testing';
import type { ControllerApp } from '../src/app.ts';
import { ask } from './controller-world.ts';
import { KubernetesWorld } from './kubernetes-world.ts';
import { startPushAgent } from './push-agent.ts';

const LONG_MS = 60_000;
const PUSH_PODS = 40;
const CHANGES = 100;
/** Between two changes: 20 a second. */
const CHANGE_MS = 50;
/** What the mesh promises for the whole way; a busy machine gets the rest of the room. */
const PUSH_P99_MS = 250;
const BUSY_ROOM = 4;

const stack = new AsyncDisposableStack();
after(() => stack.disposeAsync());
const world = stack.use(await KubernetesWorld.start());
await world.createNamespace('shop', { 'ambit.dev/mode': 'ambient' });
await world.createNode('n1');
const agent = await world.createPod({
  namespace: 'ambit-system',
  name: 'agent-1',
  serviceAccount: 'ambit-node-agent',
  node: 'n1',
  ip: '10.1.0.1',
});
const web = await world.createPod({
  namespace: 'shop',
  name: 'web',
  serviceAccount: 'web',
  node: 'n1',
  ip: '10.1.0.2',
});

const uidOf = (name: string): ReturnType<typeof parseWorkloadUid> => parseWorkloadUid(`Kubernetes//Pod/shop/${name}`);
const identity = createSpiffeId({ trustDomain: DEFAULT_TRUST_DOMAIN, namespace: 'shop', serviceAccount: 'web' });

async function issue(access: ControllerAccess): Promise<string> {
  using ca = createCaClient(access);
  const wanted = { identity, validitySeconds: 3600 };
  return (await requestSvid(ca, wanted, AbortSignal.timeout(LONG_MS))).trustBundle.rootsPem.join('');
}

async function leads(app: ControllerApp): Promise<boolean> {
  return /^ambit_leader 1$/m.test(await ask(app.ports.metrics, '/metrics'));
}

test('two replicas that begin together serve the same mesh and sign with the same authority; one of them leads', async () => {
  await using first = await world.startController({ name: 'first' });
  await using second = await world.startController({ name: 'second' });
  const accesses = [await world.accessOf(first, agent), await world.accessOf(second, agent)] as const;
  await using one = await startPushAgent(accesses[0]);
  await using two = await startPushAgent(accesses[1]);
  for (const { view } of [one, two]) {
    const workload = view.workload(uidOf('web'));
    assert.deepEqual([workload?.node, workload?.tunnelProtocol, workload?.status], ['n1', 'hbone', 'healthy']);
  }
  const roots = await Promise.all(accesses.map(issue));
  assert.equal(roots[0], roots[1]);
  const leaders = await Promise.all([first, second].map(leads));
  assert.equal(leaders.filter(Boolean).length, 1);

  await world.setReady(web, false);
  await until(
    'both heard of it',
    () => {
      return [one, two].every(({ view }) => view.workload(uidOf('web'))?.status === 'unhealthy');
    },
    LONG_MS,
  );
  await world.setReady(web, true);
});

test('objects of a directory count beside the cluster, which wins', async () => {
  const manifests = mkdtempSync(join(tmpdir(), 'ambit-manifests-'));
  try {
    const external = `apiVersion: ambit.dev/v1alpha1
kind: ExternalWorkload
metadata: {name: machine, namespace: shop}
spec: {addresses: [192.0.2.1], serviceAccountName: machine}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
`;
    writeFileSync(join(manifests, 'machine.yaml'), external);
    await using app = await world.startController({ arguments: ['--manifests', manifests] });
    await using held = await startPushAgent(await world.accessOf(app, agent));
    assert.equal(held.view.workload(uidOf('web'))?.tunnelProtocol, 'hbone');
    assert.equal(
      [...held.view.workloads()].some(({ name }) => name === 'machine'),
      true,
    );
    assert.match(
      await ask(app.ports.debug, '/problems'),
      /Namespace\/\/shop is defined in Kubernetes and in a manifest/,
    );
  } finally {
    rmSync(manifests, { recursive: true });
  }
});

test('Gateways are read once their definition is installed, and nothing waits for it', async () => {
  const begun = performance.now();
  await using app = await world.startController();
  assert.ok(performance.now() - begun < LONG_MS / 2, 'the definition is not waited for');
  const known = async (): Promise<string | undefined> =>
    /^ambit_kube_objects\{kind="Gateway"\} (\d+)$/m.exec(await ask(app.ports.metrics, '/metrics'))?.[1];
  assert.equal(await known(), '0');
  assert.doesNotMatch(await ask(app.ports.debug, '/problems'), /Gateway/);
  const schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
  await world.api.request('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
    metadata: {
      name: 'gateways.gateway.networking.k8s.io',
      // The API server asks for it in this group.
      annotations: { 'api-approved.kubernetes.io': 'https://github.com/kubernetes-sigs/gateway-api/pull/2997' },
    },
    spec: {
      group: 'gateway.networking.k8s.io',
      names: { kind: 'Gateway', plural: 'gateways' },
      scope: 'Namespaced',
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema } }],
    },
  });
  const gateway = {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    metadata: { name: 'gate' },
    spec: { gatewayClassName: 'istio-waypoint', listeners: [{ name: 'mesh', port: 15008, protocol: 'HBONE' }] },
  };
  const gateways = '/apis/gateway.networking.k8s.io/v1/namespaces/shop/gateways';
  const isMade = async (): Promise<boolean> => (await world.api.call('POST', gateways, gateway)).status === 201;
  await until('the kind is served', isMade, LONG_MS);
  await until('the controller knows it', async () => (await known()) === '1', LONG_MS);
});

test('agents are told of the ranges of nodes that are added, before there is a pod in them', async () => {
  await using app = await world.startController();
  await using held = await startPushAgent(await world.accessOf(app, agent));
  const ip = parseIpAddress('10.77.3.9');
  assert.equal(held.view.isInRanges('', ip), false);
  await world.createNode('added', ['10.77.3.0/24', 'fd00:77:3::/64']);
  await until('the range is known', () => held.view.isInRanges('', ip), LONG_MS);
  assert.equal(held.view.isInRanges('', parseIpAddress('fd00:77:3::9')), true);
  await world.api.request('DELETE', '/api/v1/nodes/added');
  await until('the range is forgotten', () => !held.view.isInRanges('', ip), LONG_MS);
});

test('changes reach an agent in time at twenty a second', async () => {
  await using app = await world.startController();
  const pods = await Promise.all(
    Array.from({ length: PUSH_PODS }, (_, index) =>
      world.createPod({
        namespace: 'shop',
        name: `p-${index}`,
        serviceAccount: 'web',
        node: 'n1',
        ip: `10.2.0.${index + 1}`,
      }),
    ),
  );
  await using held = await startPushAgent(await world.accessOf(app, agent));
  await until(
    'all are there',
    () => pods.every(({ name }) => held.view.workload(uidOf(name))?.status === 'healthy'),
    LONG_MS,
  );
  const waiting = new Map<string, { readonly status: string; readonly sinceMs: number }>();
  const delays: number[] = [];
  held.onUpdate = () => {
    for (const [name, { status, sinceMs }] of waiting) {
      if (held.view.workload(uidOf(name))?.status !== status) continue;
      waiting.delete(name);
      delays.push(performance.now() - sinceMs);
    }
  };
  for (let change = 0; change < CHANGES; change++) {
    const pod = pods[change % PUSH_PODS] ?? assert.fail();
    const ready = Math.floor(change / PUSH_PODS) % 2 === 1;
    // From when the API server has it: how long that takes is not ours.
    await world.setReady(pod, ready);
    waiting.set(pod.name, { status: ready ? 'healthy' : 'unhealthy', sinceMs: performance.now() });
    held.onUpdate();
    await systemClock.sleep(CHANGE_MS);
  }
  await until('all were heard of', () => waiting.size === 0, LONG_MS);
  const sorted = delays.toSorted((a, b) => a - b);
  const p99 = sorted[Math.ceil(sorted.length * 0.99) - 1] ?? Number.NaN;
  assert.equal(delays.length, CHANGES);
  assert.ok(p99 < PUSH_P99_MS * BUSY_ROOM, `p99 ${p99.toFixed(0)} ms`);
});

test('while the API server is away agents keep what they have and get certificates; then everything catches up', async () => {
  await using app = await world.startController();
  const access = await world.accessOf(app, agent);
  await using held = await startPushAgent(access);
  const roots = await issue(access);
  await world.api.stopServer();
  try {
    assert.equal(await issue(access), roots);
    await using again = await startPushAgent(access);
    assert.equal(again.view.workload(uidOf('web'))?.status, 'healthy');
  } finally {
    await world.api.startServer();
  }
  await world.createPod({ namespace: 'shop', name: 'late', serviceAccount: 'web', node: 'n1', ip: '10.3.0.1' });
  await until('the agent hears of what came after', () => held.view.workload(uidOf('late')) !== undefined, LONG_MS);
});

test('a controller that starts while the API server is away serves what it had, and then what is', async () => {
  const state = world.newDirectory();
  const access = await (async () => {
    await using app = await world.startController({ state });
    await until('a snapshot is written', () => existsSync(join(state, 'objects.snapshot')), LONG_MS);
    return await world.accessOf(app, agent);
  })();
  const mounted = await world.mountSecret('ambit-ca-intermediate');
  const doomed = await world.createPod({
    namespace: 'shop',
    name: 'doomed',
    serviceAccount: 'web',
    node: 'n1',
    ip: '10.4.0.1',
  });
  await world.deletePod(doomed);
  await world.api.stopServer();
  let isAway = true;
  try {
    await using app = await world.startController({ state }, { AMBIT_CA_DIRECTORY: mounted });
    assert.match(await ask(app.ports.debug, '/resources'), /Kubernetes\/\/Pod\/shop\/web"/);
    await world.api.startServer();
    isAway = false;
    await world.createPod({ namespace: 'shop', name: 'after', serviceAccount: 'web', node: 'n1', ip: '10.4.0.2' });
    const address = `127.0.0.1:${app.ports.grpc}`;
    await using held = await startPushAgent({ ...access, address });
    await until('it has caught up', () => held.view.workload(uidOf('after')) !== undefined, LONG_MS);
    assert.equal(held.view.workload(uidOf('doomed')), undefined);
  } finally {
    if (isAway) await world.api.startServer();
  }
});
