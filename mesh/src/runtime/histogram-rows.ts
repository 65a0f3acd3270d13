import type { HistogramSample, MetricSample } from './metrics.ts';
import { HISTOGRAM_COLUMNS } from './request-metrics.ts';
import type { SeriesSnapshot } from './series-rows.ts';
import { sumHistograms } from './sum-samples.ts';

/** One histogram, which begins at column `at` of rows of `columns` numbers, over several tables: one sample for all of the same labels. */
export function histogramsIn(
  tables: readonly SeriesSnapshot[],
  columns: number,
  at: number,
): readonly HistogramSample[] {
  const samples = tables.flatMap(({ labels: series, values }) =>
    series.map((labels, row) => {
      const begin = row * columns + at;
      return {
        labels,
        sum: values[begin] ?? 0,
        counts: [...values.subarray(begin + 1, begin + HISTOGRAM_COLUMNS)],
      };
    }),
  );
  return sumHistograms(samples);
}

/** How many values each histogram counted. */
export function countsOf(histograms: readonly HistogramSample[]): readonly MetricSample[] {
  return histograms.map(({ labels, counts }) => ({ labels, value: counts.reduce((sum, count) => sum + count, 0) }));
}
