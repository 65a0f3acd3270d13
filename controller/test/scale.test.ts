import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPushTransport } from '@ambit/mesh/grpc';
import { createMeshViewStore, parseIpAddress, parseServiceKey, parseWorkloadUid } from '@ambit/mesh/model';
import { PushClient } from '@ambit/mesh/push';
import { silentLogger, systemClock } from '@ambit/mesh/runtime';
import { checkLeaks, until } from '@ambit/mesh/testing';
import { ask, ControllerWorld } from './controller-world.ts';

checkLeaks();

const PODS = 2000;
const PODS_PER_FILE = 100;
const SERVICES = 100;
/** Far above what it takes (about a second each on two cores): only a change of complexity exceeds it. */
const LOAD_MS_MAX = 30_000;

function pod(index: number, ready = 'True'): string {
  return `apiVersion: v1
kind: Pod
metadata: {name: web-${index}, namespace: shop, labels: {app: web-${index % SERVICES}}}
spec:
  nodeName: host-${index % 50}
  serviceAccountName: web
  containers: [{name: app, ports: [{name: http, containerPort: 8080}]}]
status:
  phase: Running
  podIPs: [{ip: 10.0.${Math.floor(index / 250)}.${index % 250}}]
  conditions: [{type: Ready, status: "${ready}"}]
`;
}

function service(index: number): string {
  return `apiVersion: v1
kind: Service
metadata: {name: web-${index}, namespace: shop}
spec: {clusterIP: 10.96.0.${index + 1}, selector: {app: web-${index}}, ports: [{port: 80, targetPort: http}]}
`;
}

function podFile(first: number, changed = -1): string {
  const indexes = Array.from({ length: PODS_PER_FILE }, (_, offset) => first + offset);
  return indexes.map((index) => pod(index, index === changed ? 'False' : 'True')).join('---\n');
}

test('controller loads 2,000 pods in seconds, an agent holds them all, and one edit is one resource', async () => {
  await using world = await ControllerWorld.create();
  for (let first = 0; first < PODS; first += PODS_PER_FILE) await world.write(`pods-${first}.yaml`, podFile(first));
  const services = Array.from({ length: SERVICES }, (_, index) => service(index));
  const namespace = 'apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {ambit.dev/mode: ambient}}\n';
  await world.write('services.yaml', [namespace, ...services].join('---\n'));
  const begun = performance.now();
  await using app = await world.start();
  assert.ok(performance.now() - begun < LOAD_MS_MAX);

  const credentials = await world.joinAs(app, 'host-1');
  const { view, apply } = createMeshViewStore();
  const stop = new AbortController();
  const ready = Promise.withResolvers<void>();
  const sizes: number[] = [];
  const client = new PushClient({
    transport: createPushTransport({
      address: `127.0.0.1:${app.ports.grpc}`,
      credentials: () => credentials.controller,
    }),
    node: { id: 'test', cluster: 'test', metadata: {} },
    clock: systemClock,
    logger: silentLogger,
    apply: async (update) => {
      sizes.push((update.workloads ?? []).length + (update.services ?? []).length);
      apply(update);
    },
    onReady: () => ready.resolve(),
  });
  const running = client.run(stop.signal);
  await ready.promise;
  const key = parseServiceKey('shop/web-7.shop.svc.cluster.local');
  assert.equal([...view.endpoints(key)].length, PODS / SERVICES);
  assert.equal(view.serviceByAddress('', parseIpAddress('10.96.0.8'))?.key, key);
  assert.equal(view.workloadByAddress('', parseIpAddress('10.0.7.249'))?.uid, 'Kubernetes//Pod/shop/web-1999');

  sizes.length = 0;
  await world.write('pods-500.yaml', podFile(500, 507));
  const uid = parseWorkloadUid('Kubernetes//Pod/shop/web-507');
  await until('the edit is in force', () => view.workload(uid)?.status === 'unhealthy');
  assert.deepEqual(sizes, [1]);
  assert.match(await ask(app.ports.debug, '/subscribers'), /"node": "host-1"/);
  stop.abort();
  await running;
});
