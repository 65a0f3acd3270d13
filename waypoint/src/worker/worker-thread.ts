import { networkInterfaces } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { type IpAddress, parseIpAddress } from '@ambit/mesh/model';
import {
  answerWorkerCalls,
  bug,
  collectGarbage,
  createLineSink,
  createRootLogger,
  memoryUse,
  openAccessLog,
  RestingHeap,
  systemClock,
} from '@ambit/mesh/runtime';
import { withConnections } from '../overload/memory-budget.ts';
import { OverloadGuard } from '../overload/overload-guard.ts';
import { DataPlane } from './data-plane.ts';
import type { WorkerCalls, WorkerConfig } from './worker-protocol.ts';

/**
 * A data worker: answers the main thread's requests until that ends it. Anything uncaught here ends the whole process: whoever
 * supervises it starts a whole one.
 */
export async function runWorkerThread(): Promise<void> {
  const port = parentPort ?? bug('a data worker runs in a worker thread');
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- made by WorkerPool of this very program
  const config = workerData as WorkerConfig;
  const clock = systemClock;
  const logger = await createRootLogger({
    format: config.logFormat,
    filter: config.logFilter,
    sink: createLineSink({ fd: config.logFd, clock }),
    clock,
    scope: 'proxy',
  });
  const accessLog = openAccessLog(config.accessLog, clock) ?? null;
  const overload = new OverloadGuard({
    clock,
    logger,
    random: Math.random,
    budgetBytes: config.memoryBudgetBytes,
    memoryUse: () => withConnections(memoryUse(), plane.tlsConnectionCount),
    collectGarbage,
    relieve: (bytes) => plane.relieve(bytes),
    heldBytes: () => plane.heldBytes,
  });
  const plane: DataPlane = new DataPlane({
    clock,
    logger,
    log: logger,
    config,
    accessLog,
    random: Math.random,
    ownAddresses: ownAddresses(),
    overload,
  });
  const heap = new RestingHeap(clock);
  answerWorkerCalls<WorkerCalls>(port, {
    configure: plane.configure,
    'set-backends': plane['set-backends'],
    'set-session-keys': plane['set-session-keys'],
    'set-svid': plane['set-svid'],
    'set-revocations': plane['set-revocations'],
    listen: plane.listen,
    metrics: plane.metrics,
    endpoints: plane.endpoints,
    'dump-config': plane.dumpConfig,
    'compact-heap': () => {
      heap.compact();
      return null;
    },
    'set-log-filter': ({ filter }) => {
      logger.setFilter(filter);
      return null;
    },
    stop: async ({ drainMs }) => {
      await plane.drain(drainMs);
      overload[Symbol.dispose]();
      await Promise.all([accessLog?.flush(), logger.flush()]);
      return null;
    },
  });
}

/** A pod keeps its addresses for life. */
function ownAddresses(): readonly IpAddress[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal }) => !internal)
    .map(({ address }) => parseIpAddress(address));
}
