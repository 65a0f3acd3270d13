import type { MetricSample } from './metrics.ts';

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
