import { type ControllerUpstream, readControllerUpstream } from '@ambit/mesh/upstream';
import {
  createSpiffeId,
  createTrustDomains,
  DEFAULT_TRUST_DOMAIN,
  type ListenAddress,
  parseListenAddress,
  parseTrustDomain,
  parseTrustDomainAliases,
  type SpiffeId,
  type TrustDomain,
  type TrustDomains,
} from '@ambit/mesh/model';
import {
  type Environment,
  EnvironmentReader,
  fallbackOf,
  type LogFormat,
  type Setting,
  settingLines,
} from '@ambit/mesh/runtime';

/** Where configuration and the certificate come from. */
export type Upstream =
  /** File with the mesh, the routes and the certificate. */
  | { readonly kind: 'local'; readonly file: string }
  | (ControllerUpstream & {
      readonly kind: 'controller';
      readonly nodeName: string;
      readonly clusterId: string;
      readonly podNamespace: string;
      readonly podName: string;
      readonly identity: SpiffeId;
      readonly certificateTtlMs: number;
    });

/** Everything a waypoint is told at start; immutable. */
export interface WaypointConfig {
  readonly upstream: Upstream;
  readonly network: string;
  readonly trustDomains: TrustDomains;
  /** With the lists of revoked certificates; null: nothing is ever revoked. */
  readonly revocationFile: string | null;
  readonly workers: number;
  /** Of the whole process; 0: that of its container. */
  readonly memoryLimitBytes: number;
  readonly hboneAddress: ListenAddress;
  readonly adminAddress: ListenAddress;
  readonly metricsAddress: ListenAddress;
  readonly readinessAddress: ListenAddress;
  /** `stdout`, `off`, or the path of a file. */
  readonly accessLog: string;
  /** `set`: servers are told in X-Forwarded-Client-Cert who the client is. */
  readonly forwardClientCert: 'off' | 'set';
  readonly logFilter: string;
  readonly logFormat: LogFormat;
  readonly terminationDeadlineMs: number;
}

const WORKERS_MAX = 64;
/** Less would leave nothing for requests. */
const MEMORY_MIN_BYTES: number = 128 * 1024 * 1024;

/** Every variable, in the order of the reference page. A test compares this list with that page and with `parseConfig`. */
export const SETTINGS: readonly Setting[] = [
  { name: 'AMBIT_NODE_NAME', fallback: '', describe: 'Name of this node. Required unless AMBIT_LOCAL_CONFIG is set.' },
  {
    name: 'AMBIT_POD_NAMESPACE',
    fallback: '',
    describe: 'Namespace of the pod that this is. Required unless AMBIT_LOCAL_CONFIG is set.',
  },
  {
    name: 'AMBIT_POD_NAME',
    fallback: '',
    describe: 'Name of the pod that this is. Required unless AMBIT_LOCAL_CONFIG is set.',
  },
  {
    name: 'AMBIT_SERVICE_ACCOUNT',
    fallback: '',
    describe: 'Service account of that pod. Required unless AMBIT_LOCAL_CONFIG is set.',
  },
  {
    name: 'AMBIT_CONTROLLER_ADDRESS',
    fallback: '',
    describe: 'host:port of the controller. Required unless AMBIT_LOCAL_CONFIG is set.',
  },
  {
    name: 'AMBIT_CONTROLLER_SERVER_NAME',
    fallback: 'controller.ambit.dev',
    describe: "Name the controller's certificate must carry.",
  },
  {
    name: 'AMBIT_TOKEN_FILE',
    fallback: '',
    describe: "File with the token of the pod's service account. Needs AMBIT_CONTROLLER_ROOT_FILE.",
  },
  {
    name: 'AMBIT_CONTROLLER_ROOT_FILE',
    fallback: '',
    describe: "PEM file with the roots of the controller's certificate, for use with AMBIT_TOKEN_FILE.",
  },
  {
    name: 'AMBIT_JOIN_TOKEN_FILE',
    fallback: '',
    describe:
      'File with a join token of this node, in place of AMBIT_TOKEN_FILE; needed until the state directory has a certificate.',
  },
  {
    name: 'AMBIT_STATE_DIR',
    fallback: '/var/lib/ambit/waypoint',
    describe: 'Directory, made with mode 0700, for the node certificate that a join token is exchanged for.',
  },
  { name: 'AMBIT_CLUSTER_ID', fallback: 'Kubernetes', describe: 'Cluster id that the controller is told.' },
  { name: 'AMBIT_CERTIFICATE_TTL', fallback: '24h', describe: 'Validity asked for the certificate of this waypoint.' },
  {
    name: 'AMBIT_LOCAL_CONFIG',
    fallback: '',
    describe: 'JSON file with the mesh, the routes and the certificate of this waypoint, in place of a controller.',
  },
  { name: 'AMBIT_NETWORK', fallback: '', describe: 'Network id of this waypoint.' },
  { name: 'AMBIT_TRUST_DOMAIN', fallback: 'cluster.local', describe: 'Trust domain that clients must be of.' },
  {
    name: 'AMBIT_TRUST_DOMAIN_ALIASES',
    fallback: '',
    describe: 'Comma-separated trust domains, up to 16, whose accounts count as those of AMBIT_TRUST_DOMAIN.',
  },
  {
    name: 'AMBIT_CRL_FILE',
    fallback: '',
    describe: 'File with lists of revoked certificates (CRL), in PEM or one in DER; read anew when it changes.',
  },
  { name: 'AMBIT_WORKERS', fallback: '1', describe: 'Data worker threads.' },
  {
    name: 'AMBIT_MEMORY_LIMIT',
    fallback: '',
    describe:
      'Bytes of memory, short of which new requests are refused; the limit of the container when it is not said.',
  },
  { name: 'AMBIT_HBONE_ADDRESS', fallback: '0.0.0.0:15008', describe: 'Tunnels of clients.' },
  { name: 'AMBIT_ADMIN_ADDRESS', fallback: '127.0.0.1:15000', describe: 'Admin interface. Keep it on loopback.' },
  { name: 'AMBIT_METRICS_ADDRESS', fallback: '0.0.0.0:15020', describe: 'Metrics.' },
  { name: 'AMBIT_READINESS_ADDRESS', fallback: '0.0.0.0:15021', describe: 'Readiness.' },
  { name: 'AMBIT_ACCESS_LOG', fallback: 'stdout', describe: 'stdout, off, or the path of a file that is appended to.' },
  {
    name: 'AMBIT_FORWARD_CLIENT_CERT',
    fallback: 'off',
    describe:
      'set: servers get X-Forwarded-Client-Cert with the identities of waypoint and client; off: they get none.',
  },
  {
    name: 'AMBIT_LOG_LEVEL',
    fallback: 'info',
    describe: 'LEVEL[,scope=LEVEL...] with debug, info, warn, error or off.',
  },
  { name: 'AMBIT_LOG_FORMAT', fallback: 'text', describe: 'text or json; of the log and of the access log.' },
  {
    name: 'AMBIT_TERMINATION_DEADLINE',
    fallback: '5s',
    describe: 'How long live connections may go on after SIGTERM.',
  },
];

/** Text of `--help`. */
export function usage(): string {
  return `waypoint: the layer-7 proxy of a namespace or service\n\nusage: waypoint [--help | --version]\n\nEnvironment:\n${settingLines(SETTINGS).join('\n')}\n`;
}

/** @throws EnvironmentError that names the variable, its value and what was expected. */
export function parseConfig(environment: Environment): WaypointConfig {
  const read = new EnvironmentReader(environment);
  const socketAddress = (name: string): ListenAddress =>
    read.parsed(name, 'IP:port', parseListenAddress, parseListenAddress(fallbackOf(SETTINGS, name)));
  const trustDomain = read.parsed('AMBIT_TRUST_DOMAIN', 'a trust domain', parseTrustDomain, DEFAULT_TRUST_DOMAIN);
  const config: WaypointConfig = {
    upstream: readUpstream(read, trustDomain),
    network: read.text('AMBIT_NETWORK', ''),
    trustDomains: createTrustDomains(
      trustDomain,
      read.parsed('AMBIT_TRUST_DOMAIN_ALIASES', 'up to 16 trust domains, comma-separated', parseTrustDomainAliases, []),
    ),
    revocationFile: read.optional('AMBIT_CRL_FILE') ?? null,
    workers: read.integer('AMBIT_WORKERS', { min: 1, max: WORKERS_MAX }, 1),
    memoryLimitBytes: read.integer('AMBIT_MEMORY_LIMIT', { min: MEMORY_MIN_BYTES, max: 2 ** 48 }, 0),
    hboneAddress: socketAddress('AMBIT_HBONE_ADDRESS'),
    adminAddress: socketAddress('AMBIT_ADMIN_ADDRESS'),
    metricsAddress: socketAddress('AMBIT_METRICS_ADDRESS'),
    readinessAddress: socketAddress('AMBIT_READINESS_ADDRESS'),
    accessLog: read.accessLog('AMBIT_ACCESS_LOG', 'stdout'),
    forwardClientCert: read.oneOf('AMBIT_FORWARD_CLIENT_CERT', ['off', 'set'], 'off'),
    logFilter: read.logFilter('AMBIT_LOG_LEVEL', 'info'),
    logFormat: read.oneOf('AMBIT_LOG_FORMAT', ['text', 'json'], 'text'),
    terminationDeadlineMs: read.durationMs('AMBIT_TERMINATION_DEADLINE', 5000),
  };
  read.refuseUnknown();
  return config;
}

function readUpstream(read: EnvironmentReader, trustDomain: TrustDomain): Upstream {
  const file = read.optional('AMBIT_LOCAL_CONFIG');
  const fallback = {
    serverName: fallbackOf(SETTINGS, 'AMBIT_CONTROLLER_SERVER_NAME'),
    stateDirectory: fallbackOf(SETTINGS, 'AMBIT_STATE_DIR'),
  };
  const needed = (name: string, expected: string): string =>
    file === undefined ? read.required(name, expected) : read.text(name, '');
  const controller = readControllerUpstream(read, fallback, file === undefined);
  const nodeName = needed('AMBIT_NODE_NAME', 'the name of this node');
  const namespace = needed('AMBIT_POD_NAMESPACE', 'a namespace');
  const podName = needed('AMBIT_POD_NAME', 'the name of the pod that this is');
  const serviceAccount = needed('AMBIT_SERVICE_ACCOUNT', 'the service account of the pod');
  const clusterId = read.text('AMBIT_CLUSTER_ID', fallbackOf(SETTINGS, 'AMBIT_CLUSTER_ID'));
  const certificateTtlMs = read.durationMs('AMBIT_CERTIFICATE_TTL', 24 * 3_600_000);
  if (file !== undefined) return { kind: 'local', file };
  const identity = createSpiffeId({ trustDomain, namespace, serviceAccount });
  const pod = { nodeName, clusterId, podNamespace: namespace, podName, identity };
  return { kind: 'controller', ...controller, ...pod, certificateTtlMs };
}
