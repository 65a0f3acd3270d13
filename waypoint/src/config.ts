import {
  DEFAULT_TRUST_DOMAIN,
  type ListenAddress,
  parseListenAddress,
  parseTrustDomain,
  type TrustDomain,
} from '@ambit/mesh/model';
import {
  type Environment,
  EnvironmentReader,
  fallbackOf,
  type LogFormat,
  type Setting,
  settingLines,
} from '@ambit/mesh/runtime';

/** Everything a waypoint is told at start; immutable. */
export interface WaypointConfig {
  /** File with the mesh, the routes and the certificate. */
  readonly localConfig: string;
  readonly network: string;
  readonly trustDomain: TrustDomain;
  readonly workers: number;
  /** Of the whole process; 0: that of its container. */
  readonly memoryLimitBytes: number;
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

const WORKERS_MAX = 64;
/** Less would leave nothing for requests. */
const MEMORY_MIN_BYTES: number = 128 * 1024 * 1024;

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
  const config: WaypointConfig = {
    localConfig: read.required('AMBIT_LOCAL_CONFIG', 'the path of a JSON file'),
    network: read.text('AMBIT_NETWORK', ''),
    trustDomain: read.parsed('AMBIT_TRUST_DOMAIN', 'a trust domain', parseTrustDomain, DEFAULT_TRUST_DOMAIN),
    workers: read.integer('AMBIT_WORKERS', { min: 1, max: WORKERS_MAX }, 1),
    memoryLimitBytes: read.integer('AMBIT_MEMORY_LIMIT', { min: MEMORY_MIN_BYTES, max: 2 ** 48 }, 0),
    hboneAddress: socketAddress('AMBIT_HBONE_ADDRESS'),
    adminAddress: socketAddress('AMBIT_ADMIN_ADDRESS'),
    metricsAddress: socketAddress('AMBIT_METRICS_ADDRESS'),
    readinessAddress: socketAddress('AMBIT_READINESS_ADDRESS'),
    accessLog: read.accessLog('AMBIT_ACCESS_LOG', 'stdout'),
    logFilter: read.logFilter('AMBIT_LOG_LEVEL', 'info'),
    logFormat: read.oneOf('AMBIT_LOG_FORMAT', ['text', 'json'], 'text'),
    terminationDeadlineMs: read.durationMs('AMBIT_TERMINATION_DEADLINE', 5000),
  };
  read.refuseUnknown();
  return config;
}
