import { type Counter, counter, type Gauge, gauge, type Histogram, histogram, type Metrics } from '@ambit/mesh/runtime';

/** What the way from objects to resources counts. */
export interface PipelineMetrics {
  readonly resources: Gauge;
  readonly problems: Gauge;
  readonly objectChanges: Counter;
  readonly commitSeconds: Histogram;
}

export function createPipelineMetrics(metrics: Metrics): PipelineMetrics {
  return metrics.register({
    resources: gauge({ name: 'ambit_resources', help: 'Resources now served.', labels: ['type'] }),
    problems: gauge({ name: 'ambit_source_problems', help: 'Objects that are not in force as written.' }),
    objectChanges: counter({
      name: 'ambit_source_object_changes_total',
      help: 'Objects added, changed or removed at the source.',
      labels: ['change'],
      initial: [['put'], ['delete']],
    }),
    commitSeconds: histogram({
      name: 'ambit_pipeline_commit_seconds',
      help: 'Time to derive, encode and hand over what one batch of changes touched.',
      buckets: [0.001, 0.01, 0.1, 1, 10],
    }),
  });
}
