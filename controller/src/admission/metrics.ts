import { type Counter, counter, type Histogram, histogram, type Metrics } from '@ambit/mesh/runtime';

/** What the admission webhook counts. */
export interface AdmissionMetrics {
  readonly reviews: Counter;
  readonly warnings: Counter;
  readonly seconds: Histogram;
  readonly caBundleWrites: Counter;
}

export type ReviewResult = 'allowed' | 'refused' | 'malformed' | 'too-large' | 'failed';

const RESULTS: readonly ReviewResult[] = ['allowed', 'refused', 'malformed', 'too-large', 'failed'];

export function createAdmissionMetrics(metrics: Metrics): AdmissionMetrics {
  return metrics.register({
    reviews: counter({
      name: 'ambit_admission_reviews_total',
      help: 'Questions of the API server to the admission webhook, by how they were answered.',
      labels: ['result'],
      initial: RESULTS.map((result) => [result]),
    }),
    warnings: counter({
      name: 'ambit_admission_warnings_total',
      help: 'Warnings in answers of the admission webhook.',
    }),
    seconds: histogram({
      name: 'ambit_admission_review_seconds',
      help: 'Time from a whole question to its answer.',
      buckets: [0.001, 0.01, 0.1, 1],
    }),
    caBundleWrites: counter({
      name: 'ambit_admission_ca_bundle_writes_total',
      help: "Writes of the webhook's roots to its configuration.",
    }),
  });
}
