import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { listenForDescriptorChannels } from '@ambit/mesh/linux';
import { createDirectorySource, createProblemReporter } from '@ambit/mesh/manifests';
import {
  type AdminServer,
  bug,
  type Clock,
  get,
  jsonResponse,
  loggingSections,
  Metrics,
  metricsSections,
  openAdminServer,
  Readiness,
  readinessSection,
  registerLogMetrics,
  registerProcessMetrics,
  type RootLogger,
  textResponse,
  withinDeadline,
} from '@ambit/mesh/runtime';
import type { CniConfig } from './config.ts';
import { ConcurrencyLimit } from './enrol/concurrency-limit.ts';
import type { DesiredPod } from './enrol/desired-pods.ts';
import { isDnsServed } from './enrol/dns-served.ts';
import { EgressLocks } from './enrol/egress-locks.ts';
import { FileEnrolmentRecords } from './enrol/enrolment-records.ts';
import { DirectoryNetnsFinder } from './enrol/netns-finder.ts';
import { nodeAddressesTowards } from './enrol/node-addresses.ts';
import { PodEnroller, type PodEnrollerOptions, type PodStatus } from './enrol/pod-enroller.ts';
import { PodWarnings } from './enrol/pod-warnings.ts';
import { PodWatcher } from './enrol/pod-watcher.ts';
import { ZdsServer } from './enrol/zds-server.ts';
import type { KubeConnection } from './kubernetes/kube-connection.ts';
import { KubernetesNode } from './kubernetes/kubernetes-node.ts';
import { type CniInstruments, cniMetrics, podsMetric, podsWarnedMetric } from './metrics.ts';
import { nftables } from './redirect/nftables.ts';

export interface CniAgentOptions {
  readonly config: CniConfig;
  readonly version: string;
  /** The user this process runs as: node agents and container runtimes may run as it too. */
  readonly userId: number;
  readonly clock: Clock;
  readonly logger: RootLogger;
  /** Opens the API server of a cluster; needed when the configuration is that of a node of one. */
  readonly connect?: (metrics: Metrics) => KubeConnection;
}

/** A running CNI agent. */
export interface CniAgent extends AsyncDisposable {
  readonly addresses: Readonly<Record<'metrics' | 'readiness', { readonly host: string; readonly port: number }>>;
  statuses(): readonly PodStatus[];
  /**
   * Takes everything away when Ambit is being uninstalled, or all redirection if the configuration says so; leaves it in place
   * otherwise. Then closes.
   */
  stop(): Promise<void>;
}

// Each takes some milliseconds of a core in short-lived processes.
const REDIRECTIONS_AT_A_TIME_MAX = 4;
const REMOVE_ON_EXIT_MS = 20_000;
/** With the time above, less than the chart's `terminationGracePeriodSeconds`. */
const ANNOTATIONS_MS = 15_000;
const SOCKET_DIRECTORY_MODE = 0o700;

/**
 * Resolves when every pod that is known by then has been tried once, and node agents, and on a node of a cluster the plugin, are
 * served.
 */
export async function createCniAgent(options: CniAgentOptions): Promise<CniAgent> {
  const { config, clock, logger } = options;
  await using cleanup = new AsyncDisposableStack();
  const metrics = new Metrics();
  const instruments = metrics.register(cniMetrics);
  registerLogMetrics(metrics, logger);
  registerProcessMetrics(metrics, { component: 'cni', version: options.version });
  const readiness = new Readiness();
  const ready = readiness.task('pods of this node');
  mkdirSync(dirname(config.zdsSocket), { recursive: true, mode: SOCKET_DIRECTORY_MODE });
  const agents = cleanup.use(
    new ZdsServer({
      listener: listenForDescriptorChannels(config.zdsSocket),
      allowedUserIds: new Set([0, options.userId, ...config.agentUserIds]),
      clock,
      logger: logger.child({ scope: 'zds' }),
      metrics: instruments,
    }),
  );
  const connection = openConnection(options, metrics);
  if (connection !== null) cleanup.use(connection);
  const node = createNode(options, connection, instruments);
  const egress = new EgressLocks(config.rootNamespace);
  const enroller = cleanup.use(new PodEnroller({ ...createTools(options, instruments, node, egress), agents }));
  agents.onAnswer(() => enroller.notify());
  metrics.collect(podsMetric, () => enroller.counts());
  const warnings = new PodWarnings({
    excludedNamespaces: config.excludedNamespaces,
    logger: logger.child({ scope: 'enrol' }),
    onWarning: (pod, warning) => node?.onWarning(pod, warning),
  });
  metrics.collect(podsWarnedMetric, () => warnings.counts());
  const servers = await openServers(options, cleanup, metrics, readiness, enroller, warnings);
  const working = new AbortController();
  cleanup.defer(() => working.abort(new Error('the CNI agent stops')));
  const { watcher, first } = createWatcher(options, instruments, enroller, { node, warnings, egress });
  const parts = { enroller, watcher, readiness };
  node?.use(parts);
  const source = connection?.source ?? createDirectorySource({ directory: config.manifests, clock, logger });
  await source.watch(watcher, working.signal);
  await enroller.setDesired(first());
  void agents.serve();
  if (node !== null) cleanup.use(await node.start(parts, working.signal));
  ready.done();
  const resources = cleanup.move();
  const close = (): Promise<void> => {
    working.abort(new Error('the CNI agent stops'));
    return resources[Symbol.asyncDispose]();
  };
  return {
    addresses: servers,
    statuses: () => enroller.statuses(),
    async stop() {
      ready.undo();
      const isUninstalled = (await node?.isUninstalled()) === true;
      if (isUninstalled) logger.info('Ambit is uninstalled: everything is taken away from this node');
      working.abort(new Error('the CNI agent stops'));
      if (isUninstalled) removePlugin(node, options);
      if (isUninstalled || config.removeOnExit) {
        await releaseAll(enroller, options, REMOVE_ON_EXIT_MS);
        await node?.removeAnnotations(ANNOTATIONS_MS);
      }
      await close();
      if (isUninstalled) node?.removeState();
    },
    [Symbol.asyncDispose]: close,
  };
}

/**
 * Takes away the redirection of every pod that an earlier run recorded, and from a node of a cluster everything else. Resolves
 * with how many pods are left.
 */
export async function uninstall(options: CniAgentOptions, deadlineMs: number): Promise<number> {
  const nobody = { announce: () => {}, withdraw: async () => {}, isTaken: () => false };
  const metrics = new Metrics();
  const instruments = metrics.register(cniMetrics);
  using connection = openConnection(options, metrics);
  const node = createNode(options, connection, instruments);
  removePlugin(node, options);
  await using enroller = new PodEnroller({
    ...createTools(options, instruments, node, { of: () => null }),
    agents: nobody,
  });
  await releaseAll(enroller, options, deadlineMs);
  const left = enroller.statuses().length;
  if (left === 0) node?.removeState();
  return left;
}

function removePlugin(node: KubernetesNode | null, { logger }: CniAgentOptions): void {
  try {
    node?.removePlugin();
  } catch (error) {
    logger.error('plugin could not be taken away from the host', { error });
  }
}

async function releaseAll(enroller: PodEnroller, options: CniAgentOptions, deadlineMs: number): Promise<void> {
  await withinDeadline(options.clock, deadlineMs, () => enroller.releaseAll()).catch((error: unknown) =>
    options.logger.error('redirection could not be taken away from every pod', { error }),
  );
}

function openConnection({ config, connect }: CniAgentOptions, metrics: Metrics): KubeConnection | null {
  if (config.kubernetes === null) return null;
  return connect?.(metrics) ?? bug('a node of a cluster has no way to the API server');
}

function createNode(
  options: CniAgentOptions,
  connection: KubeConnection | null,
  metrics: CniInstruments,
): KubernetesNode | null {
  const { config } = options;
  if (config.kubernetes === null || connection === null) return null;
  const { kubernetes } = config;
  return new KubernetesNode({ ...options, config: { ...config, kubernetes }, connection, metrics });
}

function createTools(
  { config, clock, logger }: CniAgentOptions,
  metrics: CniInstruments,
  node: KubernetesNode | null,
  egress: Pick<EgressLocks, 'of'>,
): Omit<PodEnrollerOptions, 'agents'> {
  return {
    netfilter: nftables,
    finder: node?.finder ?? new DirectoryNetnsFinder(config.netnsDirectory),
    nodeAddresses: nodeAddressesTowards,
    records: new FileEnrolmentRecords(join(config.stateDirectory, 'enrolled-pods.json'), logger),
    redirect: { packetMark: config.packetMark, dnsCapture: config.dnsCapture, probeSource: null },
    isDnsServed,
    egressOf: (namespace) => egress.of(namespace),
    meshRanges: config.meshRanges,
    graceMs: config.graceMs,
    limit: new ConcurrencyLimit(REDIRECTIONS_AT_A_TIME_MAX),
    clock,
    logger: logger.child({ scope: 'enrol' }),
    metrics,
    onChange: () => node?.onChange(),
    onProblem: (pod, step, error) => node?.onProblem(pod, step === 'enrol', error),
  };
}

interface WatcherParts {
  readonly node: KubernetesNode | null;
  readonly warnings: PodWarnings;
  readonly egress: EgressLocks;
}

/** Every state of the source after the first one goes to the enroller; the first is the caller's. */
function createWatcher(
  { config, logger }: CniAgentOptions,
  metrics: CniInstruments,
  enroller: PodEnroller,
  { node, warnings, egress }: WatcherParts,
): { readonly watcher: PodWatcher; readonly first: () => ReadonlyMap<string, DesiredPod> } {
  let latest: ReadonlyMap<string, DesiredPod> = new Map();
  let isFirst = true;
  const reportProblems = createProblemReporter(logger.child({ scope: 'manifests' }));
  const desire = (selected: ReadonlyMap<string, DesiredPod>): ReadonlyMap<string, DesiredPod> =>
    node?.desire(selected) ?? selected;
  const watcher = new PodWatcher({
    nodeName: config.nodeName,
    excludedNamespaces: config.excludedNamespaces,
    egress,
    onPods: (pods, namespaces) => warnings.update(pods, namespaces),
    onDesired: (selected) => {
      latest = selected;
      if (!isFirst) void enroller.setDesired(desire(selected));
    },
    onProblems: (problems) => {
      metrics.manifestProblems.set([], problems.length);
      reportProblems(problems);
    },
  });
  const first = (): ReadonlyMap<string, DesiredPod> => {
    isFirst = false;
    return desire(latest);
  };
  return { watcher, first };
}

async function openServers(
  { config, logger }: CniAgentOptions,
  cleanup: AsyncDisposableStack,
  metrics: Metrics,
  readiness: Readiness,
  enroller: PodEnroller,
  warnings: PodWarnings,
): Promise<Readonly<Record<'metrics' | 'readiness', AdminServer>>> {
  const healthz = get('/healthz', 'liveness', () => textResponse(200, 'ok\n'));
  const pods = get('/pods', 'every pod of this node and its state', () =>
    jsonResponse(enroller.statuses().map((status) => ({ ...status, warnings: warnings.of(status.uid) }))),
  );
  const configuration = get('/config', 'effective configuration', () => jsonResponse(config));
  const scrape = await openAdminServer({
    host: config.metricsAddress.ip,
    port: config.metricsAddress.port,
    sections: metricsSections(metrics),
    logger,
  });
  cleanup.use(scrape);
  const health = await openAdminServer({
    host: config.readinessAddress.ip,
    port: config.readinessAddress.port,
    sections: [readinessSection(readiness), healthz, pods, configuration, ...loggingSections(logger)],
    logger,
  });
  cleanup.use(health);
  return { metrics: scrape, readiness: health };
}
