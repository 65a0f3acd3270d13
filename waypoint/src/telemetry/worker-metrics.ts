import {
  CONNECTION_COUNTERS,
  countsOf,
  type HistogramSample,
  histogramsIn,
  type Metrics,
  type MetricSample,
  shareReads,
  sumSamples,
} from '@ambit/mesh/runtime';
import { revocationMetrics } from '@ambit/mesh/tls';
import type { WorkerMetrics } from '../worker/worker-protocol.ts';
import { byteMetrics } from './connection-metrics.ts';
import { requestMetrics, waypointMetrics } from './request-metrics.ts';
import { HISTOGRAM_AT, ROW_COLUMNS } from './request-table.ts';

/** Gives what every data worker counted so far. */
export type ReadWorkerMetrics = () => Promise<readonly WorkerMetrics[]>;

/** Declares the metrics of the data workers; a scrape asks `read` once. Returns what others may ask as part of a scrape. */
export function registerWorkerMetrics(metrics: Metrics, read: ReadWorkerMetrics): ReadWorkerMetrics {
  const shared = shareReads(read);
  metrics.collect(requestMetrics.requests, async () => countsOf(histograms(await shared(), 'duration')));
  for (const name of ['duration', 'requestBytes', 'responseBytes'] as const) {
    metrics.collectHistogram(requestMetrics[name], async () => histograms(await shared(), name));
  }
  for (const [at, counter] of CONNECTION_COUNTERS.entries()) {
    metrics.collect(byteMetrics[counter], async () => connectionSamples(await shared(), at));
  }
  const sum = async (of: (worker: WorkerMetrics) => number): Promise<readonly MetricSample[]> => [
    { labels: [], value: (await shared()).reduce((all, worker) => all + of(worker), 0) },
  ];
  metrics.collect(waypointMetrics.connections, () => sum(({ connections }) => connections));
  metrics.collect(waypointMetrics.accessLogDropped, () => sum(({ accessLogDropped }) => accessLogDropped));
  metrics.collect(waypointMetrics.upstreamConnections, async () => {
    const workers = await shared();
    return (['busy', 'idle'] as const).map((state) => ({
      labels: [state],
      value: workers.reduce((all, { upstream }) => all + upstream[state], 0),
    }));
  });
  metrics.collect(waypointMetrics.refusedShare, async () => {
    const workers = await shared();
    return (['memory', 'lag'] as const).map((cause) => ({
      labels: [cause],
      value: workers.reduce((all, { refusedShares }) => all + refusedShares[cause], 0) / Math.max(1, workers.length),
    }));
  });
  const sumsBy = async (
    of: (worker: WorkerMetrics) => readonly (readonly [string, number])[],
  ): Promise<readonly MetricSample[]> =>
    sumSamples((await shared()).flatMap(of).map(([label, value]) => ({ labels: [label], value })));
  metrics.collect(waypointMetrics.tunnelsRefused, () => sumsBy(({ refusals }) => refusals));
  metrics.collect(revocationMetrics.revocationRejections, () =>
    sumsBy(({ revocationRejections }) => Object.entries(revocationRejections)),
  );
  metrics.collect(waypointMetrics.mirrored, () => sumsBy(({ mirrored }) => Object.entries(mirrored)));
  metrics.collect(waypointMetrics.policyNotes, () => sumsBy(({ policyNotes }) => policyNotes));
  return shared;
}

/** One counter of connections over all workers; series that never counted anything of the kind are left out. */
function connectionSamples(workers: readonly WorkerMetrics[], at: number): readonly MetricSample[] {
  const samples = workers
    .flatMap(({ bytes }) => bytes)
    .map(({ labels, counts }) => ({ labels, value: counts[at] ?? 0 }));
  return sumSamples(samples.filter(({ value }) => value > 0));
}

/** One histogram over all workers. */
function histograms(workers: readonly WorkerMetrics[], name: keyof typeof HISTOGRAM_AT): readonly HistogramSample[] {
  const tables = workers.map(({ requests }) => requests);
  return histogramsIn(tables, ROW_COLUMNS, HISTOGRAM_AT[name]);
}
