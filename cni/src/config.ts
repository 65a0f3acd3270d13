import { DEFAULT_EXCLUDED_NAMESPACES } from '@ambit/mesh/kinds';
import { parseSocketAddress, type SocketAddress } from '@ambit/mesh/model';
import { type Environment, EnvironmentReader, isLevelFilter, type LogFormat } from '@ambit/mesh/runtime';
import { MARK_MASK } from './redirect/ruleset.ts';

/** Everything a CNI agent in its standalone form is told at start; immutable. */
export interface CniConfig {
  readonly manifests: string;
  readonly nodeName: string;
  readonly netnsDirectory: string;
  readonly zdsSocket: string;
  readonly stateDirectory: string;
  readonly packetMark: number;
  readonly excludedNamespaces: readonly string[];
  readonly dnsCapture: boolean;
  /** Users besides root and our own that a node agent may run as. */
  readonly agentUserIds: readonly number[];
  /** Take all redirection away when stopping, so that pods go on without the mesh. */
  readonly removeOnExit: boolean;
  readonly metricsAddress: SocketAddress;
  readonly readinessAddress: SocketAddress;
  readonly logFilter: string;
  readonly logFormat: LogFormat;
}

/** One environment variable, as `--help` and the reference page show it. */
export interface Setting {
  readonly name: string;
  readonly fallback: string;
  readonly describe: string;
  /** Command line option that says the same and wins. */
  readonly flag?: string;
}

/** Every variable, in the order of `--help`. */
export const SETTINGS: readonly Setting[] = [
  {
    name: 'AMBIT_MANIFESTS',
    flag: 'manifests',
    fallback: '',
    describe: 'Directory of Kubernetes manifests. Required.',
  },
  { name: 'AMBIT_NODE_NAME', flag: 'node-name', fallback: '', describe: 'Name of this node. Required.' },
  {
    name: 'AMBIT_NETNS_DIR',
    flag: 'netns-dir',
    fallback: '/run/netns',
    describe: 'Directory with a network namespace <namespace>-<name> for each pod.',
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
    name: 'AMBIT_PACKET_MARK',
    fallback: '1337',
    describe: "Mark of the node agent's own sockets, which redirection leaves alone.",
  },
  {
    name: 'AMBIT_EXCLUDED_NAMESPACES',
    fallback: DEFAULT_EXCLUDED_NAMESPACES.join(','),
    describe: 'Comma-separated namespaces whose pods are never enrolled.',
  },
  { name: 'AMBIT_DNS_CAPTURE', fallback: 'false', describe: 'Capture DNS too; needs a node agent that serves it.' },
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
  const width = Math.max(...SETTINGS.map(({ name }) => name.length)) + 2;
  const lines = SETTINGS.map(({ name, fallback, describe, flag }) => {
    const also = flag === undefined ? '' : ` Also --${flag}.`;
    return `  ${name.padEnd(width)}${describe}${fallback === '' ? '' : ` Default ${fallback}.`}${also}`;
  });
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
    ...lines,
  ].join('\n');
}

/** @throws EnvironmentError that names the variable, its value and what was expected. */
export function parseConfig(environment: Environment): CniConfig {
  const read = new EnvironmentReader(environment);
  const text = (name: string): string => read.text(name, fallbackOf(name));
  const address = (name: string): SocketAddress =>
    read.parsed(name, 'IP:port', parseListenAddress, parseListenAddress(fallbackOf(name)));
  const config: CniConfig = {
    manifests: read.text('AMBIT_MANIFESTS'),
    nodeName: read.text('AMBIT_NODE_NAME'),
    netnsDirectory: text('AMBIT_NETNS_DIR'),
    zdsSocket: text('AMBIT_ZDS_SOCKET'),
    stateDirectory: text('AMBIT_STATE_DIR'),
    packetMark: read.integer('AMBIT_PACKET_MARK', { min: 1, max: MARK_MASK }, Number(fallbackOf('AMBIT_PACKET_MARK'))),
    excludedNamespaces: read.list('AMBIT_EXCLUDED_NAMESPACES', 'names', (name) => name, DEFAULT_EXCLUDED_NAMESPACES),
    dnsCapture: read.boolean('AMBIT_DNS_CAPTURE', false),
    agentUserIds: read.list('AMBIT_NODE_AGENT_USERS', 'user ids', parseUserId, []),
    removeOnExit: read.boolean('AMBIT_REMOVE_ON_EXIT', false),
    metricsAddress: address('AMBIT_METRICS_ADDRESS'),
    readinessAddress: address('AMBIT_READINESS_ADDRESS'),
    logFilter: read.parsed('AMBIT_LOG_LEVEL', 'LEVEL[,scope=LEVEL...]', parseFilter, fallbackOf('AMBIT_LOG_LEVEL')),
    logFormat: read.oneOf('AMBIT_LOG_FORMAT', ['text', 'json'], 'text'),
  };
  read.refuseUnknown();
  return config;
}

function fallbackOf(name: string): string {
  return SETTINGS.find((setting) => setting.name === name)?.fallback ?? '';
}

/** Port 0 picks a free one. */
function parseListenAddress(text: string): SocketAddress {
  if (!text.endsWith(':0')) return parseSocketAddress(text);
  const { ip } = parseSocketAddress(`${text.slice(0, -1)}1`);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- 0 is no port to connect to, but one to listen on
  return { ip, port: 0 as SocketAddress['port'] };
}

function parseUserId(text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new RangeError('not a user id');
  return Number(text);
}

function parseFilter(text: string): string {
  if (!isLevelFilter(text)) throw new RangeError('not a log filter');
  return text;
}
