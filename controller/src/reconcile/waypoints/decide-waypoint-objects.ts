import {
  AMBIT_DOMAIN,
  type Gateway,
  GATEWAY_CLASS_LABEL,
  GATEWAY_NAME_LABEL,
  MODE_LABEL,
  WAYPOINT_CLASS,
  waypointServiceName,
} from '@ambit/mesh/kinds';
import { REVOCATION_LISTS } from '../decide-copies.ts';
import type { WaypointParameters } from './decide-waypoint-parameters.ts';
import type { JsonObject, WaypointMesh, WaypointSettings } from './waypoint-settings.ts';

/** In the order in which they are written: each needs only what is before it. */
export const WAYPOINT_OBJECT_KINDS = [
  'ServiceAccount',
  'Service',
  'Deployment',
  'HorizontalPodAutoscaler',
  'PodDisruptionBudget',
] as const;
export type WaypointObjectKind = (typeof WAYPOINT_OBJECT_KINDS)[number];
export type WaypointObjects = Readonly<Record<WaypointObjectKind, JsonObject>>;

/** What is made for one Gateway depends on these alone. */
export interface WaypointPlan {
  readonly gateway: Gateway;
  readonly parameters: WaypointParameters;
  readonly settings: WaypointSettings;
  readonly mesh: WaypointMesh;
}

const HBONE_PORT = 15_008;
const METRICS_PORT = 15_020;
const READINESS_PORT = 15_021;
const TOKENS = '/var/run/secrets/tokens';
const ROOTS = '/var/run/secrets/ambit';
const REVOCATIONS = '/var/run/ambit-crl';
/** Of the images: nobody's. */
const USER = 65_532;
/** A pod has to close what is left after its deadline. */
const GRACE_AFTER_DEADLINE_S = 10;
const TARGET_CPU_PERCENT = 80;
/** With which the ServiceAccount, the Service and the rest are named after the Gateway and still DNS labels. */
const GATEWAY_NAME = /^[a-z](?:[-a-z0-9]{0,46}[a-z0-9])?$/;

/** Null when everything can be named after the Gateway. */
export function decideNameFault({ meta }: Gateway): string | null {
  if (GATEWAY_NAME.test(meta.name)) return null;
  return `metadata.name: what is made for the Gateway is named ${waypointServiceName(meta.name)}, which is no DNS label: expected at most 48 letters, digits and "-", beginning with a letter`;
}

/** What has to be there for a Gateway, whole but for its Deployment's replicas, which are the autoscaler's. */
export function decideWaypointObjects(plan: WaypointPlan): WaypointObjects {
  const { parameters, settings } = plan;
  const selector = { matchLabels: selectorOf(plan.gateway) };
  const { min, max } = parameters.replicas ?? settings.replicas;
  const name = waypointServiceName(plan.gateway.meta.name);
  return {
    ServiceAccount: {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      ...metadataOf(plan),
      automountServiceAccountToken: false,
    },
    Service: { apiVersion: 'v1', kind: 'Service', ...metadataOf(plan), spec: serviceSpec(plan) },
    Deployment: {
      ...{ apiVersion: 'apps/v1', kind: 'Deployment', ...metadataOf(plan) },
      spec: {
        selector,
        // A new one is ready before an old one goes.
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
        template: {
          metadata: {
            labels: { ...labelsOf(plan), [MODE_LABEL]: 'none' },
            annotations: Object.fromEntries(parameters.annotations),
          },
          spec: podSpec(plan, name),
        },
      },
    },
    HorizontalPodAutoscaler: {
      ...{ apiVersion: 'autoscaling/v2', kind: 'HorizontalPodAutoscaler', ...metadataOf(plan) },
      spec: {
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name },
        minReplicas: min,
        maxReplicas: max,
        metrics: [
          {
            type: 'Resource',
            resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: TARGET_CPU_PERCENT } },
          },
        ],
      },
    },
    PodDisruptionBudget: {
      ...{ apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', ...metadataOf(plan) },
      // A number of those that may be away: one that has to stay would keep a node with a single waypoint from being drained.
      spec: { maxUnavailable: 1, selector },
    },
  };
}

function selectorOf({ meta }: Gateway): Readonly<Record<string, string>> {
  return { [GATEWAY_NAME_LABEL]: meta.name, [GATEWAY_CLASS_LABEL]: WAYPOINT_CLASS };
}

function labelsOf({ gateway, parameters }: WaypointPlan): Readonly<Record<string, string>> {
  return {
    ...Object.fromEntries(parameters.labels),
    'app.kubernetes.io/part-of': 'ambit',
    'app.kubernetes.io/managed-by': 'ambit-controller',
    ...selectorOf(gateway),
  };
}

function metadataOf(plan: WaypointPlan): { readonly metadata: JsonObject } {
  const { name, namespace, uid } = plan.gateway.meta;
  return {
    metadata: {
      name: waypointServiceName(name),
      namespace,
      labels: labelsOf(plan),
      annotations: Object.fromEntries(plan.parameters.annotations),
      ownerReferences: [
        // Without blockOwnerDeletion, for which some clusters ask for more rights.
        { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'Gateway', name, uid, controller: true },
      ],
    },
  };
}

function serviceSpec({ gateway }: WaypointPlan): JsonObject {
  return {
    type: 'ClusterIP',
    selector: selectorOf(gateway),
    ipFamilyPolicy: 'PreferDualStack',
    trafficDistribution: 'PreferClose',
    ports: [
      {
        name: 'hbone',
        port: HBONE_PORT,
        targetPort: HBONE_PORT,
        protocol: 'TCP',
        appProtocol: `${AMBIT_DOMAIN}/hbone`,
      },
    ],
  };
}

function podSpec(plan: WaypointPlan, name: string): JsonObject {
  const { gateway, parameters, settings } = plan;
  const { nodeSelector, tolerations, affinity } = parameters;
  const pullSecrets = settings.imagePullSecrets.map((secret) => ({ name: secret }));
  const apart = { labelSelector: { matchLabels: selectorOf(gateway) } };
  return {
    serviceAccountName: name,
    // It asks nothing of the API server.
    automountServiceAccountToken: false,
    // Variables of services may begin with AMBIT_ too, and no program knows those.
    enableServiceLinks: false,
    terminationGracePeriodSeconds: Math.ceil(settings.terminationDeadlineMs / 1000) + GRACE_AFTER_DEADLINE_S,
    ...(pullSecrets.length === 0 ? {} : { imagePullSecrets: pullSecrets }),
    securityContext: {
      runAsNonRoot: true,
      runAsUser: USER,
      runAsGroup: USER,
      fsGroup: USER,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    containers: [container(plan)],
    volumes: [
      {
        name: 'token',
        projected: {
          sources: [{ serviceAccountToken: { path: 'ambit-ca', audience: 'ambit-ca', expirationSeconds: 3600 } }],
        },
      },
      { name: 'root-cert', configMap: { name: 'ambit-ca-root-cert' } },
      // It may come later: until then nothing is revoked.
      { name: 'revocation-lists', configMap: { name: REVOCATION_LISTS.name, optional: true } },
    ],
    nodeSelector: { 'kubernetes.io/os': 'linux', ...nodeSelector },
    ...(tolerations === undefined ? {} : { tolerations }),
    ...(affinity === undefined ? {} : { affinity }),
    topologySpreadConstraints: ['kubernetes.io/hostname', 'topology.kubernetes.io/zone'].map((topologyKey) => ({
      ...{ maxSkew: 1, topologyKey, whenUnsatisfiable: 'ScheduleAnyway', ...apart },
    })),
  };
}

function container({ parameters, settings, mesh }: WaypointPlan): JsonObject {
  const ports = { hbone: HBONE_PORT, metrics: METRICS_PORT, readiness: READINESS_PORT };
  return {
    name: 'waypoint',
    image: settings.image,
    imagePullPolicy: settings.imagePullPolicy,
    env: [
      fieldVariable('AMBIT_NODE_NAME', 'spec.nodeName'),
      fieldVariable('AMBIT_POD_NAMESPACE', 'metadata.namespace'),
      fieldVariable('AMBIT_POD_NAME', 'metadata.name'),
      fieldVariable('AMBIT_SERVICE_ACCOUNT', 'spec.serviceAccountName'),
      ...Object.entries({
        AMBIT_CONTROLLER_ADDRESS: mesh.controllerAddress,
        AMBIT_TOKEN_FILE: `${TOKENS}/ambit-ca`,
        AMBIT_CONTROLLER_ROOT_FILE: `${ROOTS}/root-cert.pem`,
        // Pods may have addresses of either family, or of both.
        AMBIT_HBONE_ADDRESS: `[::]:${HBONE_PORT}`,
        AMBIT_METRICS_ADDRESS: `[::]:${METRICS_PORT}`,
        AMBIT_READINESS_ADDRESS: `[::]:${READINESS_PORT}`,
        AMBIT_NETWORK: mesh.network,
        AMBIT_CLUSTER_ID: mesh.clusterId,
        AMBIT_TRUST_DOMAIN: mesh.trustDomain,
        ...(settings.trustDomainAliases.length === 0
          ? {}
          : { AMBIT_TRUST_DOMAIN_ALIASES: settings.trustDomainAliases.join(',') }),
        AMBIT_CRL_FILE: `${REVOCATIONS}/${REVOCATION_LISTS.key}`,
        AMBIT_WORKERS: String(settings.workers),
        AMBIT_ACCESS_LOG: settings.accessLog,
        AMBIT_FORWARD_CLIENT_CERT: settings.forwardClientCert,
        AMBIT_TERMINATION_DEADLINE: `${settings.terminationDeadlineMs}ms`,
        AMBIT_LOG_LEVEL: mesh.logFilter,
        AMBIT_LOG_FORMAT: mesh.logFormat,
      }).map(([variable, value]) => ({ name: variable, value })),
    ],
    ports: Object.entries(ports).map(([port, containerPort]) => ({ name: port, containerPort, protocol: 'TCP' })),
    readinessProbe: {
      httpGet: { path: '/healthz/ready', port: 'readiness' },
      periodSeconds: 2,
      failureThreshold: 3,
    },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
    resources: parameters.resources ?? settings.resources,
    volumeMounts: [
      { name: 'token', mountPath: TOKENS, readOnly: true },
      { name: 'root-cert', mountPath: ROOTS, readOnly: true },
      { name: 'revocation-lists', mountPath: REVOCATIONS, readOnly: true },
    ],
  };
}

function fieldVariable(name: string, fieldPath: string): JsonObject {
  return { name, valueFrom: { fieldRef: { fieldPath } } };
}
