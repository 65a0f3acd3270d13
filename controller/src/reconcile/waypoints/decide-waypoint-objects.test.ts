import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Gateway, parseObject } from '@ambit/mesh/kinds';
import { decideNameFault, decideWaypointObjects, type WaypointObjects } from './decide-waypoint-objects.ts';
import type { WaypointParameters } from './decide-waypoint-parameters.ts';
import type { WaypointMesh, WaypointSettings } from './waypoint-settings.ts';

type Json = Readonly<Record<string, unknown>>;

const SETTINGS: WaypointSettings = {
  image: 'registry.test/ambit/waypoint:1',
  imagePullPolicy: 'IfNotPresent',
  imagePullSecrets: [],
  replicas: { min: 2, max: 10 },
  resources: { requests: { cpu: '100m' } },
  workers: 1,
  accessLog: 'stdout',
  forwardClientCert: 'off',
  trustDomainAliases: ['old.local', 'older.local'],
  terminationDeadlineMs: 30_500,
};

const MESH: WaypointMesh = {
  controllerAddress: 'ambit-controller.ambit-system.svc:15012',
  trustDomain: 'cluster.local',
  clusterId: 'Kubernetes',
  network: '',
  logFilter: 'info',
  logFormat: 'text',
};

const NONE: WaypointParameters = { labels: new Map(), annotations: new Map() };

function gateway(name = 'wp'): Gateway {
  const object = parseObject({
    ...{ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'Gateway' },
    metadata: { name, namespace: 'shop', uid: 'u-1' },
    spec: { gatewayClassName: 'ambit-waypoint', listeners: [{ name: 'mesh', port: 15_008, protocol: 'HBONE' }] },
  });
  return object?.kind === 'Gateway' ? object : assert.fail();
}

const SELECTOR = {
  'gateway.networking.k8s.io/gateway-name': 'wp',
  'gateway.networking.k8s.io/gateway-class-name': 'ambit-waypoint',
};
const LABELS = {
  'app.kubernetes.io/part-of': 'ambit',
  'app.kubernetes.io/managed-by': 'ambit-controller',
  ...SELECTOR,
};
const METADATA = {
  name: 'wp-ambit-waypoint',
  namespace: 'shop',
  labels: LABELS,
  annotations: {},
  ownerReferences: [
    { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'Gateway', name: 'wp', uid: 'u-1', controller: true },
  ],
};
const fromField = (name: string, fieldPath: string): Json => ({ name, valueFrom: { fieldRef: { fieldPath } } });
const spread = (topologyKey: string): Json => ({
  maxSkew: 1,
  topologyKey,
  whenUnsatisfiable: 'ScheduleAnyway',
  labelSelector: { matchLabels: SELECTOR },
});

const CONTAINER = {
  name: 'waypoint',
  image: 'registry.test/ambit/waypoint:1',
  imagePullPolicy: 'IfNotPresent',
  env: [
    fromField('AMBIT_NODE_NAME', 'spec.nodeName'),
    fromField('AMBIT_POD_NAMESPACE', 'metadata.namespace'),
    fromField('AMBIT_POD_NAME', 'metadata.name'),
    fromField('AMBIT_SERVICE_ACCOUNT', 'spec.serviceAccountName'),
    { name: 'AMBIT_CONTROLLER_ADDRESS', value: 'ambit-controller.ambit-system.svc:15012' },
    { name: 'AMBIT_TOKEN_FILE', value: '/var/run/secrets/tokens/ambit-ca' },
    { name: 'AMBIT_CONTROLLER_ROOT_FILE', value: '/var/run/secrets/ambit/root-cert.pem' },
    { name: 'AMBIT_HBONE_ADDRESS', value: '[::]:15008' },
    { name: 'AMBIT_METRICS_ADDRESS', value: '[::]:15020' },
    { name: 'AMBIT_READINESS_ADDRESS', value: '[::]:15021' },
    { name: 'AMBIT_NETWORK', value: '' },
    { name: 'AMBIT_CLUSTER_ID', value: 'Kubernetes' },
    { name: 'AMBIT_TRUST_DOMAIN', value: 'cluster.local' },
    { name: 'AMBIT_TRUST_DOMAIN_ALIASES', value: 'old.local,older.local' },
    { name: 'AMBIT_CRL_FILE', value: '/var/run/ambit-crl/ca-crl.pem' },
    { name: 'AMBIT_WORKERS', value: '1' },
    { name: 'AMBIT_ACCESS_LOG', value: 'stdout' },
    { name: 'AMBIT_FORWARD_CLIENT_CERT', value: 'off' },
    { name: 'AMBIT_TERMINATION_DEADLINE', value: '30500ms' },
    { name: 'AMBIT_LOG_LEVEL', value: 'info' },
    { name: 'AMBIT_LOG_FORMAT', value: 'text' },
  ],
  ports: [
    { name: 'hbone', containerPort: 15_008, protocol: 'TCP' },
    { name: 'metrics', containerPort: 15_020, protocol: 'TCP' },
    { name: 'readiness', containerPort: 15_021, protocol: 'TCP' },
  ],
  readinessProbe: { httpGet: { path: '/healthz/ready', port: 'readiness' }, periodSeconds: 2, failureThreshold: 3 },
  securityContext: {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  },
  resources: { requests: { cpu: '100m' } },
  volumeMounts: [
    { name: 'token', mountPath: '/var/run/secrets/tokens', readOnly: true },
    { name: 'root-cert', mountPath: '/var/run/secrets/ambit', readOnly: true },
    { name: 'revocation-lists', mountPath: '/var/run/ambit-crl', readOnly: true },
  ],
};
const POD = {
  serviceAccountName: 'wp-ambit-waypoint',
  automountServiceAccountToken: false,
  enableServiceLinks: false,
  terminationGracePeriodSeconds: 41,
  securityContext: {
    runAsNonRoot: true,
    runAsUser: 65_532,
    runAsGroup: 65_532,
    fsGroup: 65_532,
    seccompProfile: { type: 'RuntimeDefault' },
  },
  containers: [CONTAINER],
  volumes: [
    {
      name: 'token',
      projected: {
        sources: [{ serviceAccountToken: { path: 'ambit-ca', audience: 'ambit-ca', expirationSeconds: 3600 } }],
      },
    },
    { name: 'root-cert', configMap: { name: 'ambit-ca-root-cert' } },
    { name: 'revocation-lists', configMap: { name: 'ambit-ca-crl', optional: true } },
  ],
  nodeSelector: { 'kubernetes.io/os': 'linux' },
  topologySpreadConstraints: [spread('kubernetes.io/hostname'), spread('topology.kubernetes.io/zone')],
};

interface Changed {
  readonly metadata?: Json;
  readonly podLabels?: Json;
  readonly podAnnotations?: Json;
  readonly pod?: Json;
  readonly container?: Json;
  readonly replicas?: readonly [min: number, max: number];
}

/** Everything that is made, with what a row changes of it. */
function expected({
  metadata = {},
  podLabels = {},
  podAnnotations = {},
  pod,
  container,
  replicas = [2, 10],
}: Changed): WaypointObjects {
  const meta = { ...METADATA, ...metadata };
  const strategy = { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } };
  const cpu = { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } };
  return {
    ServiceAccount: { apiVersion: 'v1', kind: 'ServiceAccount', metadata: meta, automountServiceAccountToken: false },
    Service: {
      ...{ apiVersion: 'v1', kind: 'Service', metadata: meta },
      spec: {
        type: 'ClusterIP',
        selector: SELECTOR,
        ipFamilyPolicy: 'PreferDualStack',
        trafficDistribution: 'PreferClose',
        ports: [{ name: 'hbone', port: 15_008, targetPort: 15_008, protocol: 'TCP', appProtocol: 'ambit.dev/hbone' }],
      },
    },
    Deployment: {
      ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata: meta },
      spec: {
        selector: { matchLabels: SELECTOR },
        strategy,
        template: {
          metadata: { labels: { ...LABELS, ...podLabels, 'ambit.dev/mode': 'none' }, annotations: podAnnotations },
          spec: { ...POD, containers: [{ ...CONTAINER, ...container }], ...pod },
        },
      },
    },
    HorizontalPodAutoscaler: {
      ...{ apiVersion: 'autoscaling/v2', kind: 'HorizontalPodAutoscaler', metadata: meta },
      spec: {
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'wp-ambit-waypoint' },
        minReplicas: replicas[0],
        maxReplicas: replicas[1],
        metrics: [cpu],
      },
    },
    PodDisruptionBudget: {
      ...{ apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', metadata: meta },
      spec: { maxUnavailable: 1, selector: { matchLabels: SELECTOR } },
    },
  };
}

const tolerations = [{ key: 'gpu', operator: 'Exists' }];
const affinity = { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [] } } };
const team = { team: 'shop' };
const note = { 'example.com/note': 'x' };

const ROWS: readonly (readonly [what: string, Partial<WaypointParameters>, Partial<WaypointSettings>, Changed])[] = [
  ['nothing is asked for', {}, {}, {}],
  [
    'labels and annotations are on everything, and ours win',
    {
      labels: new Map(Object.entries({ ...team, 'app.kubernetes.io/part-of': 'other' })),
      annotations: new Map(Object.entries(note)),
    },
    {},
    { metadata: { labels: { ...LABELS, ...team }, annotations: note }, podLabels: team, podAnnotations: note },
  ],
  [
    'everything harmless is asked for',
    {
      replicas: { min: 3, max: 5 },
      resources: { limits: { memory: '1Gi' } },
      nodeSelector: { pool: 'edge' },
      tolerations,
      affinity,
    },
    {},
    {
      replicas: [3, 5],
      container: { resources: { limits: { memory: '1Gi' } } },
      pod: { nodeSelector: { 'kubernetes.io/os': 'linux', pool: 'edge' }, tolerations, affinity },
    },
  ],
  [
    'the installation says otherwise',
    {},
    { imagePullPolicy: 'Always', imagePullSecrets: ['regcred'], replicas: { min: 1, max: 1 } },
    { replicas: [1, 1], container: { imagePullPolicy: 'Always' }, pod: { imagePullSecrets: [{ name: 'regcred' }] } },
  ],
];

for (const [what, parameters, settings, changed] of ROWS) {
  test(`decideWaypointObjects(): ${what}`, () => {
    const plan = {
      gateway: gateway(),
      parameters: { ...NONE, ...parameters },
      settings: { ...SETTINGS, ...settings },
      mesh: MESH,
    };
    assert.deepEqual(decideWaypointObjects(plan), expected(changed));
  });
}

test('decideNameFault() takes what everything can be named after', () => {
  const names = ['a', 'wp', 'a-1', `a${'b'.repeat(47)}`, `a${'b'.repeat(48)}`, '1wp', 'w.p'];
  assert.deepEqual(
    names.filter((name) => decideNameFault(gateway(name)) === null),
    ['a', 'wp', 'a-1', `a${'b'.repeat(47)}`],
  );
  assert.match(decideNameFault(gateway('w.p')) ?? '', /^metadata\.name: .*w\.p-ambit-waypoint.*at most 48 letters/);
});
