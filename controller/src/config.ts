import { type IpAddress, parseIpAddress, parseSocketAddress } from '@ambit/mesh/model';
import { bug, type Environment, type LogFormat, parseDurationMs, readArguments, UsageError } from '@ambit/mesh/runtime';
import { DNS_NAME, type KubernetesConfig, parseEnvironment } from './config-environment.ts';
import type { MeshSettings } from './translate/mesh-settings.ts';

/** Where to listen. Port 0 picks a free one, for tests and for several controllers on one machine. */
export interface ListenAddress {
  readonly ip: IpAddress;
  readonly port: number;
}

/** Everything a running controller is told. Parsed once, never changed. */
export interface ControllerConfig {
  /** Directory of manifests; null when all objects come from Kubernetes. */
  readonly manifestsDirectory: string | null;
  /** Null in file mode. */
  readonly kubernetes: KubernetesConfig | null;
  /** Keys, certificates and join tokens; on Kubernetes what outlives a restart of the container. Made on the first run. */
  readonly stateDirectory: string;
  /** Discovery and certificates, over TLS. */
  readonly listen: ListenAddress;
  /** Metrics. */
  readonly metricsListen: ListenAddress;
  /** Readiness. */
  readonly healthListen: ListenAddress;
  /** Debugging; on loopback unless said otherwise. */
  readonly debugListen: ListenAddress;
  /** The admission webhook, and what other replicas ask; null in file mode. */
  readonly kubernetesListen: { readonly admission: ListenAddress; readonly peers: ListenAddress } | null;
  /** Names and addresses by which agents reach the controller, for its certificate. */
  readonly serverNames: readonly string[];
  readonly mesh: MeshSettings;
  readonly logFilter: string;
  readonly logFormat: LogFormat;
}

/** What the command line asks for. */
export type ControllerCommand =
  | { readonly kind: 'run'; readonly config: ControllerConfig }
  | { readonly kind: 'token'; readonly stateDirectory: string; readonly node: string; readonly validityMs?: number }
  | { readonly kind: 'revoke'; readonly stateDirectory: string; readonly node: string }
  | { readonly kind: 'revoke-certificate'; readonly stateDirectory: string; readonly certificateFile: string }
  | { readonly kind: 'revoke-on-kubernetes'; readonly kubernetes: KubernetesConfig; readonly certificateFile: string };

export const USAGE = `Usage:
  controller --manifests DIR --state DIR [--listen IP:PORT] [--metrics IP:PORT] [--health IP:PORT] [--debug IP:PORT]
      Serves configuration and identities of the mesh that the manifests in DIR describe.
  controller --kubernetes --state DIR [--manifests DIR] [...]
      The same for a Kubernetes cluster, in it or by KUBECONFIG; an object of DIR counts unless the cluster has it too.
  controller token --state DIR --node NAME [--valid DURATION]
      Prints a token with which a node agent joins once, within an hour or the time given.
  controller revoke --state DIR --node NAME
      Takes a node's certificates away.
  controller revoke --state DIR --certificate FILE
      Prints the list (CRL) that withdraws a workload's certificate, and those before it, for AMBIT_CRL_FILE of proxies.
  controller revoke --kubernetes --certificate FILE
      Withdraws a workload's certificate in the whole cluster, by the authority that the controller keeps there.

Options:
  --manifests DIR    directory of Kubernetes YAML or JSON, read recursively and watched
  --state DIR        keys and certificates, made with mode 0700 on first use
  --kubernetes       objects, callers and keys are those of a cluster
  --listen IP:PORT   discovery and certificates over TLS (default 127.0.0.1:15012; on Kubernetes all addresses)
  --metrics IP:PORT  metrics (default 127.0.0.1:15014; on Kubernetes all addresses)
  --health IP:PORT   readiness (default 127.0.0.1:8080; on Kubernetes all addresses)
  --debug IP:PORT    debug pages (default 127.0.0.1:15016)
  --admission IP:PORT
                     admission webhook, with --kubernetes only (default 15017 on all addresses)
  --peers IP:PORT    what other replicas ask, with --kubernetes only (default 15018 on all addresses); they are asked at
                     the same port
  --node NAME        name of the node, as in spec.nodeName of its pods
  --certificate FILE PEM of a workload's certificate that the authority has signed; - is the standard input
  --valid DURATION   how long the token may be used, such as 10m (default and at most 1h)
  --help, --version

Environment: AMBIT_CLUSTER_ID, AMBIT_CLUSTER_DOMAIN, AMBIT_TRUST_DOMAIN, AMBIT_ROOT_NAMESPACE, AMBIT_NETWORK,
AMBIT_EXCLUDED_NAMESPACES, AMBIT_SERVER_NAMES, AMBIT_LOG_LEVEL, AMBIT_LOG_FORMAT.
With --kubernetes also: AMBIT_POD_NAMESPACE, AMBIT_POD_NAME, AMBIT_NODE_AGENT_ACCOUNTS, AMBIT_CA_SECRET, AMBIT_CA_DIRECTORY,
AMBIT_STARTUP_TAINT, AMBIT_ISTIO_COMPATIBILITY, and what waypoints are made of: AMBIT_WAYPOINT_IMAGE,
AMBIT_WAYPOINT_IMAGE_PULL_POLICY, AMBIT_WAYPOINT_PULL_SECRETS, AMBIT_WAYPOINT_REPLICAS_MIN, AMBIT_WAYPOINT_REPLICAS_MAX,
AMBIT_WAYPOINT_RESOURCES, AMBIT_WAYPOINT_WORKERS, AMBIT_WAYPOINT_ACCESS_LOG, AMBIT_WAYPOINT_FORWARD_CLIENT_CERT,
AMBIT_WAYPOINT_TRUST_DOMAIN_ALIASES, AMBIT_WAYPOINT_TERMINATION_DEADLINE.`;

const LOOPBACK = parseIpAddress('127.0.0.1');
/** Of both families, where the host has both. */
const ANY = parseIpAddress('::');
const DEFAULT_PORTS = {
  listen: 15012,
  metrics: 15014,
  health: 8080,
  debug: 15016,
  admission: 15017,
  peers: 15018,
} as const;

/** @throws UsageError for wrong arguments, EnvironmentError for wrong variables. */
export function parseCommand(args: readonly string[], environment: Environment): ControllerCommand {
  const { texts: values, flags, words } = readArguments(args, { texts: OPTION_NAMES, flags: ['kubernetes'] });
  const [command, ...extra] = words;
  if (extra.length > 0) throw new UsageError(`unexpected argument ${JSON.stringify(extra[0])}`);
  if (values.certificate !== undefined && command !== 'revoke')
    throw new UsageError('--certificate goes with revoke only');
  if (values.valid !== undefined && command !== 'token') throw new UsageError('--valid goes with token only');
  const kubernetes = flags.has('kubernetes');
  const inCluster = kubernetes && command === 'revoke';
  if (kubernetes && command !== undefined && !inCluster)
    throw new UsageError(`--kubernetes does not go with ${command}`);
  const settings = parseEnvironment(environment, kubernetes);
  if (inCluster) return revokeOnKubernetes(values, settings.kubernetes);
  const stateDirectory = required(values, 'state', 'a directory for keys and certificates');
  switch (command) {
    case undefined:
      return { kind: 'run', config: { ...settings, stateDirectory, ...runArguments(values, kubernetes) } };
    case 'token':
      return { kind: 'token', stateDirectory, node: nodeName(values), ...validity(values) };
    case 'revoke':
      if (values.certificate !== undefined && values.node !== undefined)
        throw new UsageError('--certificate does not go with --node');
      if (values.certificate !== undefined)
        return { kind: 'revoke-certificate', stateDirectory, certificateFile: values.certificate };
      return { kind: 'revoke', stateDirectory, node: nodeName(values) };
    default:
      throw new UsageError(`unknown command ${JSON.stringify(command)}: expected token, revoke or none`);
  }
}

function revokeOnKubernetes(values: Values, kubernetes: KubernetesConfig | null): ControllerCommand {
  if (values.node !== undefined) throw new UsageError('--node does not go with --kubernetes: nodes do not join there');
  if (values.state !== undefined) throw new UsageError('--state does not go with revoke --kubernetes');
  const certificateFile = required(values, 'certificate', "a file with a workload's certificate");
  return {
    kind: 'revoke-on-kubernetes',
    kubernetes: kubernetes ?? bug('no environment of Kubernetes'),
    certificateFile,
  };
}

/** The configuration as it is shown: nothing in it is secret. */
export function describeConfig(config: ControllerConfig): Readonly<Record<string, unknown>> {
  const { listen, metricsListen, healthListen, debugListen, kubernetesListen, ...rest } = config;
  const { admission: admissionListen, peers: peersListen } = kubernetesListen ?? {};
  const addresses = { listen, metricsListen, healthListen, debugListen, admissionListen, peersListen };
  const shown = Object.entries(addresses).map(([name, address]) => [
    name,
    address === undefined ? null : formatListenAddress(address),
  ]);
  return { ...rest, ...Object.fromEntries(shown) };
}

function formatListenAddress({ ip, port }: ListenAddress): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
}

type Values = Readonly<Partial<Record<OptionName, string>>>;
const OPTION_NAMES = [
  'manifests',
  'state',
  'listen',
  'metrics',
  'health',
  'debug',
  'admission',
  'peers',
  'node',
  'certificate',
  'valid',
] as const;
type OptionName = (typeof OPTION_NAMES)[number];

function runArguments(
  values: Values,
  onKubernetes: boolean,
): Pick<ControllerConfig, 'manifestsDirectory' | `${'metrics' | 'health' | 'debug' | 'kubernetes'}Listen` | 'listen'> {
  if (values.node !== undefined) throw new UsageError('--node goes with token and revoke only');
  for (const name of ['admission', 'peers'] as const) {
    if (!onKubernetes && values[name] !== undefined) throw new UsageError(`--${name} goes with --kubernetes only`);
  }
  const open = onKubernetes ? ANY : LOOPBACK;
  return {
    manifestsDirectory:
      onKubernetes && values.manifests === undefined ? null : required(values, 'manifests', 'a directory of manifests'),
    listen: address(values, 'listen', { ip: open, port: DEFAULT_PORTS.listen }),
    metricsListen: address(values, 'metrics', { ip: open, port: DEFAULT_PORTS.metrics }),
    healthListen: address(values, 'health', { ip: open, port: DEFAULT_PORTS.health }),
    debugListen: address(values, 'debug', { ip: LOOPBACK, port: DEFAULT_PORTS.debug }),
    kubernetesListen: onKubernetes
      ? {
          admission: address(values, 'admission', { ip: open, port: DEFAULT_PORTS.admission }),
          peers: address(values, 'peers', { ip: open, port: DEFAULT_PORTS.peers }),
        }
      : null,
  };
}

function required(values: Values, name: OptionName, expected: string): string {
  const value = values[name];
  if (value === undefined || value === '') throw new UsageError(`--${name} is missing: expected ${expected}`);
  return value;
}

function nodeName(values: Values): string {
  const name = required(values, 'node', 'the name of a node');
  if (!DNS_NAME.test(name)) throw new UsageError(`--node ${JSON.stringify(name)} is not the name of a node`);
  return name;
}

function validity({ valid }: Values): { readonly validityMs?: number } {
  if (valid === undefined) return {};
  try {
    return { validityMs: parseDurationMs(valid) };
  } catch (cause) {
    throw new UsageError(`--valid ${JSON.stringify(valid)} is not a duration such as 10m`, { cause });
  }
}

function address(values: Values, name: OptionName, fallback: ListenAddress): ListenAddress {
  const text = values[name];
  if (text === undefined) return fallback;
  try {
    const host = /^(.*):0$/.exec(text)?.[1];
    return host === undefined ? parseSocketAddress(text) : { ip: parseSocketAddress(`${host}:1`).ip, port: 0 };
  } catch (cause) {
    throw new UsageError(`--${name} ${JSON.stringify(text)} is not IP:PORT`, { cause });
  }
}
