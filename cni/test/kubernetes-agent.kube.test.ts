import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { EVENTS, type KubeClient, type KubeResource } from '@ambit/mesh/kube';
import { silentLogger, systemClock } from '@ambit/mesh/runtime';
import { until } from '@ambit/mesh/testing';
import { TestApiServer } from '../../test/e2e/kube/api-server.ts';
import { applyObject, coreKind, requestToken, testClient } from '../../test/e2e/kube/clients.ts';
import { kubeProgram } from '../../test/e2e/kube/programs.ts';
import { createKubeConnection } from '../src/kubernetes/kube-connection.ts';
import { DAEMON_SETS, NAMESPACES, PODS } from '../src/kubernetes/resources.ts';
import { BuiltPlugin } from './built-plugin.ts';
import { ClusterNode, installed, isRedirected, refusalOf, WAIT_MS } from './cluster-node.ts';

// The agent with the rights that the chart gives it, at a real API server; the kubelet's part is played by the tests.

const CHART = fileURLToPath(new URL('../../charts/ambit', import.meta.url));
const SYSTEM = 'ambit-system';
const RBAC = 'rbac.authorization.k8s.io';
const BINDINGS: readonly KubeResource[] = [
  { group: RBAC, version: 'v1', plural: 'clusterrolebindings', kind: 'ClusterRoleBinding', scope: 'cluster' },
  { group: RBAC, version: 'v1', plural: 'rolebindings', kind: 'RoleBinding', scope: 'namespaced' },
];
const built = new BuiltPlugin();
let api: TestApiServer;
let admin: KubeClient & Disposable;

before(async () => {
  api = await TestApiServer.start();
  admin = testClient(api);
  for (const name of [SYSTEM, 'shop', 'plain']) {
    const labels = name === 'shop' ? { 'ambit.dev/mode': 'ambient' } : {};
    await applyObject(admin, NAMESPACES, { metadata: { name, labels } });
    await applyObject(admin, coreKind('serviceaccounts', 'ServiceAccount'), {
      metadata: { namespace: name, name: 'default' },
    });
  }
  await installRights();
});

after(async () => {
  admin[Symbol.dispose]();
  await api[Symbol.asyncDispose]();
  built[Symbol.dispose]();
});

/** What the chart says the agent may do, and its DaemonSet, which nobody runs here. */
async function installRights(): Promise<void> {
  const args = ['template', 'ambit', CHART, '--namespace', SYSTEM, '--set=mesh.cidrs={10.244.0.0/16}'];
  const text = execFileSync(kubeProgram('helm'), [...args, '--show-only', 'templates/cni/rbac.yaml'], {
    encoding: 'utf8',
  });
  execFileSync(kubeProgram('kubectl'), ['--kubeconfig', api.kubeconfig, 'apply', '-f', '-'], { input: text });
  await putDaemonSet();
}

async function putDaemonSet(annotations: Readonly<Record<string, string>> = {}): Promise<void> {
  const labels = { app: 'ambit-cni' };
  const template = { metadata: { labels }, spec: { containers: [{ name: 'cni', image: 'none' }] } };
  const spec = { selector: { matchLabels: labels }, template };
  await applyObject(admin, DAEMON_SETS, { metadata: { namespace: SYSTEM, name: 'ambit-cni', annotations }, spec });
}

/** Versions of its DaemonSet that agents have been shown by their watches. */
let daemonSetsSeen = 0;

/** A node of the cluster whose agent has a token of its service account. */
async function openNode(): Promise<ClusterNode> {
  const token = await requestToken(admin, { namespace: SYSTEM, serviceAccount: 'ambit-cni' });
  const credentials = { rootsPem: api.admin.caPem, bearerToken: token };
  const access = { server: new URL(api.admin.server), namespace: SYSTEM, credentials: async () => credentials };
  return new ClusterNode(built, (metrics) => {
    const options = { access, nodeName: 'here', version: '0', clock: systemClock, logger: silentLogger, metrics };
    const connection = createKubeConnection(options);
    const { client } = connection;
    const watch: KubeClient['watch'] = async function* (...call) {
      for await (const event of client.watch(...call)) {
        yield event;
        daemonSetsSeen++;
      }
    };
    const watched = new Proxy(client, {
      get: (target, key) => {
        const member: unknown = key === 'watch' ? watch : Reflect.get(target, key);
        return typeof member === 'function' ? member.bind(target) : member;
      },
    });
    // The source has the client itself: what is counted is the watch of the DaemonSet.
    return { client: watched, source: connection.source, [Symbol.dispose]: () => connection[Symbol.dispose]() };
  });
}

/** A pod on the node, as the scheduler leaves it. Returns its UID. */
async function createPod(namespace: string, name: string): Promise<string> {
  const containers = [{ name: 'a', image: 'none' }];
  const spec = { nodeName: 'here', containers, automountServiceAccountToken: false };
  const pod = await applyObject(admin, PODS, { metadata: { namespace, name }, spec });
  return String(Reflect.get(Object(Reflect.get(Object(pod), 'metadata')), 'uid'));
}

async function deletePod(namespace: string, name: string): Promise<void> {
  const path = `/api/v1/namespaces/${namespace}/pods/${name}`;
  await api.request('DELETE', path, { gracePeriodSeconds: 0 });
}

async function annotationOf(namespace: string, name: string): Promise<unknown> {
  const pod: object = Object(await admin.get(PODS, { namespace, name }, AbortSignal.timeout(WAIT_MS)));
  const annotations: unknown = Reflect.get(Object(Reflect.get(pod, 'metadata')), 'annotations');
  return Reflect.get(Object(annotations), 'ambit.dev/redirection');
}

test('a pod that starts is enrolled and says so, one outside the mesh just starts', async () => {
  await using node = await openNode();
  const agent = node.nodeAgent();
  await using _cni = await node.start();
  await installed(node);
  await agent.hears('snapshot-sent');
  const uid = await createPod('shop', 'cart');
  const netns = await node.netns('cart');
  const added = await node.call('ADD', { name: 'cart', uid });
  assert.equal(added.code, 0, added.output);
  assert.ok(isRedirected(netns));
  await agent.hears(`add ${uid}`);
  await until('the annotation says so', async () => (await annotationOf('shop', 'cart')) === 'enabled', WAIT_MS);
  const plain = await createPod('plain', 'web');
  assert.equal((await node.call('ADD', { namespace: 'plain', name: 'web', uid: plain }, { netns: 'web' })).code, 0);
  await deletePod('shop', 'cart');
  await node.call('DEL', { name: 'cart', uid });
  await agent.hears(`delete ${uid}`);
  await deletePod('plain', 'web');
});

test('a pod that cannot be enrolled waits, and kubectl describe says why', async () => {
  await using node = await openNode();
  const agent = node.nodeAgent();
  await using _cni = await node.start({ AMBIT_ENROLMENT_TIMEOUT: '2s' });
  await installed(node);
  await agent.hears('snapshot-sent');
  const uid = await createPod('shop', 'lost');
  await node.netns('lost', '10.1.0.99');
  assert.match(refusalOf(await node.call('ADD', { name: 'lost', uid })), /^100 .*holds none of its addresses/);
  await until('the annotation says so', async () => (await annotationOf('shop', 'lost')) === 'pending', WAIT_MS);
  const notes = await until(
    'the event is there',
    async () => {
      const page = await admin.listPage(EVENTS, { namespace: 'shop' }, null, AbortSignal.timeout(WAIT_MS));
      const about = page.items.filter((event) => Object(Reflect.get(Object(event), 'regarding')).uid === uid);
      return about.length > 0 && about.map((event) => String(Reflect.get(Object(event), 'note')));
    },
    WAIT_MS,
  );
  assert.match(notes.join('\n'), /holds none of its addresses/);
  await deletePod('shop', 'lost');
});

test('while the API server is away known pods start and others wait; it catches up', async () => {
  await using node = await openNode();
  const agent = node.nodeAgent();
  const uid = await createPod('shop', 'cart');
  await using _cni = await node.start();
  await installed(node);
  await agent.hears('snapshot-sent');
  await api.stopServer();
  await node.netns('cart');
  assert.equal((await node.call('ADD', { name: 'cart', uid })).code, 0);
  assert.match(refusalOf(await node.call('ADD', { name: 'new', uid: 'new' })), /^11 .*API server cannot be reached/);
  await agent.hears(`add ${uid}`);
  await api.startServer();
  await until('the annotation is written', async () => (await annotationOf('shop', 'cart')) === 'enabled', 60_000);
  await deletePod('shop', 'cart');
});

test('an uninstallation that takes its rights away first leaves nothing; an upgrade leaves all', async () => {
  await using node = await openNode();
  const bare = node.hostFiles();
  const first = await node.start();
  await installed(node);
  await first.stop();
  assert.notDeepEqual(node.hostFiles(), bare);
  const second = await node.start();
  await until('the agent watches its DaemonSet', async () => {
    await putDaemonSet({ touched: String(performance.now()) });
    return daemonSetsSeen > 0;
  });
  const all = AbortSignal.timeout(WAIT_MS);
  await admin.delete(DAEMON_SETS, { namespace: SYSTEM, name: 'ambit-cni' }, {}, all);
  for (const resource of BINDINGS) {
    const namespace = resource.scope === 'cluster' ? '' : SYSTEM;
    await admin.delete(resource, { namespace, name: 'ambit-cni' }, {}, all);
  }
  await second.stop();
  assert.deepEqual(node.hostFiles(), bare);
});
