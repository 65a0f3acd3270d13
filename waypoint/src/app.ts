import { readFileSync } from 'node:fs';
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
  readNamedFile,
  registerLogMetrics,
  WorkerPool,
} from '@ambit/mesh/runtime';
import type { ListenAddress } from '@ambit/mesh/model';
import type { WaypointConfig } from './config.ts';
import { type LocalConfig, parseLocalConfig } from './local/local-config.ts';
import { memoryBudget } from './overload/memory-budget.ts';
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
    const text = readNamedFile('AMBIT_LOCAL_CONFIG', config.localConfig);
    const local = parseLocalConfig(text, (path) => readFileSync(path, 'utf8'));
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
    const readiness = new Readiness();
    const serving = readiness.task('serving');
    const servers = await openServers(options, metrics, readiness, workers, stack);
    const hbone = await configureWorkers(workers, config, local);
    serving.done();
    stack.use(
      compactOnceReady({
        clock,
        logger,
        whenReady: (signal) => readiness.whenReady(signal),
        compactWorkers: () => workers.callAll('compact-heap', {}),
      }),
    );
    return {
      addresses: { hbone, ...servers },
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

async function configureWorkers(
  workers: WorkerPool<WorkerCalls>,
  config: WaypointConfig,
  local: LocalConfig,
): Promise<ListenOn> {
  const { workloads, services, routes, policySets, svid, listeners } = local;
  await workers.callAll('set-svid', { svid });
  await workers.callAll('configure', {
    update: { workloads, services },
    routes: { put: routes, removed: [] },
    policySets: { put: policySets, removed: [] },
  });
  const [hbone] = await workers.callAll('listen', { hbone: listenOn(config.hboneAddress), plain: listeners });
  return hbone ?? listenOn(config.hboneAddress);
}

async function openServers(
  { config, logger, requestStop }: WaypointOptions,
  metrics: Metrics,
  readiness: Readiness,
  workers: WorkerPool<WorkerCalls>,
  stack: AsyncDisposableStack,
): Promise<Omit<Waypoint['addresses'], 'hbone'>> {
  const open = async (address: ListenAddress, sections: readonly AdminSection[]): Promise<AdminServer> => {
    const { host, port } = listenOn(address);
    return stack.use(await openAdminServer({ host, port, sections, logger: logger.child({ scope: 'admin' }) }));
  };
  const admin: readonly AdminSection[] = [
    get('/endpoints', 'endpoints in use and connections to them, as JSON', async () =>
      jsonResponse((await workers.callAll('endpoints', {})).flat()),
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

function listenOn({ ip, port }: ListenAddress): ListenOn {
  return { host: ip, port };
}

function workerConfig({ config, logFd, containerMemoryBytes }: WaypointOptions): Omit<WorkerConfig, 'index'> {
  return {
    network: config.network,
    trustDomain: config.trustDomain,
    memoryBudgetBytes: memoryBudget(config.memoryLimitBytes || containerMemoryBytes, config.workers),
    accessLog: accessLogTarget(config.accessLog, logFd),
    accessLogFormat: config.logFormat,
    logFd,
    logFormat: config.logFormat,
    logFilter: config.logFilter,
  };
}
