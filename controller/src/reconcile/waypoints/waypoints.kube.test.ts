import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createKubeSource, type KubeResource } from '@ambit/mesh/kube';
import { Metrics, silentLogger, systemClock } from '@ambit/mesh/runtime';
import { until } from '@ambit/mesh/testing';
import { TestApiServer } from '../../../../test/e2e/kube/api-server.ts';
import { applyObject, coreKind, testClient } from '../../../../test/e2e/kube/clients.ts';
import { installGatewayApi } from '../../../../test/e2e/kube/gateway-api.ts';
import { ROUTE_SETTINGS } from '../../../test/route-objects.ts';
import { jsonAt, jsonItems, jsonText } from '../../json.ts';
import { LeaderTasks } from '../../leader/index.ts';
import { Pipeline } from '../../pipeline.ts';
import { StatusRounds } from '../../status/status-rounds.ts';
import { boundServicesKind } from './bound-services.ts';
import { WaypointGateways } from './waypoint-gateways.ts';
import { WaypointPods } from './waypoint-pods.ts';
import { GATEWAY_CLASSES, GATEWAYS, WAYPOINT_RESOURCES } from './waypoint-resources.ts';

/** A round, and what it waits for. */
const ROUND_MS = 20_000;
const NAME = 'wp-ambit-waypoint';
const LISTENERS = [{ name: 'mesh', port: 15_008, protocol: 'HBONE' }];

const api = await TestApiServer.start();
const client = testClient(api);
const stop = new AbortController();
const common = { clock: systemClock, logger: silentLogger };
const metrics = new Metrics();
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
  await applyObject(client, GATEWAY_CLASSES, {
    metadata: { name: 'ambit-waypoint' },
    spec: { controllerName: 'ambit.dev/controller' },
  });
  const kinds = ['Namespace', 'Pod', 'Service', 'Gateway', 'HTTPRoute'] as const;
  const source = createKubeSource({ client, kinds, ...common, metrics });
  const pipeline = new Pipeline({ source, settings: ROUTE_SETTINGS, ...common, metrics, onProblems: () => {} });
  const { objects } = pipeline;
  const settings = {
    image: 'ambit/waypoint:test',
    imagePullPolicy: 'IfNotPresent' as const,
    imagePullSecrets: [],
    replicas: { min: 2, max: 10 },
    resources: { requests: { cpu: '100m', memory: '64Mi' } },
    workers: 1,
    accessLog: 'stdout',
    forwardClientCert: 'off' as const,
    trustDomainAliases: [],
    terminationDeadlineMs: 30_000,
  };
  const mesh = {
    controllerAddress: 'ambit-controller.ambit-system.svc:15012',
    trustDomain: 'cluster.local',
    ...{ clusterId: 'Kubernetes', network: '', logFilter: 'info', logFormat: 'text' },
  };
  const parts = { client, objects, pods: new WaypointPods(objects), ...common };
  const gateways = new WaypointGateways({ ...parts, settings, mesh, meshSettings: ROUTE_SETTINGS });
  const services = new StatusRounds({ kinds: [boundServicesKind(parts)], client, ...common });
  pipeline.onChange(() => {
    gateways.poke();
    services.poke();
  });
  await pipeline.start(stop.signal);
  tasks.whileLeading('waypoints', gateways.work);
  tasks.whileLeading('services', services.work);
  tasks.begin(stop.signal);
});

async function get(resource: KubeResource, name: string, namespace = 'shop'): Promise<unknown> {
  return await client.get(resource, { namespace, name }, stop.signal);
}

/** `type: status reason` of each condition that is there, in order. */
async function conditionsOf(resource: KubeResource, name: string, namespace = 'shop'): Promise<readonly string[]> {
  const object = await get(resource, name, namespace);
  return jsonItems(object, 'status', 'conditions')
    .map((one) => `${jsonText(one, 'type')}: ${jsonText(one, 'status')} ${jsonText(one, 'reason')}`)
    .toSorted();
}

async function becomes(what: string, look: () => Promise<unknown>, expected: unknown): Promise<void> {
  let last: unknown;
  try {
    await until(what, async () => JSON.stringify((last = await look())) === JSON.stringify(expected), ROUND_MS);
  } catch {
    assert.deepEqual(last, expected, what);
  }
}

async function applyGateway(spec: object, meta: object = {}): Promise<void> {
  const metadata = { name: 'wp', namespace: 'shop', ...meta };
  const object = { metadata, spec: { gatewayClassName: 'ambit-waypoint', listeners: LISTENERS, ...spec } };
  await applyObject(client, GATEWAYS, object);
}

async function applyService(name: string, labels: object): Promise<void> {
  const spec = { selector: { app: name }, ports: [{ port: 80 }] };
  await applyObject(client, WAYPOINT_RESOURCES.Service, { metadata: { name, namespace: 'shop', labels }, spec });
}

const PODS = coreKind('pods', 'Pod');

test('the class is accepted, with its features', async () => {
  const class_ = (): Promise<readonly string[]> => conditionsOf(GATEWAY_CLASSES, 'ambit-waypoint', '');
  await becomes('the class is accepted', class_, ['Accepted: True Accepted']);
  const features = jsonItems(await get(GATEWAY_CLASSES, 'ambit-waypoint', ''), 'status', 'supportedFeatures');
  assert.ok(features.some((feature) => jsonText(feature, 'name') === 'HTTPRouteParentRefPort'));
});

test('a Service says that its waypoint is missing, as soon as it names one', async () => {
  await applyService('web', { 'ambit.dev/waypoint': 'wp' });
  await applyService('other', {});
  const web = (): Promise<readonly string[]> => conditionsOf(WAYPOINT_RESOURCES.Service, 'web');
  await becomes('it is missing', web, ['ambit.dev/WaypointBound: False WaypointMissing']);
  assert.deepEqual(await conditionsOf(WAYPOINT_RESOURCES.Service, 'other'), []);
});

test('everything is made for a Gateway and is its own; status follows its pods', async () => {
  await applyGateway({});
  const states = (): Promise<readonly string[]> => conditionsOf(GATEWAYS, 'wp');
  await becomes('no pod yet', states, ['Accepted: True Accepted', 'Programmed: False Pending']);
  const gateway = await get(GATEWAYS, 'wp');
  for (const [kind, resource] of Object.entries(WAYPOINT_RESOURCES)) {
    const [owner] = jsonItems(await get(resource, NAME), 'metadata', 'ownerReferences');
    assert.equal(jsonText(owner, 'uid'), jsonText(gateway, 'metadata', 'uid'), kind);
  }
  assert.equal(jsonAt(await get(WAYPOINT_RESOURCES.Deployment, NAME), 'spec', 'replicas'), 2);
  const labels = jsonAt(await get(WAYPOINT_RESOURCES.Deployment, NAME), 'spec', 'template', 'metadata', 'labels');
  const spec = { containers: [{ name: 'waypoint', image: 'ambit/waypoint:test' }] };
  await applyObject(client, PODS, { metadata: { name: 'wp-1', namespace: 'shop', labels }, spec });
  const ready = { conditions: [{ type: 'Ready', status: 'True' }], podIPs: [{ ip: '10.0.0.1' }], podIP: '10.0.0.1' };
  await client.mergePatch(PODS, { namespace: 'shop', name: 'wp-1' }, { status: ready }, stop.signal, 'status');
  await becomes('a pod is ready', states, ['Accepted: True Accepted', 'Programmed: True Programmed']);
  const [address] = jsonItems(await get(GATEWAYS, 'wp'), 'status', 'addresses');
  const service = await get(WAYPOINT_RESOURCES.Service, NAME);
  assert.equal(jsonText(address, 'value'), jsonText(service, 'spec', 'clusterIP'));
  const web = (): Promise<readonly string[]> => conditionsOf(WAYPOINT_RESOURCES.Service, 'web');
  await becomes('it is bound', web, ['ambit.dev/WaypointBound: True WaypointAccepted']);
  assert.deepEqual(await conditionsOf(WAYPOINT_RESOURCES.Service, NAME), [], 'of the waypoint itself');
});

test('nothing is written again while nothing changes', async () => {
  const versions = async (): Promise<readonly string[]> => {
    const objects = [await get(GATEWAYS, 'wp'), await get(WAYPOINT_RESOURCES.Service, 'web')];
    for (const resource of Object.values(WAYPOINT_RESOURCES)) objects.push(await get(resource, NAME));
    return objects.map((object) => jsonText(object, 'metadata', 'resourceVersion'));
  };
  await becomes('routes are counted', async () => await attached(), [0]);
  const before_ = await versions();
  // Something that has nothing to do with it, and then something that a later round tells.
  await applyService('noise', {});
  await applyService('told', { 'ambit.dev/waypoint': 'gone' });
  const told = (): Promise<readonly string[]> => conditionsOf(WAYPOINT_RESOURCES.Service, 'told');
  await becomes('a round later', told, ['ambit.dev/WaypointBound: False WaypointMissing']);
  assert.deepEqual(await versions(), before_);
});

async function attached(): Promise<readonly unknown[]> {
  return jsonItems(await get(GATEWAYS, 'wp'), 'status', 'listeners').map((one) => jsonAt(one, 'attachedRoutes'));
}

test('routes that are attached are counted', async () => {
  const routes = { group: 'gateway.networking.k8s.io', version: 'v1', plural: 'httproutes', kind: 'HTTPRoute' };
  const spec = { parentRefs: [{ name: 'wp', sectionName: 'mesh' }], rules: [{}] };
  await applyObject(
    client,
    { ...routes, scope: 'namespaced' },
    { metadata: { name: 'canary', namespace: 'shop' }, spec },
  );
  await becomes('one is attached', attached, [1]);
});

test('what somebody changes or deletes comes back, and replicas between the bounds are the autoscaler’s', async () => {
  const deployment = { namespace: 'shop', name: NAME };
  const scaled = { spec: { replicas: 5, template: { spec: { containers: [{ name: 'waypoint', image: 'evil' }] } } } };
  await client.mergePatch(WAYPOINT_RESOURCES.Deployment, deployment, scaled, stop.signal);
  await client.delete(WAYPOINT_RESOURCES.PodDisruptionBudget, deployment, {}, stop.signal);
  // A change of the Gateway is looked at at once, where drift alone has half a minute.
  await applyGateway({ infrastructure: { labels: { team: 'shop' } } });
  const drift = async (): Promise<unknown> => {
    const object = await get(WAYPOINT_RESOURCES.Deployment, NAME);
    const [container] = jsonItems(object, 'spec', 'template', 'spec', 'containers');
    const budget = await get(WAYPOINT_RESOURCES.PodDisruptionBudget, NAME);
    const label = jsonText(object, 'metadata', 'labels', 'team');
    return [jsonText(container, 'image'), jsonAt(object, 'spec', 'replicas'), budget !== null, label];
  };
  await becomes('it is as it should be', drift, ['ambit/waypoint:test', 5, true, 'shop']);
});

test('parameters are taken from a ConfigMap, and what is not harmless is refused by its name', async () => {
  const configMaps = coreKind('configmaps', 'ConfigMap');
  const data = { replicas: 'min: 3\nmax: 6\n', nodeSelector: '{"pool":"edge"}' };
  await applyObject(client, configMaps, { metadata: { name: 'larger', namespace: 'shop' }, data });
  const refer = (name: string): Promise<void> =>
    applyGateway({ infrastructure: { parametersRef: { group: '', kind: 'ConfigMap', name } } });
  await refer('larger');
  const asked = async (): Promise<unknown> => {
    const scaler = await get(WAYPOINT_RESOURCES.HorizontalPodAutoscaler, NAME);
    const object = await get(WAYPOINT_RESOURCES.Deployment, NAME);
    const pool = jsonText(object, 'spec', 'template', 'spec', 'nodeSelector', 'pool');
    return [jsonAt(scaler, 'spec', 'minReplicas'), jsonAt(scaler, 'spec', 'maxReplicas'), pool];
  };
  await becomes('as asked for', asked, [3, 6, 'edge']);
  const bad = { image: 'mine' };
  await applyObject(client, configMaps, { metadata: { name: 'bad', namespace: 'shop' }, data: bad });
  await refer('bad');
  const states = (): Promise<readonly string[]> => conditionsOf(GATEWAYS, 'wp');
  await becomes('refused', states, ['Accepted: False InvalidParameters', 'Programmed: False Invalid']);
  const conditions = jsonItems(await get(GATEWAYS, 'wp'), 'status', 'conditions');
  assert.match(conditions.map((one) => jsonText(one, 'message')).join(), /ConfigMap bad\.image is not a known field/);
  assert.deepEqual(await asked(), [3, 6, 'edge'], 'what was made stays');
  await applyObject(client, configMaps, {
    metadata: { name: 'wrong', namespace: 'shop' },
    data: { resources: 'requests: { cpu: 2 }\nlimits: { cpu: 1 }' },
  });
  await refer('wrong');
  await until(
    'the API server’s words are in the status',
    async () => {
      const object = await get(GATEWAYS, 'wp');
      return jsonItems(object, 'status', 'conditions').some((one) =>
        /Deployment: API server refuses the object: .*must be less than or equal to cpu limit/s.test(
          jsonText(one, 'message'),
        ),
      );
    },
    ROUND_MS,
  );
  await applyGateway({});
  await becomes('accepted again', states, ['Accepted: True Accepted', 'Programmed: True Programmed']);
});

test('an object of that name that is somebody else’s is left alone', async () => {
  const spec = { ports: [{ port: 80 }], selector: { app: 'theirs' } };
  const metadata = { name: 'taken-ambit-waypoint', namespace: 'shop' };
  await applyObject(client, WAYPOINT_RESOURCES.Service, { metadata, spec });
  await applyGateway({}, { name: 'taken' });
  const states = (): Promise<readonly string[]> => conditionsOf(GATEWAYS, 'taken');
  await becomes('it is told', states, ['Accepted: True Accepted', 'Programmed: False NoResources']);
  const service = await get(WAYPOINT_RESOURCES.Service, metadata.name);
  assert.deepEqual(jsonAt(service, 'spec', 'selector'), { app: 'theirs' });
});

test('a Service that names no waypoint any more has no condition', async () => {
  const web = { namespace: 'shop', name: 'web' };
  const labels = { metadata: { labels: { 'ambit.dev/waypoint': 'none' } } };
  await client.mergePatch(WAYPOINT_RESOURCES.Service, web, labels, stop.signal);
  await becomes('it is gone', () => conditionsOf(WAYPOINT_RESOURCES.Service, 'web'), []);
});
