import { counter, histogram, type MetricSpec } from '@ambit/mesh/runtime';

/** Labels of every DNS metric, in the order of Istio's (protocol.md 4.2). */
const labels = ['request_query_type', 'request_protocol', 'source_canonical_service', 'source_canonical_revision'];

/** Upper bounds in seconds: Istio's. */
export const DNS_DURATION_BUCKETS_S: readonly number[] = [0.0005, 0.001, 0.01, 0.1, 1, 5];

export const dnsMetrics: {
  readonly requests: MetricSpec<'counter'>;
  readonly forwarded: MetricSpec<'counter'>;
  readonly failed: MetricSpec<'counter'>;
  readonly duration: MetricSpec<'histogram'>;
} = {
  requests: counter({ name: 'istio_dns_requests_total', help: 'Questions of pods to the DNS proxy.', labels }),
  forwarded: counter({
    name: 'istio_dns_upstream_requests_total',
    help: 'Questions that were forwarded to name servers.',
    labels,
  }),
  failed: counter({
    name: 'istio_dns_upstream_failures_total',
    help: 'Forwarded questions that no name server answered in time.',
    labels,
  }),
  duration: histogram({
    name: 'istio_dns_upstream_request_duration_seconds',
    help: 'Time until forwarded questions were answered or given up.',
    labels,
    buckets: DNS_DURATION_BUCKETS_S,
  }),
};
