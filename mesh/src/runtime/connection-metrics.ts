import { counter, type MetricSpec } from './metrics.ts';

/** What is counted of connections that are carried as bytes; the position is its place in a row of numbers. */
export const CONNECTION_COUNTERS = ['opened', 'closed', 'failed', 'received', 'sent'] as const;
export type ConnectionCounter = (typeof CONNECTION_COUNTERS)[number];

/** Their metrics. Names are Istio's where a dashboard of Istio's exists, so that it reads whatever of ours carries bytes. */
export function connectionMetrics(
  labels: readonly string[],
  help: Readonly<Record<ConnectionCounter, string>>,
): Readonly<Record<ConnectionCounter, MetricSpec<'counter'>>> {
  return {
    opened: counter({ name: 'istio_tcp_connections_opened_total', help: help.opened, labels }),
    closed: counter({ name: 'istio_tcp_connections_closed_total', help: help.closed, labels }),
    failed: counter({ name: 'istio_tcp_connections_failed_total', help: help.failed, labels }),
    received: counter({ name: 'istio_tcp_received_bytes_total', help: help.received, labels }),
    sent: counter({ name: 'istio_tcp_sent_bytes_total', help: help.sent, labels }),
  };
}
