import { counter, gauge, type MetricSpec } from '@ambit/mesh/runtime';

/** What the main thread counts. */
export const agentMetrics: {
  readonly activeProxies: MetricSpec<'gauge'>;
  readonly pendingProxies: MetricSpec<'gauge'>;
  readonly proxiesStarted: MetricSpec<'counter'>;
  readonly proxiesStopped: MetricSpec<'counter'>;
  readonly takenOver: MetricSpec<'counter'>;
  readonly handedOver: MetricSpec<'counter'>;
  readonly lent: MetricSpec<'gauge'>;
  readonly controllerConnected: MetricSpec<'gauge'>;
  readonly controllerFailures: MetricSpec<'counter'>;
  readonly xdsTerminations: MetricSpec<'counter'>;
  readonly xdsMessages: MetricSpec<'counter'>;
  readonly xdsMessageBytes: MetricSpec<'counter'>;
  readonly xdsRefused: MetricSpec<'counter'>;
  readonly policyStandIns: MetricSpec<'gauge'>;
  readonly outsideRanges: MetricSpec<'gauge'>;
  readonly certificates: MetricSpec<'gauge'>;
  readonly certificateFailures: MetricSpec<'counter'>;
  readonly traceSpans: MetricSpec<'counter'>;
  readonly build: MetricSpec<'gauge'>;
} = {
  activeProxies: gauge({ name: 'ambit_pods_active', help: 'Pods whose ports are open.' }),
  pendingProxies: gauge({ name: 'ambit_pods_pending', help: 'Pods whose ports could not be opened yet.' }),
  proxiesStarted: counter({ name: 'ambit_pods_started_total', help: 'Pod proxies started.' }),
  proxiesStopped: counter({ name: 'ambit_pods_stopped_total', help: 'Pod proxies stopped.' }),
  takenOver: counter({
    name: 'ambit_pods_taken_over_total',
    help: 'Pods whose listening sockets were taken over from the agent before.',
  }),
  handedOver: counter({
    name: 'ambit_pods_handed_over_total',
    help: 'Pods whose listening sockets the agent after has taken over.',
  }),
  lent: gauge({
    name: 'ambit_pods_lent',
    help: 'Pods another agent accepts for, which come back to this one should that fail.',
  }),
  controllerConnected: gauge({
    name: 'ambit_controller_connected',
    help: 'Whether the discovery stream to the controller is open.',
  }),
  controllerFailures: counter({
    name: 'ambit_controller_failures_total',
    help: 'Discovery streams and certificate requests that failed, by what the controller said.',
    labels: ['service', 'code'],
  }),
  xdsTerminations: counter({
    name: 'istio_xds_connection_terminations_total',
    help: 'Ends of the connection to the controller.',
    labels: ['reason'],
    initial: [['clean'], ['error']],
  }),
  xdsMessages: counter({ name: 'istio_xds_message_total', help: 'Responses of the controller.', labels: ['url'] }),
  xdsMessageBytes: counter({
    name: 'istio_xds_message_bytes_total',
    help: 'Bytes of pushed resources.',
    labels: ['url'],
  }),
  xdsRefused: counter({
    name: 'ambit_xds_resources_refused_total',
    help: 'Pushed resources refused; their last good version stays in force.',
    labels: ['url'],
  }),
  policyStandIns: gauge({
    name: 'ambit_policies_unreadable',
    help: 'Policies that were never readable: everything is denied where they would hold.',
  }),
  outsideRanges: gauge({
    name: 'ambit_workloads_outside_ranges',
    help: 'Enrolled workloads outside the ranges of the mesh: new ones there are called in plaintext until they are known.',
  }),
  certificates: gauge({
    name: 'ambit_certificates',
    help: 'Identities with pods here, by state of their certificate.',
    labels: ['state'],
  }),
  certificateFailures: counter({
    name: 'ambit_certificate_request_failures_total',
    help: 'Certificate requests that failed and are tried again.',
  }),
  traceSpans: counter({
    name: 'ambit_trace_spans_total',
    help: 'Spans of recorded connections, by what became of them: exported, failed or dropped.',
    labels: ['result'],
  }),
  build: gauge({ name: 'ambit_build_info', help: 'Version of this process.', labels: ['component', 'version'] }),
};
