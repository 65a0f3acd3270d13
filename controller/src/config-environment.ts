import { DEFAULT_EXCLUDED_NAMESPACES } from '@ambit/mesh/kinds';
import { DEFAULT_TRUST_DOMAIN, parseIpAddress, parseTrustDomain, parseTrustDomainAliases } from '@ambit/mesh/model';
import { type Environment, EnvironmentReader } from '@ambit/mesh/runtime';
import type { ControllerConfig } from './config.ts';
import { REPLICAS_MAX } from './reconcile/waypoints/decide-waypoint-parameters.ts';
import type { JsonObject, WaypointSettings } from './reconcile/waypoints/waypoint-settings.ts';
import { isRecord } from './json.ts';
import type { MeshSettings } from './translate/mesh-settings.ts';

/** What a controller on Kubernetes is told besides. */
export interface KubernetesConfig {
  /** The controller's own: its Lease, its Secrets. */
  readonly namespace: string;
  /** Name of this replica, for people. */
  readonly podName: string;
  /** What callers' tokens must be for, one of them. */
  readonly audiences: readonly string[];
  /** `namespace/name` of service accounts that speak for every workload of their node. */
  readonly nodeAgentAccounts: readonly string[];
  /** Secret with an authority that somebody else keeps; null when the controller makes and keeps its own. */
  readonly caSecret: string | null;
  /** Where the Secret that signs is mounted, for a restart while the API server is away. */
  readonly caDirectory: string | null;
  /** Whether nodes that are ready are freed of the startup taint. */
  readonly startupTaint: boolean;
  /** What waypoints are made of; null when this controller makes none. */
  readonly waypoints: WaypointSettings | null;
}

const CLUSTER_ID = /^[A-Za-z0-9._-]{1,128}$/;
/** A name with room for a service and its namespace before it. */
const CLUSTER_DOMAIN = /^[a-z0-9](?:[-a-z0-9.]{0,98}[a-z0-9])?$/;
const NETWORK = /^[A-Za-z0-9._-]{0,63}$/;
export const DNS_NAME: RegExp = /^[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?$/;
const ACCOUNT = /^[a-z0-9][-a-z0-9]{0,62}\/[a-z0-9][-a-z0-9.]{0,252}$/;

const AUDIENCE = 'ambit-ca';
/** What Istio's agents show, and whom they expect to find. */
const ISTIO = { audience: 'istio-ca', ztunnel: 'istio-system/ztunnel', service: 'istiod.istio-system.svc' } as const;

const WAYPOINT_DEFAULTS = { min: 2, max: 10, workersMax: 64, deadlineMs: 30_000 } as const;

type EnvironmentPart = Pick<ControllerConfig, 'mesh' | 'serverNames' | 'logFilter' | 'logFormat' | 'kubernetes'>;

/** @throws EnvironmentError for wrong and unknown variables; those for Kubernetes are unknown in file mode. */
export function parseEnvironment(environment: Environment, kubernetes: boolean): EnvironmentPart {
  const reader = new EnvironmentReader(environment);
  const mesh = readMesh(reader);
  const names = reader.list('AMBIT_SERVER_NAMES', 'DNS names or addresses', parseServerName, []);
  const onKubernetes = kubernetes ? readKubernetes(reader, mesh) : null;
  const result = {
    mesh,
    kubernetes: onKubernetes?.config ?? null,
    serverNames: [...names, ...(onKubernetes?.serverNames ?? [])],
    logFilter: reader.logFilter('AMBIT_LOG_LEVEL', 'info'),
    logFormat: reader.oneOf('AMBIT_LOG_FORMAT', ['text', 'json'], 'text'),
  };
  reader.refuseUnknown();
  return result;
}

function readMesh(reader: EnvironmentReader): MeshSettings {
  return {
    clusterId: reader.parsed('AMBIT_CLUSTER_ID', 'letters, digits, ".", "_", "-"', matching(CLUSTER_ID), 'Kubernetes'),
    clusterDomain: reader.parsed(
      'AMBIT_CLUSTER_DOMAIN',
      'a DNS name of at most 100 characters',
      matching(CLUSTER_DOMAIN),
      'cluster.local',
    ),
    trustDomain: reader.parsed('AMBIT_TRUST_DOMAIN', 'a trust domain', parseTrustDomain, DEFAULT_TRUST_DOMAIN),
    rootNamespace: reader.parsed('AMBIT_ROOT_NAMESPACE', 'a namespace', matching(DNS_NAME), 'ambit-system'),
    defaultNetwork: reader.parsed('AMBIT_NETWORK', 'at most 63 letters, digits, ".", "_", "-"', matching(NETWORK), ''),
    excludedNamespaces: reader.list(
      'AMBIT_EXCLUDED_NAMESPACES',
      'namespaces',
      matching(DNS_NAME),
      DEFAULT_EXCLUDED_NAMESPACES,
    ),
  };
}

function readKubernetes(
  reader: EnvironmentReader,
  { rootNamespace, clusterDomain }: MeshSettings,
): { readonly config: KubernetesConfig; readonly serverNames: readonly string[] } {
  const namespace = reader.parsed('AMBIT_POD_NAMESPACE', 'a namespace', matching(DNS_NAME), rootNamespace);
  const istio = reader.boolean('AMBIT_ISTIO_COMPATIBILITY', false);
  const accounts = [`${namespace}/ambit-node-agent`, ...(istio ? [ISTIO.ztunnel] : [])];
  const caSecret = reader.parsed('AMBIT_CA_SECRET', 'the name of a Secret', matching(DNS_NAME), '');
  const service = `ambit-controller.${namespace}.svc`;
  const services = [service, ...(istio ? [ISTIO.service] : [])];
  return {
    config: {
      namespace,
      podName: reader.parsed('AMBIT_POD_NAME', 'the name of a pod', matching(DNS_NAME), 'controller'),
      audiences: istio ? [AUDIENCE, ISTIO.audience] : [AUDIENCE],
      nodeAgentAccounts: reader.list('AMBIT_NODE_AGENT_ACCOUNTS', 'NAMESPACE/NAME', matching(ACCOUNT), accounts),
      caSecret: caSecret === '' ? null : caSecret,
      caDirectory: reader.optional('AMBIT_CA_DIRECTORY') ?? null,
      startupTaint: reader.boolean('AMBIT_STARTUP_TAINT', false),
      waypoints: readWaypoints(reader),
    },
    serverNames: services.flatMap((name) => [name, name.replace(/\.svc$/, ''), `${name}.${clusterDomain}`]),
  };
}

function readWaypoints(reader: EnvironmentReader): WaypointSettings | null {
  const image = reader.optional('AMBIT_WAYPOINT_IMAGE');
  const min = reader.integer('AMBIT_WAYPOINT_REPLICAS_MIN', { min: 1, max: REPLICAS_MAX }, WAYPOINT_DEFAULTS.min);
  const settings = {
    imagePullPolicy: reader.oneOf(
      'AMBIT_WAYPOINT_IMAGE_PULL_POLICY',
      ['IfNotPresent', 'Always', 'Never'],
      'IfNotPresent',
    ),
    imagePullSecrets: reader.list('AMBIT_WAYPOINT_PULL_SECRETS', 'names of Secrets', matching(DNS_NAME), []),
    replicas: {
      min,
      max: reader.integer(
        'AMBIT_WAYPOINT_REPLICAS_MAX',
        { min, max: REPLICAS_MAX },
        Math.max(min, WAYPOINT_DEFAULTS.max),
      ),
    },
    resources: reader.parsed('AMBIT_WAYPOINT_RESOURCES', 'requests and limits as a JSON object', parseJsonObject, {}),
    workers: reader.integer('AMBIT_WAYPOINT_WORKERS', { min: 1, max: WAYPOINT_DEFAULTS.workersMax }, 1),
    accessLog: reader.oneOf('AMBIT_WAYPOINT_ACCESS_LOG', ['stdout', 'off'], 'stdout'),
    trustDomainAliases: reader.parsed(
      'AMBIT_WAYPOINT_TRUST_DOMAIN_ALIASES',
      'up to 16 trust domains, comma-separated',
      parseTrustDomainAliases,
      [],
    ),
    forwardClientCert: reader.oneOf('AMBIT_WAYPOINT_FORWARD_CLIENT_CERT', ['off', 'set'], 'off'),
    terminationDeadlineMs: reader.durationMs('AMBIT_WAYPOINT_TERMINATION_DEADLINE', WAYPOINT_DEFAULTS.deadlineMs),
  };
  return image === undefined ? null : { image, ...settings };
}

function parseJsonObject(text: string): JsonObject {
  const value: unknown = JSON.parse(text);
  if (!isRecord(value)) throw new RangeError('not an object');
  return value;
}

function matching(pattern: RegExp): (text: string) => string {
  return (text) => {
    if (!pattern.test(text)) throw new RangeError('does not match');
    return text;
  };
}

function parseServerName(text: string): string {
  return text.includes(':') ? parseIpAddress(text) : matching(DNS_NAME)(text);
}
