import { MIRROR_OUTCOMES } from '../http/mirror-budget.ts';
import { PARTY_LABELS } from './series-labels.ts';
import {
  counter,
  gauge,
  histogram,
  type MetricSpec,
  REQUEST_BUCKETS,
  requestMetrics as requestSpecs,
} from '@ambit/mesh/runtime';

/** Labels of every request metric, Istio's, so that its dashboards read ours. */
export const REQUEST_LABELS: readonly string[] = [
  ...PARTY_LABELS,
  'request_protocol',
  'response_code',
  'grpc_response_status',
  'response_flags',
  'connection_security_policy',
];

const labels = REQUEST_LABELS;
const buckets = REQUEST_BUCKETS;

export const requestMetrics: {
  readonly requests: MetricSpec<'counter'>;
  readonly duration: MetricSpec<'histogram'>;
  readonly requestBytes: MetricSpec<'histogram'>;
  readonly responseBytes: MetricSpec<'histogram'>;
} = {
  ...requestSpecs(labels, {
    requests: 'Requests that have been answered or given up.',
    duration: 'From the head of a request to the end of its answer.',
  }),
  requestBytes: histogram({ name: 'istio_request_bytes', help: 'Bytes of request bodies.', labels, buckets }),
  responseBytes: histogram({ name: 'istio_response_bytes', help: 'Bytes of the bodies of answers.', labels, buckets }),
};

/** What else a waypoint counts. */
export const waypointMetrics: {
  readonly connections: MetricSpec<'gauge'>;
  readonly upstreamConnections: MetricSpec<'gauge'>;
  readonly tunnelsRefused: MetricSpec<'counter'>;
  readonly accessLogDropped: MetricSpec<'counter'>;
  readonly policyNotes: MetricSpec<'counter'>;
  readonly refusedShare: MetricSpec<'gauge'>;
  readonly mirrored: MetricSpec<'counter'>;
  readonly controllerConnected: MetricSpec<'gauge'>;
  readonly build: MetricSpec<'gauge'>;
} = {
  connections: gauge({
    name: 'ambit_waypoint_connections',
    help: 'Connections of clients, each in a tunnel of its own.',
  }),
  upstreamConnections: gauge({
    name: 'ambit_waypoint_upstream_connections',
    help: 'Connections to servers.',
    labels: ['state'],
    initial: [['busy'], ['idle']],
  }),
  tunnelsRefused: counter({
    name: 'ambit_waypoint_tunnels_refused_total',
    help: 'Tunnels of clients that were refused, by reason.',
    labels: ['reason'],
  }),
  accessLogDropped: counter({
    name: 'ambit_access_log_dropped_total',
    help: 'Access log lines dropped because the output was slower than the traffic.',
  }),
  policyNotes: counter({
    name: 'ambit_waypoint_policy_notes_total',
    help: 'What policies had to tell that decide nothing: those of action Audit, and those in dry run.',
    labels: ['effect'],
    initial: [['audit'], ['dry-run-allow'], ['dry-run-deny']],
  }),
  refusedShare: gauge({
    name: 'ambit_waypoint_refused_share',
    help: 'Share of new requests that is refused so that the waypoint stays alive, 0 to 1, by cause: memory or lag.',
    labels: ['cause'],
    initial: [['memory'], ['lag']],
  }),
  mirrored: counter({
    name: 'ambit_waypoint_mirrored_requests_total',
    help: 'Copies of requests, by outcome: answered, failed, slow (given up), cut (as the request was), too-many (not begun).',
    labels: ['outcome'],
    initial: MIRROR_OUTCOMES.map((outcome) => [outcome]),
  }),
  controllerConnected: gauge({
    name: 'ambit_controller_connected',
    help: 'Whether the discovery stream to the controller is open; 1 with a configuration from a file.',
  }),
  build: gauge({ name: 'ambit_build_info', help: 'Version of this process.', labels: ['component', 'version'] }),
};
