import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { TestApiServer, type TestKubeAccess } from '../../../test/e2e/kube/api-server.ts';
import { applyObject, coreKind, requestToken, testClient } from '../../../test/e2e/kube/clients.ts';
import { follow } from '../../../test/e2e/kube/follow.ts';
import { Forwarder } from '../../../test/e2e/kube/forwarder.ts';
import { keyOf } from '../kinds/objects.ts';
import { AMBIT_KINDS, customResourceDefinition } from '../kinds/schema/custom-resource-definition.ts';
import { until } from '../testing/until.ts';
import type { KubeResource } from './kube-client.ts';
import { MESH_RESOURCES } from './mesh-resources.ts';

const LONG_MS = 90_000;
const CRDS: KubeResource = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
  kind: 'CustomResourceDefinition',
  scope: 'cluster',
};
const { Namespace: NAMESPACES, Pod: PODS, AccessPolicy: POLICIES } = MESH_RESOURCES;

const api = await TestApiServer.start();
const admin = testClient(api);
after(async () => {
  admin[Symbol.dispose]();
  await api[Symbol.asyncDispose]();
});

const soon = (): AbortSignal => AbortSignal.timeout(LONG_MS);
const createNamespace = (name: string, labels: object = {}): Promise<unknown> =>
  applyObject(admin, NAMESPACES, { metadata: { name, labels } });
const createPod = (namespace: string, name: string, node: string): Promise<unknown> =>
  applyObject(admin, PODS, {
    metadata: { name, namespace, labels: { app: name } },
    spec: { nodeName: node, containers: [{ name: 'app', image: 'app' }] },
  });
/** At once, as nobody is there to stop its containers. */
const deletePod = (namespace: string, name: string): Promise<unknown> =>
  api.request('DELETE', `/api/v1/namespaces/${namespace}/pods/${name}?gracePeriodSeconds=0`);

test('a source delivers the first state in one piece, then what changes, of what is selected', async () => {
  await createNamespace('one', { 'ambit.dev/mode': 'ambient' });
  await createPod('one', 'web', 'n1');
  await createPod('one', 'elsewhere', 'n2');
  const selections = { Pod: { fieldSelector: 'spec.nodeName=n1' } };
  using following = follow(admin, ['Namespace', 'Pod'], { selections });
  await following.first;
  const { world } = following;
  assert.equal(world.batches.length, 1);
  assert.deepEqual(world.keys('one'), ['Namespace//one', 'Pod/one/web']);
  const pod = world.objects.get('Pod/one/web');
  assert.equal(pod?.kind === 'Pod' && pod.nodeName, 'n1');

  await createPod('one', 'db', 'n1');
  await createPod('one', 'other', 'n2');
  await deletePod('one', 'web');
  await until('changes arrive', () => world.keys('Pod/one').join() === 'Pod/one/db', LONG_MS);
  const status = { status: { phase: 'Running', podIP: '10.1.2.3', podIPs: [{ ip: '10.1.2.3' }] } };
  await admin.mergePatch(PODS, { namespace: 'one', name: 'db' }, status, soon(), 'status');
  const running = (): boolean => {
    const db = world.objects.get('Pod/one/db');
    return db?.kind === 'Pod' && db.phase === 'Running' && db.podIps.length === 1;
  };
  await until('the status arrives', running, LONG_MS);
  const told = world.batches.length;
  // Nothing that is read changes, so nothing is told: the label after it is the next thing told.
  await admin.mergePatch(PODS, { namespace: 'one', name: 'db' }, { status: { message: 'noise' } }, soon(), 'status');
  await admin.mergePatch(NAMESPACES, { namespace: '', name: 'one' }, { metadata: { labels: { a: 'b' } } }, soon());
  await until('the label arrives', () => world.objects.get('Namespace//one')?.meta.labels.get('a') === 'b', LONG_MS);
  assert.deepEqual(
    world.batches.slice(told).map((batch) => batch.map((change) => change.kind === 'put' && keyOf(change.object))),
    [['Namespace//one']],
  );
  assert.deepEqual(world.problems, []);
});

test('a kind without definition is empty, and comes and goes with it; objects that cannot be read keep their last good version', async () => {
  await createNamespace('two');
  using following = follow(admin, ['AccessPolicy', 'Gateway']); // Nobody expects Gateway API to be there.
  await following.first;
  const { world } = following;
  assert.equal(world.keys().length, 0);
  assert.deepEqual(await until('the warning', () => world.problems.length === 1 && world.problems, LONG_MS), [
    {
      where: 'AccessPolicy',
      reason: 'CustomResourceDefinition accesspolicies.ambit.dev is not installed: there is no AccessPolicy in force',
      severity: 'warning',
    },
  ]);
  const kind = AMBIT_KINDS.find((candidate) => candidate.kind === 'AccessPolicy');
  assert.ok(kind !== undefined);
  const definition = customResourceDefinition(kind) as { metadata: { name: string } };
  await applyObject(admin, CRDS, definition);
  const policy = (action: string): Promise<unknown> =>
    applyObject(admin, POLICIES, { metadata: { name: 'deny', namespace: 'two' }, spec: { action } });
  await until(
    'the kind is served',
    () =>
      policy('Deny').then(
        () => true,
        () => false,
      ),
    LONG_MS,
  );
  await until('the policy arrives', () => world.keys().join() === 'AccessPolicy/two/deny', LONG_MS);
  assert.equal(world.problems.length, 0);
  const good = world.objects.get('AccessPolicy/two/deny');

  // The schema lets unknown fields through, so that it is the reader who refuses them.
  const broken = { spec: { action: 'Deny', rulez: [] } };
  await admin.mergePatch(POLICIES, { namespace: 'two', name: 'deny' }, broken, soon());
  await until('the problem', () => world.problems.length === 1, LONG_MS);
  assert.deepEqual(
    world.problems.map(({ where, key, severity }) => ({ where, key, severity })),
    [{ where: 'AccessPolicy/two/deny', key: 'AccessPolicy/two/deny', severity: 'error' }],
  );
  assert.match(world.problems[0]?.reason ?? '', /spec\.rulez is not a known field/);
  assert.equal(world.objects.get('AccessPolicy/two/deny'), good);

  await admin.mergePatch(POLICIES, { namespace: 'two', name: 'deny' }, { spec: { rulez: null } }, soon());
  await until('the problem is gone', () => world.problems.length === 0, LONG_MS);
  await admin.delete(CRDS, { namespace: '', name: definition.metadata.name }, {}, soon());
  await until('the policy is gone', () => world.keys().length === 0 && world.problems.length === 1, LONG_MS);
});

test('after an outage in which versions were forgotten, the source lists again and finds what came and went', async () => {
  await createNamespace('three');
  for (const name of ['stays', 'goes', 'changes']) await createPod('three', name, 'n1');
  await using forwarder = await Forwarder.start(Number(new URL(api.admin.server).port));
  using client = testClient(api, { access: { ...api.admin, server: `https://127.0.0.1:${forwarder.port}` } });
  using following = follow(client, ['Pod'], { selections: { Pod: { namespace: 'three' } } });
  await following.first;
  const { world, metrics } = following;
  assert.deepEqual(world.keys(), ['Pod/three/changes', 'Pod/three/goes', 'Pod/three/stays']);
  const stays = world.objects.get('Pod/three/stays');

  forwarder.cut();
  await deletePod('three', 'goes');
  await createPod('three', 'comes', 'n1');
  await admin.mergePatch(PODS, { namespace: 'three', name: 'changes' }, { metadata: { labels: { a: 'b' } } }, soon());
  await api.compactEtcd();
  await api.stopServer();
  await api.startServer();
  const told = world.batches.length;
  forwarder.mend();
  await until('the pod is gone', () => !world.objects.has('Pod/three/goes'), LONG_MS);
  assert.deepEqual(world.keys(), ['Pod/three/changes', 'Pod/three/comes', 'Pod/three/stays']);
  assert.equal(world.objects.get('Pod/three/changes')?.meta.labels.get('a'), 'b');
  assert.equal(world.objects.get('Pod/three/stays'), stays, 'what did not change is not told again');
  assert.equal(world.batches.slice(told).flat().length, 3);
  assert.equal(await metrics.value('ambit_kube_relists_total', ['Pod']), 1);
  assert.equal((await metrics.value('ambit_kube_watch_restarts_total', ['Pod'])) > 0, true);

  // The new watch works.
  await createPod('three', 'later', 'n1');
  await until('the watch goes on', () => world.objects.has('Pod/three/later'), LONG_MS);
});

test('an API server that is killed while changes are made loses nothing', async () => {
  await createNamespace('four');
  using following = follow(admin, ['Pod'], { selections: { Pod: { namespace: 'four' } } });
  await following.first;
  const { world } = following;
  let written = 0;
  const write = async (count: number): Promise<void> => {
    for (let index = 0; index < count; index++) {
      // A write that the crash interrupts is repeated, as every client does.
      const name = `pod-${written + index}`;
      await until(
        `${name} is written`,
        () =>
          createPod('four', name, 'n1').then(
            () => true,
            () => false,
          ),
        LONG_MS,
      );
    }
    written += count;
  };
  await write(10);
  const writing = write(20);
  await api.stopServer();
  await api.startServer();
  await writing;
  await deletePod('four', 'pod-0');
  await until('everything arrives', () => world.keys().length === written - 1, LONG_MS);
  assert.equal(world.objects.has('Pod/four/pod-0'), false);
});

test('a kind that may not be read is a problem that says so, and the source begins when it may', async () => {
  await createNamespace('five');
  await applyObject(admin, coreKind('serviceaccounts', 'ServiceAccount'), {
    metadata: { name: 'x', namespace: 'five' },
  });
  const access: TestKubeAccess = {
    ...api.admin,
    token: await requestToken(admin, { namespace: 'five', serviceAccount: 'x' }),
  };
  using client = testClient(api, { access });
  using following = follow(client, ['Namespace']);
  const problem = await until('the problem', () => following.world.problems[0], LONG_MS);
  assert.deepEqual([problem.where, problem.severity], ['Namespace', 'error']);
  assert.match(
    problem.reason,
    /does not allow this: namespaces is forbidden: User "system:serviceaccount:five:x" cannot list/,
  );
  const rbac = { group: 'rbac.authorization.k8s.io', version: 'v1', scope: 'cluster' } as const;
  await applyObject(
    admin,
    { ...rbac, plural: 'clusterroles', kind: 'ClusterRole' },
    {
      metadata: { name: 'reader' },
      rules: [{ apiGroups: [''], resources: ['namespaces'], verbs: ['list', 'watch'] }],
    },
  );
  await applyObject(
    admin,
    { ...rbac, plural: 'clusterrolebindings', kind: 'ClusterRoleBinding' },
    {
      metadata: { name: 'reader' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'reader' },
      subjects: [{ kind: 'ServiceAccount', name: 'x', namespace: 'five' }],
    },
  );
  await following.first;
  assert.deepEqual(following.world.keys('five'), ['Namespace//five']);
  await until('the problem is gone', () => following.world.problems.length === 0, LONG_MS);
});
