import { counter, type MetricSpec, requestMetrics as requestSpecs } from '@ambit/mesh/runtime';
import { TRAFFIC_LABELS } from '../proxy/traffic-metrics.ts';

/** Labels of every request metric: those of connections, and what a request was answered with. */
export const REQUEST_LABELS: readonly string[] = [...TRAFFIC_LABELS, 'response_code', 'grpc_response_status'];

/** The request metrics of the node agent. A waypoint has the same names, and another `reporter`. */
export const requestMetrics: ReturnType<typeof requestSpecs> & { readonly unread: MetricSpec<'counter'> } = {
  ...requestSpecs(REQUEST_LABELS, {
    requests: 'Requests read in passing on plaintext connections of applications that no waypoint stands between.',
    duration: 'From the first byte of a request to the last of its answer.',
  }),
  unread: counter({
    name: 'ambit_connections_unread_total',
    help: 'Connections whose requests are not counted, or not any more, by why.',
    labels: ['reporter', 'reason'],
  }),
};
