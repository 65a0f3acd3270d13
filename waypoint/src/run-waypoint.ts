import {
  createLineSink,
  createRootLogger,
  type MainContext,
  runMain,
  systemClock,
  UsageError,
} from '@ambit/mesh/runtime';
import { createWaypoint } from './app.ts';
import { parseConfig, usage } from './config.ts';

const VERSION = '0.1.0';

/** The main thread of the process, from its arguments to its exit code. `workerProgram` is the module of a data worker. */
export function runWaypoint(workerProgram: URL): Promise<void> {
  return runMain({
    name: 'waypoint',
    version: VERSION,
    usage: usage(),
    run: (context) => run(workerProgram, context),
  });
}

async function run(workerProgram: URL, context: MainContext): Promise<number> {
  const [extra] = context.args;
  if (extra !== undefined) throw new UsageError(`unexpected argument ${JSON.stringify(extra)}`);
  const config = parseConfig(context.environment);
  const clock = systemClock;
  const sink = createLineSink({ fd: context.logFd, clock });
  const logger = await createRootLogger({
    format: config.logFormat,
    filter: config.logFilter,
    sink,
    clock,
    scope: 'waypoint',
  });
  context.onFatal(() => logger.flushSync());
  const stop = new AbortController();
  const signal = AbortSignal.any([context.signal, stop.signal]);
  logger.info('waypoint starts', { version: VERSION, workers: config.workers });
  const stopped = Promise.withResolvers<null>();
  if (signal.aborted) stopped.resolve(null);
  signal.addEventListener('abort', () => stopped.resolve(null), { once: true });
  const starting = createWaypoint({
    config,
    workerProgram,
    version: VERSION,
    clock,
    logger,
    logFd: context.logFd,
    requestStop: () => stop.abort(),
  });
  const waypoint = await Promise.race([starting, stopped.promise]);
  if (waypoint === null) {
    // Nothing is carried yet, and what is open ends with the process.
    logger.info('waypoint stops before it runs');
    await logger.flush();
    return 0;
  }
  logger.info('waypoint runs', { addresses: waypoint.addresses });
  // A lost worker ends the process: the supervisor of the process starts a whole one.
  await Promise.race([stopped.promise, waypoint.failed]);
  logger.info('waypoint stops', { deadlineMs: config.terminationDeadlineMs });
  await waypoint.stop();
  await logger.flush();
  return 0;
}
