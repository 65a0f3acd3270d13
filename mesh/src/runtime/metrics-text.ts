import { Registry } from 'prom-client';
import type { HistogramSample, MetricFormat, MetricSample, MetricSpec } from './metrics.ts';

/** One metric with its values at the time of a scrape. */
export interface FamilySnapshot {
  readonly spec: MetricSpec;
  readonly samples: readonly MetricSample[];
  readonly histograms: readonly HistogramSample[];
}

interface ExposedValue {
  readonly metricName?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Prometheus text format 0.0.4 or OpenMetrics 1.0.0. Loaded at the first scrape only. */
export async function renderFamilies(
  families: readonly FamilySnapshot[],
  format: MetricFormat,
): Promise<{ readonly contentType: string; readonly body: string }> {
  const contentType = format === 'text' ? Registry.PROMETHEUS_CONTENT_TYPE : Registry.OPENMETRICS_CONTENT_TYPE;
  const registry = new Registry<typeof contentType>();
  registry.setContentType(contentType);
  for (const family of families) {
    const { name, help, kind } = family.spec;
    const values = kind === 'histogram' ? histogramValues(family) : sampleValues(family);
    // In OpenMetrics the family of a counter is named without the suffix its samples carry.
    const exposed = format === 'openmetrics' && kind === 'counter' ? name.replace(/_total$/, '') : name;
    const metric = {
      name: exposed,
      help,
      type: kind,
      values,
      get: () => ({ name: exposed, help, type: kind, values }),
    };
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the registry only reads the name and calls get()
    registry.registerMetric(metric as unknown as Parameters<typeof registry.registerMetric>[0]);
  }
  return { contentType, body: await registry.metrics() };
}

function sampleValues({ spec, samples }: FamilySnapshot): ExposedValue[] {
  return samples.map((sample) => ({ labels: labelsOf(spec, sample.labels), value: sample.value }));
}

function histogramValues({ spec, histograms }: FamilySnapshot): ExposedValue[] {
  return histograms.flatMap((series) => {
    const labels = labelsOf(spec, series.labels);
    let cumulated = 0;
    const buckets = series.counts.map((count, index) => {
      cumulated += count;
      const le = index < spec.buckets.length ? String(spec.buckets[index]) : '+Inf';
      return { metricName: `${spec.name}_bucket`, labels: { ...labels, le }, value: cumulated };
    });
    return [
      ...buckets,
      { metricName: `${spec.name}_sum`, labels, value: series.sum },
      { metricName: `${spec.name}_count`, labels, value: cumulated },
    ];
  });
}

function labelsOf(spec: MetricSpec, values: readonly string[]): Record<string, string> {
  return Object.fromEntries(spec.labels.map((label, index) => [label, values[index] ?? '']));
}
