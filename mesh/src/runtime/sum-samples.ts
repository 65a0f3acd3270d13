import type { HistogramSample, MetricSample } from './metrics.ts';

/** One sample for all of the same labels, in the order in which they come first. */
export function sumSamples(samples: readonly MetricSample[]): readonly MetricSample[] {
  const sums = new Map<string, { labels: readonly string[]; value: number }>();
  for (const { labels, value } of samples) {
    const key = labels.join('\u0000');
    const sum = sums.get(key);
    if (sum === undefined) sums.set(key, { labels, value });
    else sum.value += value;
  }
  return [...sums.values()];
}

/** As `sumSamples`, for histograms of the same buckets. */
export function sumHistograms(samples: readonly HistogramSample[]): readonly HistogramSample[] {
  const sums = new Map<string, { readonly labels: readonly string[]; readonly counts: number[]; sum: number }>();
  for (const { labels, counts, sum } of samples) {
    const key = labels.join('\u0000');
    const series = sums.get(key);
    if (series === undefined) {
      sums.set(key, { labels, counts: [...counts], sum });
      continue;
    }
    series.sum += sum;
    for (const [bucket, count] of counts.entries()) series.counts[bucket] = (series.counts[bucket] ?? 0) + count;
  }
  return [...sums.values()];
}
