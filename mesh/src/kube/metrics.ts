import { counter, type MetricSpec } from '../runtime/metrics.ts';

/** What calls of the API server come to. */
export const KUBE_CLIENT_METRICS: { readonly apiErrors: MetricSpec<'counter'> } = {
  apiErrors: counter({
    name: 'ambit_kube_api_errors_total',
    help: 'Calls of the Kubernetes API server that did not succeed, by verb and error code; watches count when they break.',
    labels: ['verb', 'code'],
  }),
};
