import { DEFAULT_EXCLUDED_NAMESPACES } from '@ambit/mesh/kinds';
import { type Cidr, type ListenAddress, parseCidr, parseListenAddress } from '@ambit/mesh/model';
import {
  type Environment,
  EnvironmentReader,
  fallbackOf,
  type LogFormat,
  parseDurationMs,
  type Setting,
  settingLines,
} from '@ambit/mesh/runtime';
import { MARK_MASK } from './redirect/ruleset.ts';

/** Everything a CNI agent is told at start; immutable. */
export interface CniConfig {
  /** Directory of manifests; empty on a node of a cluster. */
  readonly manifests: string;
  /** Null where pods come from manifests. */
  readonly kubernetes: KubernetesConfig | null;
  readonly nodeName: string;
  readonly netnsDirectory: string;
  readonly zdsSocket: string;
  readonly stateDirectory: string;
  readonly packetMark: number;
  readonly excludedNamespaces: readonly string[];
  /** Whose EgressPolicies are the mesh's. */
  readonly rootNamespace: string;
  /** Addresses of pods and services: locked egress does not concern them. */
  readonly meshRanges: readonly Cidr[];
  readonly dnsCapture: boolean;
  readonly graceMs: number;
  /** Users besides root and our own that a node agent may run as. */
  readonly agentUserIds: readonly number[];
  /** Take all redirection away when stopping, so that pods go on without the mesh. */
  readonly removeOnExit: boolean;
  readonly metricsAddress: ListenAddress;
  readonly readinessAddress: ListenAddress;
  readonly logFilter: string;
  readonly logFormat: LogFormat;
}

/** What a node of a Kubernetes cluster needs besides. */
export interface KubernetesConfig {
  /** Namespace and DaemonSet that this process runs in. */
  readonly podNamespace: string;
  readonly daemonSet: string;
  readonly pluginSocket: string;
  /** The plugin's program in our image. */
  readonly plugin: string;
  readonly binDirectory: string;
  readonly confDirectory: string;
  /** The host's processes, and below which path its files are. */
  readonly procDirectory: string;
  readonly hostRoot: string;
  readonly awayAdmits: 'unenrolled' | 'excluded';
  /** How long a pod that starts may take to be enrolled before the runtime is told to try again. */
  readonly enrolmentMs: number;
}

/** Every variable, in the order of `--help`. */
export const SETTINGS: readonly Setting[] = [
  {
    name: 'AMBIT_MANIFESTS',
    flag: 'manifests',
    fallback: '',
    describe: 'Directory of Kubernetes manifests. Required without AMBIT_KUBERNETES.',
  },
  {
    name: 'AMBIT_KUBERNETES',
    fallback: 'false',
    describe: 'Work as a DaemonSet on a node of a Kubernetes cluster: watch the API server, install the CNI plugin.',
  },
  { name: 'AMBIT_NODE_NAME', flag: 'node-name', fallback: '', describe: 'Name of this node. Required.' },
  {
    name: 'AMBIT_NETNS_DIR',
    flag: 'netns-dir',
    fallback: '/run/netns',
    describe: 'Directory with a network namespace <namespace>-<name> for each pod of the manifests.',
  },
  {
    name: 'AMBIT_ZDS_SOCKET',
    flag: 'zds-socket',
    fallback: '/var/run/ambit/zds.sock',
    describe: 'Socket on which node agents are told of pods.',
  },
  {
    name: 'AMBIT_STATE_DIR',
    flag: 'state-dir',
    fallback: '/var/lib/ambit/cni',
    describe: 'Directory, made with mode 0700, for the list of enrolled pods.',
  },
  {
    name: 'AMBIT_CONNECTION_GRACE',
    fallback: '0s',
    describe: 'How long connections that were open before their pod was enrolled may go on, past the mesh.',
  },
  {
    name: 'AMBIT_PLUGIN_SOCKET',
    fallback: '/var/run/ambit/cni.sock',
    describe: 'Socket on which the CNI plugin asks.',
  },
  { name: 'AMBIT_CNI_PLUGIN', fallback: '/opt/ambit/ambit-cni', describe: 'The program of the CNI plugin to install.' },
  {
    name: 'AMBIT_CNI_BIN_DIR',
    fallback: '/host/opt/cni/bin',
    describe: "The host's directory of CNI plugins, as seen from here.",
  },
  {
    name: 'AMBIT_CNI_CONF_DIR',
    fallback: '/host/etc/cni/net.d',
    describe: "The host's directory of CNI configurations, as seen from here.",
  },
  { name: 'AMBIT_HOST_PROC', fallback: '/proc', describe: "The host's processes, as seen from here." },
  {
    name: 'AMBIT_HOST_ROOT',
    fallback: '/proc/1/root',
    describe: "The host's files, as seen from here, or / where they are our own.",
  },
  { name: 'AMBIT_POD_NAMESPACE', fallback: 'ambit-system', describe: 'Namespace that this process runs in.' },
  {
    name: 'AMBIT_DAEMON_SET',
    fallback: 'ambit-cni',
    describe: 'DaemonSet that this process belongs to; once it is gone, everything is taken away.',
  },
  {
    name: 'AMBIT_ENROLMENT_TIMEOUT',
    fallback: '30s',
    describe: 'How long a pod that starts may take to be enrolled before the container runtime is told to try again.',
  },
  {
    name: 'AMBIT_AWAY_ADMITS',
    fallback: 'unenrolled',
    describe:
      'Pods that may start while the CNI agent is away: those of namespaces that are not enrolled (unenrolled), or only those of AMBIT_EXCLUDED_NAMESPACES (excluded).',
  },
  {
    name: 'AMBIT_PACKET_MARK',
    fallback: '1337',
    describe: "Mark of the node agent's own sockets, which redirection leaves alone.",
  },
  {
    name: 'AMBIT_EXCLUDED_NAMESPACES',
    fallback: DEFAULT_EXCLUDED_NAMESPACES.join(','),
    describe: 'Comma-separated namespaces whose pods are never enrolled.',
  },
  {
    name: 'AMBIT_ROOT_NAMESPACE',
    fallback: 'ambit-system',
    describe: "Namespace whose EgressPolicies are for the whole mesh; the controller's AMBIT_ROOT_NAMESPACE.",
  },
  {
    name: 'AMBIT_MESH_CIDRS',
    fallback: '',
    describe:
      'Comma-separated address blocks of pods and services. Where egress is locked, UDP and the like may go there only.',
  },
  {
    name: 'AMBIT_DNS_CAPTURE',
    fallback: 'true',
    describe: 'Capture DNS too, of pods in which a node agent serves it.',
  },
  {
    name: 'AMBIT_NODE_AGENT_USERS',
    fallback: '',
    describe: 'Comma-separated user ids a node agent may run as, besides 0 and our own.',
  },
  {
    name: 'AMBIT_REMOVE_ON_EXIT',
    fallback: 'false',
    describe: 'Take all redirection away when stopping. Otherwise captured traffic is refused while nobody serves it.',
  },
  { name: 'AMBIT_METRICS_ADDRESS', fallback: '0.0.0.0:15014', describe: 'Metrics.' },
  { name: 'AMBIT_READINESS_ADDRESS', fallback: '0.0.0.0:8000', describe: 'Readiness, and the state of every pod.' },
  {
    name: 'AMBIT_LOG_LEVEL',
    fallback: 'info',
    describe: 'LEVEL[,scope=LEVEL...] with debug, info, warn, error or off.',
  },
  { name: 'AMBIT_LOG_FORMAT', fallback: 'text', describe: 'text or json.' },
];

/** Text of `--help`. */
export function usage(): string {
  return [
    'Usage: cni [options]',
    '',
    'Redirects the TCP traffic of enrolled pods of this node into the node agent, and tells the node agent about them.',
    '',
    'Options:',
    '  --uninstall  Take away all redirection this node has and exit. Stop the CNI agent first.',
    '  --help, --version',
    '',
    'Configuration by environment variables; others that start with AMBIT_ are refused:',
    ...settingLines(SETTINGS),
  ].join('\n');
}

/** @throws EnvironmentError that names the variable, its value and what was expected. */
export function parseConfig(environment: Environment): CniConfig {
  const read = new EnvironmentReader(environment);
  const text = (name: string): string => read.text(name, fallbackOf(SETTINGS, name));
  const address = (name: string): ListenAddress =>
    read.parsed(name, 'IP:port', parseListenAddress, parseListenAddress(fallbackOf(SETTINGS, name)));
  const isCluster = read.boolean('AMBIT_KUBERNETES', false);
  const kubernetes = parseKubernetes(read, text);
  const excluded = read.list('AMBIT_EXCLUDED_NAMESPACES', 'names', (name) => name, DEFAULT_EXCLUDED_NAMESPACES);
  const config: CniConfig = {
    manifests: isCluster
      ? (read.optional('AMBIT_MANIFESTS') ?? '')
      : read.required('AMBIT_MANIFESTS', 'a directory of manifests (also --manifests), or AMBIT_KUBERNETES'),
    kubernetes: isCluster ? kubernetes : null,
    nodeName: read.required('AMBIT_NODE_NAME', 'the name of this node (also --node-name)'),
    netnsDirectory: text('AMBIT_NETNS_DIR'),
    zdsSocket: text('AMBIT_ZDS_SOCKET'),
    stateDirectory: text('AMBIT_STATE_DIR'),
    packetMark: read.integer(
      'AMBIT_PACKET_MARK',
      { min: 1, max: MARK_MASK },
      Number(fallbackOf(SETTINGS, 'AMBIT_PACKET_MARK')),
    ),
    // Ambit's own pods never wait for it.
    excludedNamespaces: isCluster ? [...new Set([...excluded, kubernetes.podNamespace])] : excluded,
    rootNamespace: text('AMBIT_ROOT_NAMESPACE'),
    meshRanges: read.list('AMBIT_MESH_CIDRS', 'address blocks such as 10.0.0.0/8,fd00::/8', parseCidr, []),
    dnsCapture: read.boolean('AMBIT_DNS_CAPTURE', true),
    graceMs: read.durationMs('AMBIT_CONNECTION_GRACE', 0),
    agentUserIds: read.list('AMBIT_NODE_AGENT_USERS', 'user ids', parseUserId, []),
    removeOnExit: read.boolean('AMBIT_REMOVE_ON_EXIT', false),
    metricsAddress: address('AMBIT_METRICS_ADDRESS'),
    readinessAddress: address('AMBIT_READINESS_ADDRESS'),
    logFilter: read.logFilter('AMBIT_LOG_LEVEL', fallbackOf(SETTINGS, 'AMBIT_LOG_LEVEL')),
    logFormat: read.oneOf('AMBIT_LOG_FORMAT', ['text', 'json'], 'text'),
  };
  read.refuseUnknown();
  return config;
}

function parseKubernetes(read: EnvironmentReader, text: (name: string) => string): KubernetesConfig {
  const hostRoot = text('AMBIT_HOST_ROOT');
  return {
    podNamespace: text('AMBIT_POD_NAMESPACE'),
    daemonSet: text('AMBIT_DAEMON_SET'),
    pluginSocket: text('AMBIT_PLUGIN_SOCKET'),
    plugin: text('AMBIT_CNI_PLUGIN'),
    binDirectory: text('AMBIT_CNI_BIN_DIR'),
    confDirectory: text('AMBIT_CNI_CONF_DIR'),
    procDirectory: text('AMBIT_HOST_PROC'),
    hostRoot: hostRoot === '/' ? '' : hostRoot,
    enrolmentMs: read.parsed('AMBIT_ENROLMENT_TIMEOUT', 'a duration from 100ms to 100s', parseEnrolmentMs, 30_000),
    awayAdmits: read.oneOf('AMBIT_AWAY_ADMITS', ['unenrolled', 'excluded'], 'unenrolled'),
  };
}

/** The plugin waits a little longer, and two minutes at most. */
function parseEnrolmentMs(text: string): number {
  const durationMs = parseDurationMs(text);
  if (durationMs < 100 || durationMs > 100_000) throw new RangeError('out of range');
  return durationMs;
}

function parseUserId(text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new RangeError('not a user id');
  return Number(text);
}
