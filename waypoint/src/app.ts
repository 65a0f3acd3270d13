import {
  accessLogTarget,
  type AdminSection,
  type AdminServer,
  compactOnceReady,
  get,
  jsonResponse,
  loggingSections,
  Metrics,
  metricsSections,
  openAdminServer,
  type ProcessStart,
  quitSection,
  Readiness,
  readinessSection,
  registerLogMetrics,
  usableHost,
  WorkerPool,
} from '@ambit/mesh/runtime';
import type { ListenAddress } from '@ambit/mesh/model';
import { followRevocations } from '@ambit/mesh/tls';
import { createConfigDump } from './admin/config-dump.ts';
import type { WaypointConfig } from './config.ts';
import { openLocalSource, readLocalSource } from './local/local-source.ts';
import { memoryBudget } from './overload/memory-budget.ts';
import type { Source } from './source.ts';
import { openControllerSource } from './state/controller-source.ts';
import { registerWorkerMetrics } from './telemetry/worker-metrics.ts';
import { waypointMetrics } from './telemetry/request-metrics.ts';
import type { ListenOn, WorkerCalls, WorkerConfig } from './worker/worker-protocol.ts';

// Threads: this module and everything it constructs runs on the main thread: configuration, admin. The sockets and tunnels
// live in data workers (worker/), which read nothing but what is posted to them.

/** What the process itself knows. */
export interface WaypointProcess {
  /** Main module of a data worker. */
  readonly workerProgram: URL;
  /** As much as the container may take; more than any machine has where there is no limit, or 0. */
  readonly containerMemoryBytes: number;
}

export interface WaypointOptions extends ProcessStart<WaypointConfig>, WaypointProcess {}

/** A running waypoint. Disposing it closes everything at once; call `stop` before, to end connections in order. */
export interface Waypoint extends AsyncDisposable {
  readonly addresses: Readonly<Record<'hbone' | 'admin' | 'metrics' | 'readiness', ListenOn>>;
  /** Rejects when the waypoint cannot go on. */
  readonly failed: Promise<never>;
  /** Accepts nothing new, lets live connections end until the deadline of the configuration, closes. */
  stop(): Promise<void>;
}

export async function createWaypoint(options: WaypointOptions): Promise<Waypoint> {
  const { config, clock, logger } = options;
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  const stack = new AsyncDisposableStack();
  try {
    const { upstream } = config;
    // What is wrong with a file is told before anything is begun.
    const local = upstream.kind === 'local' ? readLocalSource(upstream.file) : null;
    const workers = stack.use(
      new WorkerPool<WorkerCalls>({
        program: options.workerProgram,
        count: config.workers,
        config: workerConfig(options),
        logger,
        onLost: failed.reject,
      }),
    );
    const metrics = new Metrics();
    const read = registerWorkerMetrics(metrics, () => workers.callAll('metrics', {}));
    registerLogMetrics(metrics, logger, async () =>
      (await read()).reduce((sum, { logLinesSuppressed }) => sum + logLinesSuppressed, 0),
    );
    metrics.register({ build: waypointMetrics.build }).build.set(['waypoint', options.version], 1);
    // Before there are ports: none of them may ever accept a peer whose certificate is known to be revoked.
    stack.use(
      await followRevocations({
        ...{ path: config.revocationFile, clock, metrics },
        logger: logger.child({ scope: 'identity' }),
        publish: async (lists) => void (await workers.callAll('set-revocations', { lists })),
      }),
    );
    const readiness = new Readiness();
    const serving = readiness.task('serving');
    const source =
      upstream.kind === 'local'
        ? openLocalSource(local ?? readLocalSource(upstream.file), upstream.file, workers)
        : openControllerSource({ upstream, network: config.network, clock, logger, workers }, stack);
    metrics.collect(waypointMetrics.controllerConnected, () => [{ labels: [], value: source.connected ? 1 : 0 }]);
    const servers = await openServers(options, metrics, readiness, workers, source, stack);
    const tunnels = { host: await usableHost(config.hboneAddress.ip), port: config.hboneAddress.port };
    const addresses = { hbone: tunnels, ...servers };
    const listening = source.configured.then(async (plain) => {
      const [hbone] = await workers.callAll('listen', { hbone: tunnels, plain });
      if (hbone !== undefined) addresses.hbone = hbone;
      serving.done();
    });
    // A controller may come later: the process runs, and is not ready.
    if (local !== null) await listening;
    listening.catch((error: unknown) => failed.reject(error));
    stack.use(
      compactOnceReady({
        clock,
        logger,
        whenReady: (signal) => readiness.whenReady(signal),
        compactWorkers: () => workers.callAll('compact-heap', {}),
      }),
    );
    return {
      addresses,
      failed: failed.promise,
      stop: async () => {
        serving.undo();
        await workers.callAll('stop', { drainMs: config.terminationDeadlineMs });
        await stack[Symbol.asyncDispose]();
      },
      [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
    };
  } catch (error) {
    await stack[Symbol.asyncDispose]();
    throw error;
  }
}

async function openServers(
  { config, logger, requestStop }: WaypointOptions,
  metrics: Metrics,
  readiness: Readiness,
  workers: WorkerPool<WorkerCalls>,
  source: Source,
  stack: AsyncDisposableStack,
): Promise<Omit<Waypoint['addresses'], 'hbone'>> {
  const open = async ({ ip: host, port }: ListenAddress, sections: readonly AdminSection[]): Promise<AdminServer> => {
    return stack.use(await openAdminServer({ host, port, sections, logger: logger.child({ scope: 'admin' }) }));
  };
  const admin: readonly AdminSection[] = [
    get('/endpoints', 'endpoints in use and connections to them, as JSON', async () =>
      jsonResponse((await workers.callAll('endpoints', {})).flat()),
    ),
    get('/config_dump', 'routes, clusters, the certificate and where they come from, as JSON', async () =>
      jsonResponse(await createConfigDump(workers, source)),
    ),
    ...loggingSections(logger, (filter) => workers.callAll('set-log-filter', { filter })),
    quitSection(requestStop),
  ];
  return {
    admin: await open(config.adminAddress, admin),
    metrics: await open(config.metricsAddress, metricsSections(metrics)),
    readiness: await open(config.readinessAddress, [readinessSection(readiness)]),
  };
}

function workerConfig({ config, logFd, containerMemoryBytes }: WaypointOptions): Omit<WorkerConfig, 'index'> {
  return {
    network: config.network,
    trustDomains: config.trustDomains,
    forwardsClientCertificate: config.forwardClientCert === 'set',
    watchesRevocation: config.revocationFile !== null,
    memoryBudgetBytes: memoryBudget(config.memoryLimitBytes || containerMemoryBytes, config.workers),
    accessLog: accessLogTarget(config.accessLog, logFd),
    accessLogFormat: config.logFormat,
    logFd,
    logFormat: config.logFormat,
    logFilter: config.logFilter,
  };
}
