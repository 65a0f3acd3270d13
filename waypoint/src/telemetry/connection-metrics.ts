import { type ConnectionCounter, connectionMetrics, type MetricSpec } from '@ambit/mesh/runtime';
import { PARTY_LABELS } from './series-labels.ts';

/** Labels of the metrics of connections, Istio's. */
export const CONNECTION_LABELS: readonly string[] = [
  ...PARTY_LABELS,
  'request_protocol',
  'response_flags',
  'connection_security_policy',
];

/** Of what is carried as bytes. */
export const byteMetrics: Readonly<Record<ConnectionCounter, MetricSpec<'counter'>>> = connectionMetrics(
  CONNECTION_LABELS,
  {
    opened: 'Connections of bytes that were joined to a server.',
    closed: 'Of these, those that have ended, for whatever reason.',
    failed: 'Connections of bytes that ended with a failure, also without ever having been joined to a server.',
    received: 'Bytes from the source of such connections to their destination.',
    sent: 'Bytes from the destination of such connections to their source.',
  },
);
