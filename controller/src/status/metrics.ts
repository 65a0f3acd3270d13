import { type Counter, counter, type Gauge, gauge, type Metrics } from '@ambit/mesh/runtime';

/** What the writer of statuses counts. */
export interface StatusMetrics {
  readonly writes: Counter;
  readonly pending: Gauge;
}

export type WriteResult = 'written' | 'unchanged' | 'gone' | 'conflict' | 'refused';

const RESULTS: readonly WriteResult[] = ['written', 'unchanged', 'gone', 'conflict', 'refused'];

export function createStatusMetrics(metrics: Metrics): StatusMetrics {
  return metrics.register({
    writes: counter({
      name: 'ambit_status_writes_total',
      help: 'Statuses compared with the API server, by what came of it.',
      labels: ['result'],
      initial: RESULTS.map((result) => [result]),
    }),
    pending: gauge({ name: 'ambit_status_pending', help: 'Objects whose status is still to be compared and written.' }),
  });
}
