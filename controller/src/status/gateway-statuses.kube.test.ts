import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createKubeSource, type KubeResource } from '@ambit/mesh/kube';
import { Metrics, silentLogger, systemClock } from '@ambit/mesh/runtime';
import { until } from '@ambit/mesh/testing';
import { TestApiServer } from '../../../test/e2e/kube/api-server.ts';
import { applyObject, coreKind, testClient } from '../../../test/e2e/kube/clients.ts';
import { installGatewayApi } from '../../../test/e2e/kube/gateway-api.ts';
import { ROOT_PEM, ROUTE_SETTINGS } from '../../test/route-objects.ts';
import { jsonAt, jsonItems, jsonText } from '../json.ts';
import { LeaderTasks } from '../leader/index.ts';
import { Pipeline } from '../pipeline.ts';
import { gatewayStatusKinds } from './gateway-statuses.ts';
import { StatusRounds } from './status-rounds.ts';

/** A round, and what it waits for. */
const ROUND_MS = 20_000;

const gatewayKind = (plural: string, kind: string): KubeResource => ({
  ...{ group: 'gateway.networking.k8s.io', version: 'v1', plural, kind },
  scope: 'namespaced',
});
const ROUTES = gatewayKind('httproutes', 'HTTPRoute');
const POLICIES = gatewayKind('backendtlspolicies', 'BackendTLSPolicy');
const SERVICES = coreKind('services', 'Service');
const CONFIG_MAPS = coreKind('configmaps', 'ConfigMap');
const PARENT = { group: '', kind: 'Service', name: 'web', port: 80 };

const api = await TestApiServer.start();
const client = testClient(api);
const stop = new AbortController();
const common = { clock: systemClock, logger: silentLogger };
const tasks = new LeaderTasks(systemClock, silentLogger);
after(async () => {
  stop.abort(new DOMException('test ends', 'AbortError'));
  await tasks.settled();
  client[Symbol.dispose]();
  await api[Symbol.asyncDispose]();
});

before(async () => {
  await installGatewayApi(api);
  await applyObject(client, coreKind('namespaces', 'Namespace', 'cluster'), { metadata: { name: 'shop' } });
  // As another controller has left them, and as we did in a term before.
  await applyRoute('theirs', { parentRefs: [{ name: 'edge' }] });
  await writeStatus('theirs', [entry('other.dev/controller', { name: 'edge' }), entry('ambit.dev/controller', PARENT)]);
  const kinds = ['Namespace', 'Service', 'Gateway', 'HTTPRoute', 'BackendTLSPolicy', 'ConfigMap'] as const;
  const metrics = new Metrics();
  const source = createKubeSource({ client, kinds, ...common, metrics });
  const pipeline = new Pipeline({ source, settings: ROUTE_SETTINGS, ...common, metrics, onProblems: () => {} });
  const { objects, routeWorld: world } = pipeline;
  const statusKinds = gatewayStatusKinds({ client, objects, world, clock: systemClock });
  const statuses = new StatusRounds({ kinds: statusKinds, client, ...common });
  pipeline.onChange(() => statuses.poke());
  await pipeline.start(stop.signal);
  tasks.whileLeading('statuses', statuses.work);
  tasks.begin(stop.signal);
});

function entry(controllerName: string, parentRef: object): object {
  const time = { observedGeneration: 1, lastTransitionTime: '2026-01-01T00:00:00Z' };
  return {
    parentRef,
    controllerName,
    conditions: [{ type: 'Accepted', status: 'True', reason: 'A', message: '', ...time }],
  };
}

async function writeStatus(route: string, parents: readonly object[]): Promise<void> {
  await client.mergePatch(ROUTES, { namespace: 'shop', name: route }, { status: { parents } }, stop.signal, 'status');
}

async function applyRoute(name: string, spec: object): Promise<void> {
  await applyObject(client, ROUTES, { metadata: { name, namespace: 'shop' }, spec });
}

/** `controller: Type=Status Reason` of each condition that is there, in order. */
async function statusOf(resource: KubeResource, name: string): Promise<readonly string[]> {
  const object = await client.get(resource, { namespace: 'shop', name }, stop.signal);
  const list = resource === ROUTES ? 'parents' : 'ancestors';
  return jsonItems(object, 'status', list).flatMap((one) =>
    jsonItems(one, 'conditions').map((condition) => {
      const [type, status, reason] = ['type', 'status', 'reason'].map((field) => jsonText(condition, field));
      return `${jsonText(one, 'controllerName').split('.')[0]}: ${type}=${status} ${reason}`;
    }),
  );
}

async function becomes(what: string, resource: KubeResource, name: string, expected: readonly string[]): Promise<void> {
  let last: unknown;
  try {
    await until(
      what,
      async () => JSON.stringify((last = await statusOf(resource, name))) === JSON.stringify(expected),
      ROUND_MS,
    );
  } catch {
    assert.deepEqual(last, expected, what);
  }
}

test('what is no more ours to say is taken back, and what others say stays', async () => {
  await becomes('ours is gone', ROUTES, 'theirs', ['other: Accepted=True A']);
});

test('the status of a route follows what it names, beside that of others, and is written once', async () => {
  await applyRoute('web', { parentRefs: [PARENT], rules: [{ backendRefs: [{ name: 'v2', port: 80 }] }] });
  await becomes('there is no such Service', ROUTES, 'web', [
    'ambit: Accepted=False NoMatchingParent',
    'ambit: ResolvedRefs=False BackendNotFound',
  ]);
  for (const name of ['web', 'v2']) {
    await applyObject(client, SERVICES, { metadata: { name, namespace: 'shop' }, spec: { ports: [{ port: 80 }] } });
  }
  const fine = ['ambit: Accepted=True Accepted', 'ambit: ResolvedRefs=True ResolvedRefs'];
  await becomes('it counts', ROUTES, 'web', fine);
  const route = await client.get(ROUTES, { namespace: 'shop', name: 'web' }, stop.signal);
  const [mine] = jsonItems(route, 'status', 'parents');
  assert.deepEqual(jsonAt(mine, 'parentRef'), { ...PARENT, namespace: 'shop' });
  await writeStatus('web', [entry('other.dev/controller', { name: 'edge' }), Object(mine)]);
  await applyRoute('web', { parentRefs: [PARENT], rules: [{ backendRefs: [{ name: 'v3', port: 80 }] }] });
  await becomes('it changes', ROUTES, 'web', [
    'other: Accepted=True A',
    'ambit: Accepted=True Accepted',
    'ambit: ResolvedRefs=False BackendNotFound',
  ]);
  const { resourceVersion } = Object(
    await client.get(ROUTES, { namespace: 'shop', name: 'web' }, stop.signal),
  ).metadata;
  await applyRoute('later', { parentRefs: [PARENT] });
  await becomes('a later one counts', ROUTES, 'later', fine);
  const after = Object(await client.get(ROUTES, { namespace: 'shop', name: 'web' }, stop.signal)).metadata;
  assert.equal(after.resourceVersion, resourceVersion);
});

test('the status of a policy for TLS follows its Service and its authorities', async () => {
  await applyObject(client, POLICIES, {
    metadata: { name: 'tls', namespace: 'shop' },
    spec: {
      targetRefs: [{ group: '', kind: 'Service', name: 'web' }],
      validation: { hostname: 'web.example', caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'roots' }] },
    },
  });
  await becomes('there are no authorities', POLICIES, 'tls', [
    'ambit: Accepted=False NoValidCACertificate',
    'ambit: ResolvedRefs=False InvalidCACertificateRef',
  ]);
  await applyObject(client, CONFIG_MAPS, {
    metadata: { name: 'roots', namespace: 'shop' },
    data: { 'ca.crt': ROOT_PEM },
  });
  await becomes('there are', POLICIES, 'tls', [
    'ambit: Accepted=True Accepted',
    'ambit: ResolvedRefs=True ResolvedRefs',
  ]);
});
