import { counter, gauge, type MetricSpec } from '../runtime/metrics.ts';

/** What calls of the API server come to. */
export const KUBE_CLIENT_METRICS: { readonly apiErrors: MetricSpec<'counter'> } = {
  apiErrors: counter({
    name: 'ambit_kube_api_errors_total',
    help: 'Calls of the Kubernetes API server that did not succeed, by verb and error code; watches count when they break.',
    labels: ['verb', 'code'],
  }),
};

/** Read from the stores at each scrape. */
export const kubeObjectsMetric: MetricSpec<'gauge'> = gauge({
  name: 'ambit_kube_objects',
  help: 'Objects of the Kubernetes API server that are known, by kind.',
  labels: ['kind'],
});

/** How the API server is followed. */
export const KUBE_SOURCE_METRICS: {
  readonly relists: MetricSpec<'counter'>;
  readonly watchRestarts: MetricSpec<'counter'>;
} = {
  relists: counter({
    name: 'ambit_kube_relists_total',
    help: 'Lists after the first one, because a watch could not be continued, by kind.',
    labels: ['kind'],
  }),
  watchRestarts: counter({
    name: 'ambit_kube_watch_restarts_total',
    help: 'Watches begun again because they broke or fell silent, by kind; those that the API server ended are not counted.',
    labels: ['kind'],
  }),
};
