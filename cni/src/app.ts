import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { listenForDescriptorChannels } from '@ambit/mesh/linux';
import { createDirectorySource, createProblemReporter } from '@ambit/mesh/manifests';
import {
  type AdminServer,
  type Clock,
  get,
  jsonResponse,
  loggingSections,
  Metrics,
  metricsSections,
  openAdminServer,
  Readiness,
  readinessSection,
  registerProcessMetrics,
  type RootLogger,
  textResponse,
  withinDeadline,
} from '@ambit/mesh/runtime';
import type { CniConfig } from './config.ts';
import { ConcurrencyLimit } from './enrol/concurrency-limit.ts';
import type { DesiredPod } from './enrol/desired-pods.ts';
import { FileEnrolmentRecords } from './enrol/enrolment-records.ts';
import { DirectoryNetnsFinder } from './enrol/netns-finder.ts';
import { PodEnroller, type PodStatus } from './enrol/pod-enroller.ts';
import type { EnrolmentTools } from './enrol/pod-enrolment.ts';
import { PodWatcher } from './enrol/pod-watcher.ts';
import { ZdsServer } from './enrol/zds-server.ts';
import { cniMetrics, podsMetric } from './metrics.ts';
import { nftables } from './redirect/nftables.ts';

export interface CniAgentOptions {
  readonly config: CniConfig;
  readonly version: string;
  /** The user this process runs as: node agents may run as it too. */
  readonly userId: number;
  readonly clock: Clock;
  readonly logger: RootLogger;
}

/** A running CNI agent. */
export interface CniAgent extends AsyncDisposable {
  readonly addresses: Readonly<Record<'metrics' | 'readiness', { readonly host: string; readonly port: number }>>;
  statuses(): readonly PodStatus[];
  /** Takes all redirection away if the configuration says so, leaves it in place otherwise, and closes. */
  stop(): Promise<void>;
}

// Each takes some milliseconds of a core in short-lived processes.
const REDIRECTIONS_AT_A_TIME_MAX = 4;
const REMOVE_ON_EXIT_MS = 20_000;
const SOCKET_DIRECTORY_MODE = 0o700;

/** Resolves when every pod known from the manifests has been tried once and node agents are accepted. */
export async function createCniAgent(options: CniAgentOptions): Promise<CniAgent> {
  const { config, clock, logger } = options;
  await using cleanup = new AsyncDisposableStack();
  const metrics = new Metrics();
  const instruments = metrics.register(cniMetrics);
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
  const enroller = cleanup.use(new PodEnroller({ ...createTools(options, instruments), agents }));
  metrics.collect(podsMetric, () => enroller.counts());
  const servers = await openServers(options, cleanup, metrics, readiness, enroller);
  const watching = new AbortController();
  cleanup.defer(() => watching.abort(new Error('the CNI agent stops')));
  const desired = await watchPods(
    options,
    watching.signal,
    (pods) => void enroller.setDesired(pods),
    (count) => instruments.manifestProblems.set([], count),
  );
  await enroller.setDesired(desired());
  void agents.serve();
  ready.done();
  const resources = cleanup.move();
  return {
    addresses: servers,
    statuses: () => enroller.statuses(),
    async stop() {
      ready.undo();
      watching.abort(new Error('the CNI agent stops'));
      if (config.removeOnExit) {
        await withinDeadline(clock, REMOVE_ON_EXIT_MS, () => enroller.releaseAll()).catch((error: unknown) =>
          logger.error('redirection could not be taken away from every pod', { error }),
        );
      }
      await resources[Symbol.asyncDispose]();
    },
    [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
  };
}

/** Takes away the redirection of every pod that an earlier run recorded. Resolves with how many are left. */
export async function uninstall(options: CniAgentOptions, deadlineMs: number): Promise<number> {
  const nobody = { announce: () => {}, withdraw: async () => {}, isTaken: () => false };
  const instruments = new Metrics().register(cniMetrics);
  await using enroller = new PodEnroller({ ...createTools(options, instruments), agents: nobody });
  await withinDeadline(options.clock, deadlineMs, () => enroller.releaseAll()).catch((error: unknown) =>
    options.logger.error('redirection could not be taken away from every pod', { error }),
  );
  return enroller.statuses().length;
}

function createTools(
  { config, clock, logger }: CniAgentOptions,
  metrics: EnrolmentTools['metrics'],
): Omit<EnrolmentTools, 'agents'> {
  return {
    netfilter: nftables,
    finder: new DirectoryNetnsFinder(config.netnsDirectory),
    records: new FileEnrolmentRecords(join(config.stateDirectory, 'enrolled-pods.json'), logger),
    redirect: {
      packetMark: config.packetMark,
      dnsCapture: config.dnsCapture,
      probeSource: null,
      predating: 'reset',
    },
    limit: new ConcurrencyLimit(REDIRECTIONS_AT_A_TIME_MAX),
    clock,
    logger: logger.child({ scope: 'enrol' }),
    metrics,
  };
}

/** Watches the manifests. Resolves after the first state, with a way to read the latest one; later ones go to `onDesired`. */
async function watchPods(
  { config, clock, logger }: CniAgentOptions,
  signal: AbortSignal,
  onDesired: (pods: ReadonlyMap<string, DesiredPod>) => void,
  onProblemCount: (count: number) => void,
): Promise<() => ReadonlyMap<string, DesiredPod>> {
  let latest: ReadonlyMap<string, DesiredPod> = new Map();
  let isFirst = true;
  const reportProblems = createProblemReporter(logger.child({ scope: 'manifests' }));
  const watcher = new PodWatcher({
    nodeName: config.nodeName,
    excludedNamespaces: config.excludedNamespaces,
    onDesired: (desired) => {
      latest = desired;
      if (!isFirst) onDesired(desired);
    },
    onProblems: (problems) => {
      onProblemCount(problems.length);
      reportProblems(problems);
    },
  });
  await createDirectorySource({ directory: config.manifests, clock, logger }).watch(watcher, signal);
  isFirst = false;
  return () => latest;
}

async function openServers(
  { config, logger }: CniAgentOptions,
  cleanup: AsyncDisposableStack,
  metrics: Metrics,
  readiness: Readiness,
  enroller: PodEnroller,
): Promise<Readonly<Record<'metrics' | 'readiness', AdminServer>>> {
  const healthz = get('/healthz', 'liveness', () => textResponse(200, 'ok\n'));
  const pods = get('/pods', 'every pod of this node and its state', () => jsonResponse(enroller.statuses()));
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
