import { counter, histogram, type MetricSpec } from './metrics.ts';

/** Upper bounds of histograms, for milliseconds and for bytes: those that Istio's dashboards are drawn for. */
export const REQUEST_BUCKETS: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000,
  3_600_000,
];

/** What is counted of requests, whoever sees them. Names are Istio's, so that its dashboards read ours. */
export function requestMetrics(
  labels: readonly string[],
  help: { readonly requests: string; readonly duration: string },
): { readonly requests: MetricSpec<'counter'>; readonly duration: MetricSpec<'histogram'> } {
  return {
    requests: counter({ name: 'istio_requests_total', help: help.requests, labels }),
    duration: histogram({
      name: 'istio_request_duration_milliseconds',
      help: help.duration,
      labels,
      buckets: REQUEST_BUCKETS,
    }),
  };
}

/** Numbers of one histogram in a row of numbers: a sum, then its buckets, not cumulated. */
export const HISTOGRAM_COLUMNS: number = 2 + REQUEST_BUCKETS.length;

/** Counts `value` in the histogram that begins at `at`. */
export function observeAt(values: Float64Array, at: number, value: number): void {
  let bucket = 0;
  while (bucket < REQUEST_BUCKETS.length && value > (REQUEST_BUCKETS[bucket] ?? 0)) bucket += 1;
  values[at] = (values[at] ?? 0) + value;
  values[at + 1 + bucket] = (values[at + 1 + bucket] ?? 0) + 1;
}
