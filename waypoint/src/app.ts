import { readFileSync } from 'node:fs';
import {
  type AdminSection,
  type AdminServer,
  type Clock,
  compactHeap,
  loggingSections,
  Metrics,
  metricsSections,
  openAdminServer,
  type ProcessStart,
  Readiness,
  readinessSection,
  type RootLogger,
  WorkerPool,
} from '@ambit/mesh/runtime';
import type { ListenAddress, WaypointConfig } from './config.ts';
import { type LocalConfig, parseLocalConfig } from './local/local-config.ts';
import { registerWorkerMetrics } from './telemetry/worker-metrics.ts';
import { waypointMetrics } from './telemetry/request-metrics.ts';
import type { ListenOn, WorkerCalls, WorkerConfig } from './worker/worker-protocol.ts';

// Threads: this module and everything it constructs runs on the main thread: configuration, admin. The sockets and tunnels
// live in data workers (worker/), which read nothing but what is posted to them.

export interface WaypointOptions extends ProcessStart<WaypointConfig> {
  /** Main module of a data worker. */
  readonly workerProgram: URL;
}

/** A running waypoint. Disposing it closes everything at once; call `stop` before, to end connections in order. */
export interface Waypoint extends AsyncDisposable {
  readonly addresses: Readonly<Record<'hbone' | 'admin' | 'metrics' | 'readiness', ListenOn>>;
  /** Rejects when the waypoint cannot go on. */
  readonly failed: Promise<never>;
  /** Accepts nothing new, lets live connections end until the deadline of the configuration, closes. */
  stop(): Promise<void>;
}

/** Lets the first requests through before. */
const COMPACT_DELAY_MS = 1000;

export async function createWaypoint(options: WaypointOptions): Promise<Waypoint> {
  const { config, clock, logger } = options;
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  const stack = new AsyncDisposableStack();
  try {
    const local = parseLocalConfig(readFileSync(config.localConfig, 'utf8'), (path) => readFileSync(path, 'utf8'));
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
    registerWorkerMetrics(metrics, () => workers.callAll('metrics', {}));
    metrics.register({ build: waypointMetrics.build }).build.set(['waypoint', options.version], 1);
    const readiness = new Readiness();
    const serving = readiness.task('serving');
    const servers = await openServers(options, metrics, readiness, workers, stack);
    const hbone = await configureWorkers(workers, config, local);
    serving.done();
    compactOnceReady(workers, clock, logger, stack);
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
  const { workloads, services, routes, svid, listeners } = local;
  await workers.callAll('set-svid', { svid });
  await workers.callAll('configure', { update: { workloads, services }, routes });
  const [hbone] = await workers.callAll('listen', { hbone: listenOn(config.hboneAddress), plain: listeners });
  return hbone ?? listenOn(config.hboneAddress);
}

/** A moment after the waypoint got ready, what starting left behind is given back, once. */
function compactOnceReady(
  workers: WorkerPool<WorkerCalls>,
  clock: Clock,
  logger: RootLogger,
  stack: AsyncDisposableStack,
): void {
  const stop = new AbortController();
  stack.defer(() => stop.abort());
  const compact = async (): Promise<void> => {
    await clock.sleep(COMPACT_DELAY_MS, stop.signal);
    compactHeap();
    await workers.callAll('compact-heap', {});
  };
  compact().catch((error: unknown) => {
    if (!stop.signal.aborted) logger.warn('memory could not be given back', { error });
  });
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
    {
      method: 'GET',
      path: '/endpoints',
      describe: 'endpoints in use and connections to them, as JSON',
      handle: async () => {
        const body = `${JSON.stringify((await workers.callAll('endpoints', {})).flat(), null, 2)}\n`;
        return { status: 200, contentType: 'application/json', body };
      },
    },
    ...loggingSections(logger),
    {
      method: 'POST',
      path: '/quitquitquit',
      describe: 'stop in order, as SIGTERM does',
      handle: () => {
        setImmediate(requestStop);
        return { status: 200, contentType: 'text/plain', body: 'stopping\n' };
      },
    },
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

function workerConfig({ config, logFd }: WaypointOptions): Omit<WorkerConfig, 'index'> {
  const { accessLog } = config;
  return {
    network: config.network,
    trustDomain: config.trustDomain,
    accessLog:
      accessLog === 'off'
        ? { kind: 'off' }
        : accessLog === 'stdout'
          ? { kind: 'fd', fd: logFd }
          : { kind: 'file', path: accessLog },
    accessLogFormat: config.logFormat,
    logFd,
    logFormat: config.logFormat,
    logFilter: config.logFilter,
  };
}
