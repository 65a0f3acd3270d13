import { parentPort, workerData } from 'node:worker_threads';
import { DirectReads, readDirectly, ReadPace, sendDirectly } from '@ambit/mesh/hbone';
import { ReadySockets, selfTestNodeInternals, sendBytes } from '@ambit/mesh/linux';
import {
  answerWorkerCalls,
  atTurnEnd,
  bug,
  createLineSink,
  createRootLogger,
  type LineSink,
  openAccessLog,
  postWorkerEvent,
  recordCpuProfile,
  RestingHeap,
  type RootLogger,
  systemClock,
  type WorkerHandlers,
  writeSnapshot,
} from '@ambit/mesh/runtime';
import { createDnsLookup } from '../names/dns-lookup.ts';
import { DataPlane } from './data-plane.ts';
import type { WorkerCalls, WorkerConfig, WorkerEvent } from './worker-protocol.ts';

const silentSink: LineSink = { write: () => {}, dropped: 0, flush: async () => {}, flushSync: () => {} };

/**
 * A data worker: answers the main thread's requests until that ends it. Anything uncaught here ends the whole
 * process, so that captured traffic is refused until the agent is started again.
 */
export async function runWorkerThread({ threadCpuUsage }: Pick<NodeJS.Process, 'threadCpuUsage'>): Promise<void> {
  const port = parentPort ?? bug('a data worker runs in a worker thread');
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- made by WorkerPool of this very program
  const config = workerData as WorkerConfig;
  const clock = systemClock;
  selfTestNodeInternals();
  sendDirectly(sendBytes);
  const pace = new ReadPace(() => clock.monotonic());
  readDirectly(new DirectReads((listener) => new ReadySockets(listener), atTurnEnd, pace));
  const logger = await createRootLogger({
    format: config.logFormat,
    filter: config.logFilter,
    sink: createLineSink({ fd: config.logFd, clock }),
    clock,
    scope: 'proxy',
  });
  const accessLog = openAccessLog(config.accessLog, clock) ?? silentSink;
  const plane = new DataPlane({
    index: config.index,
    clock,
    logger,
    log: logger,
    settings: config.settings,
    accessLog,
    accessLogFormat: config.accessLogFormat,
    logFilter: config.logFilter,
    random: Math.random,
    channel: config.channel,
    threadCpuUs: () => {
      const { user, system } = threadCpuUsage();
      return user + system;
    },
    lookUpName: createDnsLookup(),
    askForNames: (names) => postWorkerEvent(port, { kind: 'wanted', names } satisfies WorkerEvent),
  });
  const heap = new RestingHeap(clock);
  const handlers: WorkerHandlers<WorkerCalls> = {
    'adopt-view': plane['adopt-view'],
    'answer-names': plane['answer-names'],
    'set-svid': plane['set-svid'],
    'forget-svid': plane['forget-svid'],
    'set-revocations': plane['set-revocations'],
    'add-pod': plane['add-pod'],
    'share-listeners': plane['share-listeners'],
    'hand-over': plane['hand-over'],
    'resume-pod': plane['resume-pod'],
    'stop-accepting': plane['stop-accepting'],
    'remove-pod': plane['remove-pod'],
    metrics: plane.metrics,
    connections: plane.connections,
    workloads: plane.workloads,
    'take-spans': plane['take-spans'],
    'heap-snapshot': ({ directory }) => writeSnapshot(directory, `data-${config.index}`, clock.now()),
    'cpu-profile': ({ durationMs }) => recordCpuProfile(durationMs, (ms) => clock.sleep(ms)),
    'compact-heap': () => {
      heap.compact();
      return null;
    },
    'set-log-filter': ({ filter }) => {
      logger.setFilter(filter);
      return plane['set-log-filter']({ filter });
    },
    stop: ({ drainMs }) => stop(plane, drainMs, accessLog, logger),
  };
  answerWorkerCalls<WorkerCalls>(port, handlers);
}

async function stop(plane: DataPlane, drainMs: number, accessLog: LineSink, logger: RootLogger): Promise<null> {
  await plane.drain(drainMs);
  await Promise.all([accessLog.flush(), logger.flush()]);
  return null;
}
