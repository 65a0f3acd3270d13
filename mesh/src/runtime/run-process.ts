import { type Clock, systemClock } from './clock.ts';
import type { Environment } from './environment.ts';
import { createLineSink } from './line-sink.ts';
import { createRootLogger, type LogFormat, type RootLogger } from './root-logger.ts';
import { type MainContext, runMain, UsageError } from './run-main.ts';

/** What every process that runs until it is told to stop has in its configuration. */
export interface ProcessConfig {
  readonly logFilter: string;
  readonly logFormat: LogFormat;
  readonly terminationDeadlineMs: number;
}

/** What such a process is made from. */
export interface ProcessStart<Config> {
  readonly config: Config;
  readonly version: string;
  readonly clock: Clock;
  readonly logger: RootLogger;
  readonly logFd: number;
  /** Asks the process to stop in order, as SIGTERM does. */
  readonly requestStop: () => void;
}

/** What `create` gives. */
export interface RunningProcess {
  readonly addresses: unknown;
  /** Rejects when it cannot go on. */
  readonly failed: Promise<never>;
  /** Accepts nothing new, lets what is live end until the deadline of the configuration, closes. */
  stop(): Promise<void>;
}

export interface ProcessProgram<Config extends ProcessConfig> {
  /** Of the command. */
  readonly name: string;
  /** As log messages name it. */
  readonly words: string;
  readonly version: string;
  readonly usage: string;
  readonly parseConfig: (environment: Environment) => Config;
  /** What the first line of the log says beside the version. */
  readonly about: (config: Config) => Readonly<Record<string, unknown>>;
  readonly create: (start: ProcessStart<Config>) => Promise<RunningProcess>;
}

/** The main thread of a process without arguments that is configured by its environment, from its start to its exit code. */
export function runProcess<Config extends ProcessConfig>(program: ProcessProgram<Config>): Promise<void> {
  const { name, version, usage } = program;
  return runMain({ name, version, usage, run: (context) => run(program, context) });
}

async function run<Config extends ProcessConfig>(
  program: ProcessProgram<Config>,
  context: MainContext,
): Promise<number> {
  const [extra] = context.args;
  if (extra !== undefined) throw new UsageError(`unexpected argument ${JSON.stringify(extra)}`);
  const { name, words, version } = program;
  const config = program.parseConfig(context.environment);
  const clock = systemClock;
  const sink = createLineSink({ fd: context.logFd, clock });
  const { logFormat: format, logFilter: filter } = config;
  const logger = await createRootLogger({ format, filter, sink, clock, scope: name });
  context.onFatal(() => logger.flushSync());
  const stop = new AbortController();
  const signal = AbortSignal.any([context.signal, stop.signal]);
  logger.info(`${words} starts`, { version, ...program.about(config) });
  const stopped = Promise.withResolvers<null>();
  if (signal.aborted) stopped.resolve(null);
  signal.addEventListener('abort', () => stopped.resolve(null), { once: true });
  const requestStop = (): void => stop.abort();
  const starting = program.create({ config, version, clock, logger, logFd: context.logFd, requestStop });
  const running = await Promise.race([starting, stopped.promise]);
  if (running === null) {
    // Nothing is carried yet, and what is open ends with the process.
    logger.info(`${words} stops before it runs`);
    await logger.flush();
    return 0;
  }
  logger.info(`${words} runs`, { addresses: running.addresses });
  // One that cannot go on ends the process: whoever supervises it starts a whole one.
  await Promise.race([stopped.promise, running.failed]);
  logger.info(`${words} stops`, { deadlineMs: config.terminationDeadlineMs });
  await running.stop();
  await logger.flush();
  return 0;
}
