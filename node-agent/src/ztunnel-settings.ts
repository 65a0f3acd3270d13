import { availableParallelism } from 'node:os';
import { type Environment, EnvironmentError } from '@ambit/mesh/runtime';

// Whoever puts this agent in the place of Istio's ztunnel keeps its manifest: variables of the same meaning are read under
// ztunnel's names too (protocol.md 4.5). Names of our own win.

/** A variable of ztunnel that stands for one of ours. */
export interface ZtunnelSetting {
  readonly name: string;
  readonly meaning: string;
  /** What differs, for the reference page. */
  readonly note: string;
  /** Its value in our words. @throws RangeError that says what was expected. */
  readonly translate: (value: string) => string;
}

const same = (value: string): string => value;

const PORT_DEFAULT = 15_012;
const DEADLINE_MARGIN_SECONDS = { above: 10, long: 5, short: 1 } as const;
/** Levels of ztunnel that we have no word for. */
const LEVELS: Readonly<Record<string, string>> = { trace: 'debug', err: 'error', warning: 'warn' };

/** Every one, in the order of the reference page. Of two for the same setting the first that is set counts. */
export const ZTUNNEL_SETTINGS: readonly ZtunnelSetting[] = [
  { name: 'NODE_NAME', meaning: 'AMBIT_NODE_NAME', note: '', translate: same },
  {
    name: 'XDS_ADDRESS',
    meaning: 'AMBIT_CONTROLLER_ADDRESS',
    note: 'An `https` address; port 15012 unless it names one. CA_ADDRESS has to be the same.',
    translate: addressOfUrl,
  },
  {
    name: 'CA_ADDRESS',
    meaning: 'AMBIT_CONTROLLER_ADDRESS',
    note: 'As XDS_ADDRESS.',
    translate: addressOfUrl,
  },
  {
    name: 'ALT_XDS_HOSTNAME',
    meaning: 'AMBIT_CONTROLLER_SERVER_NAME',
    note: 'Unless it is set, the host of XDS_ADDRESS. ALT_CA_HOSTNAME has to be the same.',
    translate: same,
  },
  { name: 'ALT_CA_HOSTNAME', meaning: 'AMBIT_CONTROLLER_SERVER_NAME', note: 'As ALT_XDS_HOSTNAME.', translate: same },
  {
    name: 'XDS_ROOT_CA',
    meaning: 'AMBIT_CONTROLLER_ROOT_FILE',
    note: 'A file; neither `SYSTEM` nor the text of a certificate. CA_ROOT_CA has to be the same.',
    translate: rootFile,
  },
  { name: 'CA_ROOT_CA', meaning: 'AMBIT_CONTROLLER_ROOT_FILE', note: 'As XDS_ROOT_CA.', translate: rootFile },
  { name: 'AUTH_TOKEN', meaning: 'AMBIT_TOKEN_FILE', note: '', translate: same },
  { name: 'INPOD_UDS', meaning: 'AMBIT_ZDS_SOCKET', note: '', translate: same },
  { name: 'XDS_ON_DEMAND', meaning: 'AMBIT_XDS_ON_DEMAND', note: 'DNS may be served beside it.', translate: same },
  { name: 'NETWORK', meaning: 'AMBIT_NETWORK', note: '', translate: same },
  { name: 'CLUSTER_ID', meaning: 'AMBIT_CLUSTER_ID', note: '', translate: same },
  { name: 'ISTIO_META_CLUSTER_ID', meaning: 'AMBIT_CLUSTER_ID', note: 'Unless CLUSTER_ID is set.', translate: same },
  { name: 'CLUSTER_DOMAIN', meaning: 'AMBIT_CLUSTER_DOMAIN', note: '', translate: same },
  { name: 'ISTIO_META_DNS_CAPTURE', meaning: 'AMBIT_DNS_PROXY', note: '', translate: same },
  { name: 'PREFERED_SERVICE_NAMESPACE', meaning: 'AMBIT_DNS_PREFERRED_NAMESPACE', note: '', translate: same },
  { name: 'TRUST_DOMAIN', meaning: 'AMBIT_TRUST_DOMAIN', note: '', translate: same },
  { name: 'LOCALHOST_APP_TUNNEL', meaning: 'AMBIT_LOCALHOST_APP_TUNNEL', note: '', translate: same },
  { name: 'CRL_PATH', meaning: 'AMBIT_CRL_FILE', note: '', translate: same },
  { name: 'PACKET_MARK', meaning: 'AMBIT_PACKET_MARK', note: '', translate: same },
  {
    name: 'ZTUNNEL_WORKER_THREADS',
    meaning: 'AMBIT_WORKERS',
    note: 'A number, or a share of the processors such as `25%`.',
    translate: workers,
  },
  { name: 'SECRET_TTL', meaning: 'AMBIT_CERTIFICATE_TTL', note: '', translate: same },
  {
    name: 'CONNECTION_TERMINATION_DEADLINE',
    meaning: 'AMBIT_TERMINATION_DEADLINE',
    note: '',
    translate: same,
  },
  {
    name: 'TERMINATION_GRACE_PERIOD_SECONDS',
    meaning: 'AMBIT_TERMINATION_DEADLINE',
    note: 'Less 5 s, or 1 s where it is not longer than 10 s. Unless CONNECTION_TERMINATION_DEADLINE is set.',
    translate: deadlineWithin,
  },
  {
    name: 'RUST_LOG',
    meaning: 'AMBIT_LOG_LEVEL',
    note: 'Levels by target count for targets that are scopes of this agent, such as `access=off`.',
    translate: logFilter,
  },
  {
    name: 'LOG_FORMAT',
    meaning: 'AMBIT_LOG_FORMAT',
    note: 'All but `json` is text.',
    translate: (value) => (value === 'json' ? 'json' : 'text'),
  },
];

/**
 * `environment` with our names for what is set under those of ztunnel. Names of ours that are set, also to nothing, stay as they are.
 * @throws EnvironmentError `environment-invalid` that names the variable of ztunnel.
 */
export function withZtunnelSettings(environment: Environment): Environment {
  const added = new Map<string, { readonly from: string; readonly value: string }>();
  for (const { name, meaning, translate } of ZTUNNEL_SETTINGS) {
    const text = environment.get(name);
    if (text === undefined || text === '' || environment.get(meaning) !== undefined) continue;
    const value = translated(name, text, translate);
    const known = added.get(meaning);
    if (known === undefined) added.set(meaning, { from: name, value });
    else if (MUST_AGREE.has(name) && known.value !== value) {
      throw invalid(name, text, `the same as ${known.from}: certificates and configuration come from one controller`);
    }
  }
  addServerName(environment, added);
  return {
    get: (name) => environment.get(name) ?? added.get(name)?.value,
    names: () => [...environment.names(), ...added.keys()],
    origin: (name) => added.get(name)?.from,
  };
}

/** ztunnel asks whoever it reaches at an address for that name. */
function addServerName(
  environment: Environment,
  added: Map<string, { readonly from: string; readonly value: string }>,
): void {
  const address = added.get('AMBIT_CONTROLLER_ADDRESS');
  const name = 'AMBIT_CONTROLLER_SERVER_NAME';
  if (address === undefined || added.has(name) || environment.get(name) !== undefined) return;
  const host = address.value.slice(0, address.value.lastIndexOf(':'));
  added.set(name, { from: address.from, value: host });
}

/** Where ztunnel may have two, and this agent has one. */
const MUST_AGREE: ReadonlySet<string> = new Set(['CA_ADDRESS', 'ALT_CA_HOSTNAME', 'CA_ROOT_CA']);

function translated(name: string, text: string, translate: ZtunnelSetting['translate']): string {
  try {
    return translate(text);
  } catch (cause) {
    throw invalid(name, text, cause instanceof RangeError ? cause.message : 'another value', { cause });
  }
}

function invalid(variable: string, value: string, expected: string, options: ErrorOptions = {}): EnvironmentError {
  return new EnvironmentError('environment-invalid', { variable, value: value.slice(0, 200), expected }, options);
}

function addressOfUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || url.protocol !== 'https:' || url.hostname === '' || url.pathname !== '/') {
    throw new RangeError('https://HOST or https://HOST:PORT of the controller');
  }
  // The port of https itself is left out of a URL.
  const port = url.port !== '' ? url.port : /:443\/?$/.test(text) ? '443' : String(PORT_DEFAULT);
  return `${url.hostname}:${port}`;
}

function rootFile(text: string): string {
  if (text === 'SYSTEM' || text.includes('BEGIN CERTIFICATE')) {
    throw new RangeError('the path of a file with the roots of the controller');
  }
  return text;
}

function workers(text: string): string {
  const share = /^(\d{1,3})%$/.exec(text);
  if (share === null) {
    if (!/^\d{1,2}$/.test(text)) throw new RangeError('a number of threads, or a share of the processors such as 25%');
    return text;
  }
  return String(Math.max(1, Math.ceil((Number(share[1]) / 100) * availableParallelism())));
}

function deadlineWithin(text: string): string {
  if (!/^\d{1,6}$/.test(text)) throw new RangeError('a number of seconds');
  const seconds = Number(text);
  const { above, long, short } = DEADLINE_MARGIN_SECONDS;
  return `${Math.max(1, seconds > above ? seconds - long : seconds - short)}s`;
}

function logFilter(text: string): string {
  const level = (word: string): string => LEVELS[word.toLowerCase()] ?? word.toLowerCase();
  const items = text.split(',').flatMap((item) => {
    const [target = '', of] = item.trim().split('=');
    if (of === undefined) return [level(target)];
    return [`${target}=${level(of)}`];
  });
  // Ours begins with the level of everything else.
  const [general = 'info'] = items.filter((item) => !item.includes('='));
  return [general, ...items.filter((item) => item.includes('='))].join(',');
}
