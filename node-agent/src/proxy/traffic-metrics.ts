import { type ConnectionCounter, connectionMetrics, counter, gauge, type MetricSpec } from '@ambit/mesh/runtime';

/** Labels of every traffic metric, in the order of Istio's (protocol.md 4.2), so that its dashboards read ours. */
export const TRAFFIC_LABELS: readonly string[] = [
  'reporter',
  'source_workload',
  'source_canonical_service',
  'source_canonical_revision',
  'source_workload_namespace',
  'source_principal',
  'source_app',
  'source_version',
  'source_cluster',
  'destination_service',
  'destination_service_namespace',
  'destination_service_name',
  'destination_workload',
  'destination_canonical_service',
  'destination_canonical_revision',
  'destination_workload_namespace',
  'destination_principal',
  'destination_app',
  'destination_version',
  'destination_cluster',
  'request_protocol',
  'response_flags',
  'connection_security_policy',
  'source_region',
  'source_zone',
  'destination_region',
  'destination_zone',
];

/** The traffic metrics of the node agent. */
export const trafficMetrics: Readonly<Record<ConnectionCounter, MetricSpec<'counter'>>> = connectionMetrics(
  TRAFFIC_LABELS,
  {
    opened: 'Connections opened.',
    closed: 'Connections closed, for whatever reason.',
    failed: 'Connections that ended with a failure or refusal.',
    received: 'Bytes from the source of the connection to its destination.',
    sent: 'Bytes from the destination of the connection to its source.',
  },
);

/** What else the data workers count. */
export const dataPlaneMetrics: {
  readonly socketsOpen: MetricSpec<'gauge'>;
  readonly accessLogDropped: MetricSpec<'counter'>;
  readonly sameNode: MetricSpec<'counter'>;
  readonly refusals: MetricSpec<'counter'>;
  readonly policyCuts: MetricSpec<'counter'>;
  readonly dryRun: MetricSpec<'counter'>;
  readonly probes: MetricSpec<'counter'>;
  readonly onDemandDns: MetricSpec<'counter'>;
  readonly revocationUntracked: MetricSpec<'counter'>;
} = {
  socketsOpen: gauge({ name: 'istio_tcp_sockets_open', help: 'Connections being carried now.', labels: ['reporter'] }),
  accessLogDropped: counter({
    name: 'ambit_access_log_dropped_total',
    help: 'Access log lines dropped because the output was slower than the traffic.',
  }),
  sameNode: counter({
    name: 'ambit_same_node_connections_total',
    help: 'Connections between two pods here that were carried from socket to socket, without encryption.',
  }),
  refusals: counter({
    name: 'ambit_connections_refused_total',
    help: 'Connections refused, by the reason the agent logged.',
    labels: ['direction', 'reason'],
  }),
  policyCuts: counter({
    name: 'ambit_connections_cut_total',
    help: 'Live connections cut, by cause.',
    labels: ['cause'],
  }),
  dryRun: counter({
    name: 'ambit_policy_dry_run_total',
    help: 'Connections a dry-run policy would have decided otherwise.',
    labels: ['action'],
  }),
  probes: counter({
    name: 'ambit_probes_total',
    help: 'Connections from the node that policy refuses and that were served as a declared probe.',
    labels: ['kind', 'result'],
  }),
  onDemandDns: counter({
    name: 'istio_on_demand_dns_total',
    help: 'Names of workloads looked up because somebody connected to one.',
  }),
  revocationUntracked: counter({
    name: 'istio_crl_untracked_connections_total',
    help: 'Always 0: a tunnel connection whose peer could not be found in a later revocation list is refused.',
    labels: ['reporter'],
  }),
};
