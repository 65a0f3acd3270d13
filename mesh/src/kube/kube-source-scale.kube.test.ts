import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { TestApiServer } from '../../../test/e2e/kube/api-server.ts';
import { applyObject, testClient } from '../../../test/e2e/kube/clients.ts';
import { follow } from '../../../test/e2e/kube/follow.ts';
import type { KubeClient } from './kube-client.ts';
import { MESH_RESOURCES } from './mesh-resources.ts';

const CALL_MS = 90_000;
const { Namespace: NAMESPACES, Pod: PODS } = MESH_RESOURCES;

const api = await TestApiServer.start();
const admin = testClient(api);
after(async () => {
  admin[Symbol.dispose]();
  await api[Symbol.asyncDispose]();
});

test('5,000 pods come in pages and take little memory', async () => {
  const count = 5000;
  await applyObject(admin, NAMESPACES, { metadata: { name: 'six' } });
  const pod = (name: string): object => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'six',
      uid: randomUUID(),
      creationTimestamp: '2026-01-01T00:00:00Z',
      labels: { app: 'many' },
      annotations: { long: 'x'.repeat(2000) },
    },
    spec: { serviceAccountName: 'default', containers: [{ name: 'app', image: 'app' }] },
    status: { phase: 'Pending' },
  });
  const names = Array.from({ length: count }, (_, index) => `pod-${index}`);
  await api.store(new Map(names.map((name) => [`pods/six/${name}`, pod(name)])));
  const { items } = await admin.listPage(PODS, { namespace: 'six' }, null, AbortSignal.timeout(CALL_MS), 1);
  assert.equal(items.length, 1, 'what was stored is listed');
  const pages: number[] = [];
  const counting: KubeClient = {
    ...bound(admin),
    listPage: async (...args) => {
      const page = await admin.listPage(...args);
      pages.push(page.items.length);
      return page;
    },
  };
  const before = heapBytes();
  using following = follow(counting, ['Pod'], { selections: { Pod: { namespace: 'six' } } });
  await following.first;
  assert.equal(following.world.keys('Pod/six').length, count);
  assert.deepEqual(
    pages,
    Array.from({ length: 10 }, () => 500),
  );
  following.world.batches.length = 0;
  const perPod = (heapBytes() - before) / count;
  assert.ok(perPod < 4000, `${Math.round(perPod)} bytes per pod`);
});

function bound(client: KubeClient): KubeClient {
  return {
    get: client.get.bind(client),
    listPage: client.listPage.bind(client),
    watch: client.watch.bind(client),
    create: client.create.bind(client),
    replace: client.replace.bind(client),
    apply: client.apply.bind(client),
    mergePatch: client.mergePatch.bind(client),
    delete: client.delete.bind(client),
  };
}

/** After collecting all garbage. */
function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}
