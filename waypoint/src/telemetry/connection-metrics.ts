import { counter, type MetricSpec } from '@ambit/mesh/runtime';
import { PARTY_LABELS } from './series-labels.ts';

/** Labels of the metrics of connections, Istio's. */
export const CONNECTION_LABELS: readonly string[] = [
  ...PARTY_LABELS,
  'request_protocol',
  'response_flags',
  'connection_security_policy',
];

/** What a series of connections counts; the position is its place in a row. */
export const CONNECTION_COUNTERS = ['opened', 'closed', 'failed', 'received', 'sent'] as const;
export type ConnectionCounter = (typeof CONNECTION_COUNTERS)[number];

const labels = CONNECTION_LABELS;

/** Of what is carried as bytes; named as the node agent's. */
export const connectionMetrics: Readonly<Record<ConnectionCounter, MetricSpec<'counter'>>> = {
  opened: counter({
    name: 'istio_tcp_connections_opened_total',
    help: 'Connections of bytes that were joined to a server.',
    labels,
  }),
  closed: counter({
    name: 'istio_tcp_connections_closed_total',
    help: 'Of these, those that have ended, for whatever reason.',
    labels,
  }),
  failed: counter({
    name: 'istio_tcp_connections_failed_total',
    help: 'Connections of bytes that ended with a failure, also without ever having been joined to a server.',
    labels,
  }),
  received: counter({
    name: 'istio_tcp_received_bytes_total',
    help: 'Bytes from the source of such connections to their destination.',
    labels,
  }),
  sent: counter({
    name: 'istio_tcp_sent_bytes_total',
    help: 'Bytes from the destination of such connections to their source.',
    labels,
  }),
};
