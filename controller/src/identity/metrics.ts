import { type Counter, counter, type Metrics } from '@ambit/mesh/runtime';

/** What the identity side counts. */
export interface IdentityMetrics {
  /** By kind: `workload` or `node`. */
  readonly issued: Counter;
  /** By kind and reason. */
  readonly refused: Counter;
}

export function createIdentityMetrics(metrics: Metrics): IdentityMetrics {
  return metrics.register({
    issued: counter({
      name: 'ambit_certificates_issued_total',
      help: 'Certificates issued.',
      labels: ['kind'],
      initial: [['workload'], ['node']],
    }),
    refused: counter({
      name: 'ambit_certificates_refused_total',
      help: 'Requests for certificates that were refused, by reason.',
      labels: ['kind', 'reason'],
    }),
  });
}
