import {
  DEFAULT_TRUST_DOMAIN,
  type IpAddress,
  parseSocketAddress,
  parseTrustDomain,
  type TrustDomain,
} from '@ambit/mesh/model';
import { type Environment, EnvironmentReader, isLevelFilter, type LogFormat } from '@ambit/mesh/runtime';

/** Where to listen. Port 0 picks a free one. */
export interface ListenAddress {
  readonly ip: IpAddress;
  readonly port: number;
}

/** Everything a waypoint is told at start; immutable. */
export interface WaypointConfig {
  /** File with the mesh, the routes and the certificate. */
  readonly localConfig: string;
  readonly network: string;
  readonly trustDomain: TrustDomain;
  readonly workers: number;
  readonly hboneAddress: ListenAddress;
  readonly adminAddress: ListenAddress;
  readonly metricsAddress: ListenAddress;
  readonly readinessAddress: ListenAddress;
  /** `stdout`, `off`, or the path of a file. */
  readonly accessLog: string;
  readonly logFilter: string;
  readonly logFormat: LogFormat;
  readonly terminationDeadlineMs: number;
}

/** One environment variable, as `--help` and the reference page show it. */
export interface Setting {
  readonly name: string;
  readonly fallback: string;
  readonly describe: string;
}

const WORKERS_MAX = 64;

/** Every variable, in the order of the reference page. A test compares this list with that page and with `parseConfig`. */
export const SETTINGS: readonly Setting[] = [
  {
    name: 'AMBIT_LOCAL_CONFIG',
    fallback: '',
    describe: 'JSON file with the mesh, the routes and the certificate of this waypoint. Required.',
  },
  { name: 'AMBIT_NETWORK', fallback: '', describe: 'Network id of this waypoint.' },
  { name: 'AMBIT_TRUST_DOMAIN', fallback: 'cluster.local', describe: 'Trust domain that clients must be of.' },
  { name: 'AMBIT_WORKERS', fallback: '1', describe: 'Data worker threads.' },
  { name: 'AMBIT_HBONE_ADDRESS', fallback: '0.0.0.0:15008', describe: 'Tunnels of clients.' },
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
    name: 'AMBIT_TERMINATION_DEADLINE',
    fallback: '5s',
    describe: 'How long live connections may go on after SIGTERM.',
  },
];

/** Text of `--help`. */
export function usage(): string {
  const width = Math.max(...SETTINGS.map(({ name }) => name.length)) + 2;
  const lines = SETTINGS.map(({ name, fallback, describe }) => {
    return `  ${name.padEnd(width)}${describe}${fallback === '' ? '' : ` Default ${fallback}.`}`;
  });
  return `waypoint: the layer-7 proxy of a namespace or service\n\nusage: waypoint [--help | --version]\n\nEnvironment:\n${lines.join('\n')}\n`;
}

/** @throws EnvironmentError that names the variable, its value and what was expected. */
export function parseConfig(environment: Environment): WaypointConfig {
  const read = new EnvironmentReader(environment);
  const socketAddress = (name: string): ListenAddress =>
    read.parsed(name, 'IP:port', parseListenAddress, parseListenAddress(fallbackOf(name)));
  const config: WaypointConfig = {
    localConfig: read.parsed('AMBIT_LOCAL_CONFIG', 'the path of a JSON file', (path) => path),
    network: read.text('AMBIT_NETWORK', ''),
    trustDomain: read.parsed('AMBIT_TRUST_DOMAIN', 'a trust domain', parseTrustDomain, DEFAULT_TRUST_DOMAIN),
    workers: read.integer('AMBIT_WORKERS', { min: 1, max: WORKERS_MAX }, 1),
    hboneAddress: socketAddress('AMBIT_HBONE_ADDRESS'),
    adminAddress: socketAddress('AMBIT_ADMIN_ADDRESS'),
    metricsAddress: socketAddress('AMBIT_METRICS_ADDRESS'),
    readinessAddress: socketAddress('AMBIT_READINESS_ADDRESS'),
    accessLog: read.parsed('AMBIT_ACCESS_LOG', 'stdout, off, or an absolute path', parseAccessLog, 'stdout'),
    logFilter: read.parsed('AMBIT_LOG_LEVEL', 'LEVEL[,scope=LEVEL...]', parseFilter, 'info'),
    logFormat: read.oneOf('AMBIT_LOG_FORMAT', ['text', 'json'], 'text'),
    terminationDeadlineMs: read.durationMs('AMBIT_TERMINATION_DEADLINE', 5000),
  };
  read.refuseUnknown();
  return config;
}

function fallbackOf(name: string): string {
  return SETTINGS.find((setting) => setting.name === name)?.fallback ?? '';
}

/** 0 is no port to connect to, but one to listen on. */
export function parseListenAddress(text: string): ListenAddress {
  if (!text.endsWith(':0')) return parseSocketAddress(text);
  return { ip: parseSocketAddress(`${text.slice(0, -1)}1`).ip, port: 0 };
}

function parseAccessLog(text: string): string {
  if (text !== 'stdout' && text !== 'off' && !text.startsWith('/')) throw new RangeError('not a target');
  return text;
}

function parseFilter(text: string): string {
  if (!isLevelFilter(text)) throw new RangeError('not a log filter');
  return text;
}
