import {
  CONNECTION_COUNTERS,
  type ConnectionCounter,
  countsOf,
  HISTOGRAM_COLUMNS,
  type HistogramSample,
  histogramsIn,
  type Metrics,
  type MetricSample,
  type MetricSpec,
  shareReads,
  sumHistograms,
  sumSamples,
} from '@ambit/mesh/runtime';
import { revocationMetrics } from '@ambit/mesh/tls';
import { dnsMetrics } from '../dns/dns-metrics.ts';
import { dataPlaneMetrics, trafficMetrics } from '../proxy/traffic-metrics.ts';
import { requestMetrics } from '../requests/request-metrics.ts';
import { WORKLOAD_COUNTS, workloadMetrics } from '../accounting/workload-metrics.ts';
import type { WorkerMetrics } from '../worker/worker-protocol.ts';

/** Gives what every data worker counted so far. */
export type ReadWorkerMetrics = () => Promise<readonly WorkerMetrics[]>;

/**
 * Declares the data plane's metrics; a scrape asks the workers once, whatever number of metrics it shows. Returns what others
 * may ask as part of a scrape.
 */
export function registerWorkerMetrics(metrics: Metrics, read: ReadWorkerMetrics): ReadWorkerMetrics {
  const shared = shareReads(read);
  for (const counter of CONNECTION_COUNTERS) {
    metrics.collect(trafficMetrics[counter], async () => trafficSamples(await shared(), counter));
  }
  const durations = async (): Promise<readonly HistogramSample[]> =>
    histogramsIn(
      (await shared()).flatMap(({ requests }) => requests ?? []),
      HISTOGRAM_COLUMNS,
      0,
    );
  metrics.collect(requestMetrics.requests, async () => countsOf(await durations()));
  metrics.collectHistogram(requestMetrics.duration, durations);
  const collect = (
    spec: MetricSpec<'counter' | 'gauge'>,
    of: (worker: WorkerMetrics) => readonly MetricSample[],
  ): void => metrics.collect(spec, async () => sumSamples((await shared()).flatMap(of)));
  collect(dataPlaneMetrics.socketsOpen, ({ open }) => [
    { labels: ['source'], value: open.source },
    { labels: ['destination'], value: open.destination },
  ]);
  collect(dataPlaneMetrics.accessLogDropped, (worker) => [{ labels: [], value: worker.accessLogDropped }]);
  collect(dataPlaneMetrics.sameNode, ({ sameNode }) => [{ labels: [], value: sameNode }]);
  collect(dataPlaneMetrics.refusals, ({ refusals }) =>
    refusals.map(([direction, reason, value]) => ({ labels: [direction, reason], value })),
  );
  collect(requestMetrics.unread, ({ unread }) =>
    unread.map(([reporter, reason, value]) => ({ labels: [reporter, reason], value })),
  );
  collect(dataPlaneMetrics.policyCuts, ({ cuts }) => cuts.map(([cause, value]) => ({ labels: [cause], value })));
  collect(dataPlaneMetrics.probes, ({ probes }) =>
    probes.map(([kind, result, value]) => ({ labels: [kind, result], value })),
  );
  collect(dataPlaneMetrics.onDemandDns, ({ nameLookups }) => [{ labels: [], value: nameLookups }]);
  collect(dataPlaneMetrics.dryRun, ({ dryRun }) => dryRun.map(([action, value]) => ({ labels: [action], value })));
  collect(revocationMetrics.revocationRejections, ({ revocationRejections: { source, destination } }) => [
    { labels: ['source'], value: source },
    { labels: ['destination'], value: destination },
  ]);
  metrics.collect(dataPlaneMetrics.revocationUntracked, () =>
    ['source', 'destination'].map((reporter) => ({ labels: [reporter], value: 0 })),
  );
  for (const name of WORKLOAD_COUNTS) {
    collect(workloadMetrics[name], ({ workloads }) =>
      workloads.map((usage) => ({ labels: [usage.namespace, usage.workload, usage.pod], value: usage[name] })),
    );
  }
  registerDnsMetrics(metrics, shared);
  return shared;
}

function registerDnsMetrics(metrics: Metrics, read: ReadWorkerMetrics): void {
  for (const name of ['requests', 'forwarded', 'failed'] as const) {
    metrics.collect(dnsMetrics[name], async () =>
      sumSamples((await read()).flatMap(({ dns }) => dns.map((row) => ({ labels: row.labels, value: row[name] })))),
    );
  }
  metrics.collectHistogram(dnsMetrics.duration, async () =>
    sumHistograms((await read()).flatMap(({ dns }) => dns.filter(({ forwarded }) => forwarded > 0))),
  );
}

/** The samples of one traffic counter over all workers; series that never counted anything of the kind are left out. */
export function trafficSamples(
  workers: readonly Pick<WorkerMetrics, 'traffic'>[],
  counter: ConnectionCounter,
): readonly MetricSample[] {
  const column = CONNECTION_COUNTERS.indexOf(counter);
  const samples = workers.flatMap(({ traffic }) =>
    traffic.labels.map((labels, row) => ({
      labels,
      value: traffic.values[row * CONNECTION_COUNTERS.length + column] ?? 0,
    })),
  );
  return sumSamples(samples.filter(({ value }) => value > 0));
}
