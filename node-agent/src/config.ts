import { type ControllerUpstream, readControllerUpstream } from '@ambit/mesh/upstream';
import {
  type Cidr,
  createTrustDomains,
  DEFAULT_TRUST_DOMAIN,
  type ListenAddress,
  parseCidr,
  parseListenAddress,
  parseTrustDomain,
  parseTrustDomainAliases,
  type TrustDomains,
} from '@ambit/mesh/model';
import type { DnsSettings } from './dns/dns-proxy.ts';
import {
  type Environment,
  EnvironmentReader,
  fallbackOf,
  type LogFormat,
  type Setting,
  settingLines,
} from '@ambit/mesh/runtime';
import type { AgentSlot } from '@ambit/mesh/wire';
import { withZtunnelSettings } from './ztunnel-settings.ts';

/** Where configuration and certificates come from. */
export type Upstream =
  | (ControllerUpstream & { readonly kind: 'controller'; readonly zdsSocket: string })
  | { readonly kind: 'local'; readonly file: string };

/** Everything a node agent is told at start; immutable. */
export interface NodeAgentConfig {
  readonly nodeName: string;
  readonly upstream: Upstream;
  readonly meshRanges: readonly Cidr[];
  /** Those of nodes count as well, as they come and go. */
  readonly followNodeRanges: boolean;
  /** Addresses are asked for as they are needed, not all of them. */
  readonly xdsOnDemand: boolean;
  readonly network: string;
  readonly clusterId: string;
  readonly trustDomains: TrustDomains;
  /** File with lists of revoked certificates; null: nothing is ever revoked. */
  readonly revocationFile: string | null;
  readonly packetMark: number;
  readonly localhostApplicationTunnel: boolean;
  readonly workers: number;
  /** Connections between two pods of this node are encrypted like all others. */
  readonly sameNodeEncryption: boolean;
  readonly adminAddress: ListenAddress;
  readonly metricsAddress: ListenAddress;
  readonly readinessAddress: ListenAddress;
  /** `stdout`, `off`, or the path of a file. */
  readonly accessLog: string;
  readonly logFilter: string;
  readonly logFormat: LogFormat;
  /** Requests that applications exchange in plaintext are counted. */
  readonly httpMetrics: boolean;
  readonly certificateTtlMs: number;
  /** Where another agent accepts. */
  readonly terminationDeadlineMs: number;
  /** Where traces are exported to, and how many of the connections that begin one are recorded; `null`: none. */
  readonly traces: { readonly endpoint: string; readonly samplingPercent: number } | null;
  /** Per listener, pod and worker. */
  readonly podConnectionsMax: number;
  /** That begin in a second, per pod and worker. */
  readonly podConnectionRate: number;
  /** That may wait in the connections of one pod, per worker. */
  readonly podBufferMaxMib: number;
  /** A second, per pod and worker; 0: no limit. */
  readonly podSendRateKib: number;
  /** Where heap snapshots may go; empty: nowhere. */
  readonly heapSnapshotDirectory: string;
  /** Where none does. */
  readonly aloneTerminationDeadlineMs: number;
  /** Which of the agents of this node, that serve the same pods, this one is. */
  readonly slot: AgentSlot;
  /** Null: no listening sockets are handed over. */
  readonly handoverDirectory: string | null;
  /** Of the names of the cluster's services. */
  readonly clusterDomain: string;
  /** Null: DNS of pods is not served. */
  readonly dns: DnsSettings | null;
}

const WORKERS_MAX = 64;

/** Every variable, in the order of the reference page. A test compares this list with that page and with `parseConfig`. */
export const SETTINGS: readonly Setting[] = [
  { name: 'AMBIT_NODE_NAME', fallback: '', describe: 'Name of this node. Required unless AMBIT_LOCAL_CONFIG is set.' },
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
    name: 'AMBIT_JOIN_TOKEN_FILE',
    fallback: '',
    describe: 'File with the join token; needed until the node certificate exists in the state directory.',
  },
  {
    name: 'AMBIT_TOKEN_FILE',
    fallback: '',
    describe:
      'File with a bearer token that authenticates every call, in place of joining. Needs AMBIT_CONTROLLER_ROOT_FILE.',
  },
  {
    name: 'AMBIT_CONTROLLER_ROOT_FILE',
    fallback: '',
    describe: "PEM file with the roots of the controller's certificate, for use with AMBIT_TOKEN_FILE.",
  },
  {
    name: 'AMBIT_STATE_DIR',
    fallback: '/var/lib/ambit/node-agent',
    describe: 'Directory, made with mode 0700, for the node certificate and its key.',
  },
  {
    name: 'AMBIT_ZDS_SOCKET',
    fallback: '/var/run/ambit/zds.sock',
    describe: 'Socket where the CNI agent announces pods.',
  },
  {
    name: 'AMBIT_LOCAL_CONFIG',
    fallback: '',
    describe: 'JSON file with the mesh, certificates and pods, in place of a controller and a CNI agent.',
  },
  {
    name: 'AMBIT_MESH_CIDRS',
    fallback: '',
    describe:
      'Comma-separated pod and service ranges. Unknown addresses inside are waited for, then refused; others pass through.',
  },
  {
    name: 'AMBIT_FOLLOW_NODE_RANGES',
    fallback: 'false',
    describe: 'The ranges that nodes give to their pods count as well, as the controller tells of them.',
  },
  {
    name: 'AMBIT_XDS_ON_DEMAND',
    fallback: 'false',
    describe: 'Ask the controller for workloads and services as they are needed, not for all of them.',
  },
  { name: 'AMBIT_NETWORK', fallback: '', describe: 'Network id of this node.' },
  { name: 'AMBIT_CLUSTER_ID', fallback: 'Kubernetes', describe: 'Cluster id, the first part of the uid of every pod.' },
  {
    name: 'AMBIT_TRUST_DOMAIN',
    fallback: 'cluster.local',
    describe: 'Trust domain of the identities of the pods here.',
  },
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
  {
    name: 'AMBIT_PACKET_MARK',
    fallback: '1337',
    describe: "Mark of the agent's own sockets, which redirection leaves alone.",
  },
  {
    name: 'AMBIT_LOCALHOST_APP_TUNNEL',
    fallback: 'true',
    describe:
      'Applications that take PROXY headers are dialled on loopback, where nobody but this agent reaches them from outside.',
  },
  { name: 'AMBIT_WORKERS', fallback: '1', describe: 'Data worker threads.' },
  {
    name: 'AMBIT_SAME_NODE_ENCRYPTION',
    fallback: 'false',
    describe: 'Connections between two pods of this node are encrypted too, instead of going from socket to socket.',
  },
  { name: 'AMBIT_ADMIN_ADDRESS', fallback: '127.0.0.1:15000', describe: 'Admin interface. Keep it on loopback.' },
  { name: 'AMBIT_METRICS_ADDRESS', fallback: '0.0.0.0:15020', describe: 'Metrics.' },
  { name: 'AMBIT_READINESS_ADDRESS', fallback: '0.0.0.0:15021', describe: 'Readiness.' },
  { name: 'AMBIT_ACCESS_LOG', fallback: 'stdout', describe: 'stdout, off, or the path of a file that is appended to.' },
  {
    name: 'AMBIT_LOG_LEVEL',
    fallback: 'info',
    describe: 'LEVEL[,scope=LEVEL...] with debug, info, warn, error or off.',
  },
  { name: 'AMBIT_LOG_FORMAT', fallback: 'text', describe: 'text or json; of the log and of the access log.' },
  {
    name: 'AMBIT_HTTP_METRICS',
    fallback: 'false',
    describe: 'Requests of HTTP/1.1 and HTTP/2 that pods exchange in plaintext are counted as they pass.',
  },
  { name: 'AMBIT_CERTIFICATE_TTL', fallback: '24h', describe: 'Validity asked for workload certificates.' },
  {
    name: 'AMBIT_TERMINATION_DEADLINE',
    fallback: '5s',
    describe: 'How long live connections may go on after SIGTERM.',
  },
  {
    name: 'AMBIT_ALONE_TERMINATION_DEADLINE',
    fallback: '5s',
    describe: 'The same where no other agent listens in the pods, so that none may be started before.',
  },
  {
    name: 'AMBIT_SLOT',
    fallback: 'a',
    describe:
      'a or b: which of two agents that serve the pods of this node at the same time. Needs the CNI agent of Ambit.',
  },
  {
    name: 'AMBIT_HANDOVER_DIR',
    fallback: '',
    describe:
      'Directory, made with mode 0700, where an agent finds the one before it and takes over its listening sockets.',
  },
  {
    name: 'AMBIT_POD_CONNECTIONS_MAX',
    fallback: '65536',
    describe: 'Connections that one pod may have open, in each direction and data worker; further ones are closed.',
  },
  {
    name: 'AMBIT_POD_CONNECTION_RATE',
    fallback: '10000',
    describe: 'Connections of one pod that may begin in a second, in each data worker; further ones wait.',
  },
  {
    name: 'AMBIT_POD_BUFFER_MAX',
    fallback: '256',
    describe:
      'MiB that may wait in the connections of one pod, in each data worker, since one side is slow; above, those that hold most are cut.',
  },
  {
    name: 'AMBIT_POD_SEND_RATE',
    fallback: '0',
    describe:
      'KiB that one pod may send in a second, in each data worker; above, its sockets are not read. 0 is no limit.',
  },
  {
    name: 'AMBIT_TRACE_ENDPOINT',
    fallback: '',
    describe:
      'Address that takes traces in OTLP over HTTP, such as http://collector:4318/v1/traces; without one there are none.',
  },
  {
    name: 'AMBIT_TRACE_SAMPLING',
    fallback: '1',
    describe: 'Connections that are recorded in traces, in percent.',
  },
  {
    name: 'AMBIT_HEAP_SNAPSHOT_DIR',
    fallback: '',
    describe: 'Directory for heap snapshots, which hold private keys; without one none are written.',
  },
  { name: 'AMBIT_DNS_PROXY', fallback: 'true', describe: 'Serve DNS in captured pods.' },
  { name: 'AMBIT_CLUSTER_DOMAIN', fallback: 'cluster.local', describe: "Domain of the cluster's DNS names." },
  {
    name: 'AMBIT_DNS_PREFERRED_NAMESPACE',
    fallback: '',
    describe: "Whose service is meant where several have one name, after the client's own namespace.",
  },
  {
    name: 'AMBIT_DNS_RESOLV_CONF',
    fallback: '/etc/resolv.conf',
    describe: 'File with the name servers that are asked for what the mesh does not know. Read again when it changes.',
  },
];

/** Text of `--help`. */
export function usage(): string {
  return `node-agent: the layer-4 proxy of one node\n\nusage: node-agent [--help | --version]\n\nEnvironment:\n${settingLines(SETTINGS).join('\n')}\n`;
}

/** @throws EnvironmentError that names the variable, its value and what was expected. */
export function parseConfig(environment: Environment): NodeAgentConfig {
  const read = new EnvironmentReader(withZtunnelSettings(environment));
  const socketAddress = (name: string): ListenAddress =>
    read.parsed(name, 'IP:port', parseListenAddress, parseListenAddress(fallbackOf(SETTINGS, name)));
  const clusterDomain = read.parsed('AMBIT_CLUSTER_DOMAIN', 'a domain', parseDomain, 'cluster.local');
  const config: NodeAgentConfig = {
    upstream: readUpstream(read),
    nodeName:
      read.optional('AMBIT_LOCAL_CONFIG') === undefined
        ? read.required('AMBIT_NODE_NAME', 'the name of this node')
        : read.text('AMBIT_NODE_NAME', 'local'),
    meshRanges: read.list('AMBIT_MESH_CIDRS', 'address blocks such as 10.0.0.0/8,fd00::/8', parseCidr, []),
    followNodeRanges: read.boolean('AMBIT_FOLLOW_NODE_RANGES', false),
    xdsOnDemand: read.boolean('AMBIT_XDS_ON_DEMAND', false),
    network: read.text('AMBIT_NETWORK', ''),
    clusterId: read.text('AMBIT_CLUSTER_ID', fallbackOf(SETTINGS, 'AMBIT_CLUSTER_ID')),
    trustDomains: createTrustDomains(
      read.parsed('AMBIT_TRUST_DOMAIN', 'a trust domain', parseTrustDomain, DEFAULT_TRUST_DOMAIN),
      read.parsed('AMBIT_TRUST_DOMAIN_ALIASES', 'up to 16 trust domains, comma-separated', parseTrustDomainAliases, []),
    ),
    revocationFile: read.optional('AMBIT_CRL_FILE') ?? null,
    packetMark: read.integer(
      'AMBIT_PACKET_MARK',
      { min: 1, max: 0xfff },
      Number(fallbackOf(SETTINGS, 'AMBIT_PACKET_MARK')),
    ),
    localhostApplicationTunnel: read.boolean('AMBIT_LOCALHOST_APP_TUNNEL', true),
    workers: read.integer('AMBIT_WORKERS', { min: 1, max: WORKERS_MAX }, 1),
    sameNodeEncryption: read.boolean('AMBIT_SAME_NODE_ENCRYPTION', false),
    adminAddress: socketAddress('AMBIT_ADMIN_ADDRESS'),
    metricsAddress: socketAddress('AMBIT_METRICS_ADDRESS'),
    readinessAddress: socketAddress('AMBIT_READINESS_ADDRESS'),
    accessLog: read.accessLog('AMBIT_ACCESS_LOG', 'stdout'),
    logFilter: read.logFilter('AMBIT_LOG_LEVEL', 'info'),
    logFormat: read.oneOf('AMBIT_LOG_FORMAT', ['text', 'json'], 'text'),
    httpMetrics: read.boolean('AMBIT_HTTP_METRICS', false),
    certificateTtlMs: read.durationMs('AMBIT_CERTIFICATE_TTL', 24 * 3_600_000),
    terminationDeadlineMs: read.durationMs('AMBIT_TERMINATION_DEADLINE', 5000),
    podConnectionsMax: read.integer(
      'AMBIT_POD_CONNECTIONS_MAX',
      { min: 1, max: 1_000_000 },
      Number(fallbackOf(SETTINGS, 'AMBIT_POD_CONNECTIONS_MAX')),
    ),
    podConnectionRate: read.integer(
      'AMBIT_POD_CONNECTION_RATE',
      { min: 1, max: 1_000_000 },
      Number(fallbackOf(SETTINGS, 'AMBIT_POD_CONNECTION_RATE')),
    ),
    podBufferMaxMib: read.integer(
      'AMBIT_POD_BUFFER_MAX',
      { min: 1, max: 65_536 },
      Number(fallbackOf(SETTINGS, 'AMBIT_POD_BUFFER_MAX')),
    ),
    podSendRateKib: read.integer('AMBIT_POD_SEND_RATE', { min: 0, max: 999_999 }, 0),
    traces: readTraces(read),
    heapSnapshotDirectory: read.text('AMBIT_HEAP_SNAPSHOT_DIR', ''),
    aloneTerminationDeadlineMs: read.durationMs('AMBIT_ALONE_TERMINATION_DEADLINE', 5000),
    slot: read.oneOf('AMBIT_SLOT', ['a', 'b'], 'a'),
    handoverDirectory: read.optional('AMBIT_HANDOVER_DIR') ?? null,
    clusterDomain,
    dns: readDns(read, clusterDomain),
  };
  read.refuseUnknown();
  return config;
}

const DOMAIN = /^(?=.{1,100}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;

function parseDomain(text: string): string {
  if (!DOMAIN.test(text)) throw new RangeError('not a domain');
  return text;
}

function readDns(read: EnvironmentReader, clusterDomain: string): DnsSettings | null {
  const settings = {
    naming: {
      clusterDomain,
      preferredNamespace: read.text('AMBIT_DNS_PREFERRED_NAMESPACE', ''),
    },
    resolvConf: read.text('AMBIT_DNS_RESOLV_CONF', fallbackOf(SETTINGS, 'AMBIT_DNS_RESOLV_CONF')),
  };
  return read.boolean('AMBIT_DNS_PROXY', true) ? settings : null;
}

function readTraces(read: EnvironmentReader): NodeAgentConfig['traces'] {
  const endpoint = read.parsed('AMBIT_TRACE_ENDPOINT', 'an http or https address without a password', parseHttpUrl, '');
  const samplingPercent = read.parsed('AMBIT_TRACE_SAMPLING', 'a number from 0 to 100', parsePercent, 1);
  return endpoint === '' ? null : { endpoint, samplingPercent };
}

function parseHttpUrl(text: string): string {
  const { protocol, username, password } = new URL(text);
  if (protocol !== 'http:' && protocol !== 'https:') throw new RangeError('not http');
  // It is shown by the admin interface; OTEL_EXPORTER_OTLP_HEADERS is where they go.
  if (username !== '' || password !== '') throw new RangeError('with a user or password');
  return text;
}

function parsePercent(text: string): number {
  const percent = /^\d{1,3}(?:\.\d{1,6})?$/.test(text) ? Number(text) : Number.NaN;
  if (!(percent <= 100)) throw new RangeError('not a percentage');
  return percent;
}

function readUpstream(read: EnvironmentReader): Upstream {
  const file = read.optional('AMBIT_LOCAL_CONFIG');
  const fallback = {
    serverName: fallbackOf(SETTINGS, 'AMBIT_CONTROLLER_SERVER_NAME'),
    stateDirectory: fallbackOf(SETTINGS, 'AMBIT_STATE_DIR'),
  };
  const zdsSocket = read.text('AMBIT_ZDS_SOCKET', fallbackOf(SETTINGS, 'AMBIT_ZDS_SOCKET'));
  const controller = readControllerUpstream(read, fallback, file === undefined);
  return file === undefined ? { kind: 'controller', zdsSocket, ...controller } : { kind: 'local', file };
}
