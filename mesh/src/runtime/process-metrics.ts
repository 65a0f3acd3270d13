import { readdir, readFile } from 'node:fs/promises';
import type { RootLogger } from './root-logger.ts';
import { counter, gauge, type Metrics, type MetricSample, type MetricSpec } from './metrics.ts';

/** Kernel clock ticks per second in /proc, the same on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
const KIB = 1024;

/**
 * Descriptors, memory and CPU time of this process, named as other Prometheus clients name them, and `ambit_build_info`. Read
 * from /proc at each scrape; absent where there is no /proc.
 */
export function registerProcessMetrics(
  metrics: Metrics,
  build: { readonly component: string; readonly version: string },
): void {
  metrics
    .register({
      build: gauge({ name: 'ambit_build_info', help: 'Always 1.', labels: ['component', 'version'] }),
    })
    .build.set([build.component, build.version], 1);
  metrics.collect(gauge({ name: 'process_open_fds', help: 'Open file descriptors.' }), () =>
    one(async () => (await readdir('/proc/self/fd')).length),
  );
  metrics.collect(gauge({ name: 'process_max_fds', help: 'Limit of open file descriptors.' }), () =>
    one(async () => numberIn('/proc/self/limits', /^Max open files\s+(\d+)/m)),
  );
  metrics.collect(gauge({ name: 'process_resident_memory_bytes', help: 'Resident memory.' }), () =>
    one(async () => (await numberIn('/proc/self/status', /^VmRSS:\s+(\d+) kB/m)) * KIB),
  );
  metrics.collect(gauge({ name: 'process_anonymous_memory_bytes', help: 'Resident memory that is no file.' }), () =>
    one(async () => (await numberIn('/proc/self/status', /^RssAnon:\s+(\d+) kB/m)) * KIB),
  );
  metrics.collect(counter({ name: 'process_cpu_seconds_total', help: 'CPU time, user and system.' }), () =>
    one(cpuSeconds),
  );
}

/** What `registerLogMetrics` declares. */
export const logMetrics: Readonly<Record<'dropped' | 'suppressed', MetricSpec<'counter'>>> = {
  dropped: counter({ name: 'ambit_log_lines_dropped_total', help: 'Log lines lost to a slow reader.' }),
  suppressed: counter({
    name: 'ambit_log_lines_suppressed_total',
    help: 'Log lines left out since there were too many of their kind; one line a minute tells how many.',
  }),
};

/**
 * Log lines that were lost because their reader was too slow, and those left out since there were too many of their kind:
 * `elsewhere` gives the number of the latter in other threads.
 */
export function registerLogMetrics(
  metrics: Metrics,
  logger: Pick<RootLogger, 'dropped' | 'suppressed'>,
  elsewhere: () => Promise<number> = async () => 0,
): void {
  metrics.collect(logMetrics.dropped, () => [{ labels: [], value: logger.dropped }]);
  metrics.collect(logMetrics.suppressed, () => one(async () => logger.suppressed + (await elsewhere())));
}

async function cpuSeconds(): Promise<number> {
  const text = await readFile('/proc/self/stat', 'utf8');
  // The second field is the name in brackets, which may hold blanks; utime and stime are the 14th and 15th.
  const [utime = '', stime = ''] = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13);
  return (Number(utime) + Number(stime)) / TICKS_PER_SECOND;
}

async function numberIn(path: string, pattern: RegExp): Promise<number> {
  const value = Number(pattern.exec(await readFile(path, 'utf8'))?.[1]);
  if (Number.isNaN(value)) throw new RangeError(`${path} has no such line`);
  return value;
}

async function one(read: () => Promise<number>): Promise<readonly MetricSample[]> {
  try {
    return [{ labels: [], value: await read() }];
  } catch {
    return []; // Not Linux, or no /proc: no value rather than a wrong one.
  }
}
