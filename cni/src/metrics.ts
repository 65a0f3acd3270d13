import { counter, gauge, histogram, type Instruments, type MetricSpec } from '@ambit/mesh/runtime';

/** Results of a request to a node agent, as metric labels. */
export type AgentAnswer = 'done' | 'refused' | 'failed';

/** Read from the pods themselves at each scrape. */
export const podsMetric: MetricSpec<'gauge'> = gauge({
  name: 'ambit_cni_pods',
  help: 'Pods of this node that are enrolled, wait to be, or wait to be released.',
  labels: ['state'],
});

/** Read from what is known of pods at each scrape. */
export const podsWarnedMetric: MetricSpec<'gauge'> = gauge({
  name: 'ambit_cni_pods_warned',
  help: 'Pods of this node with something to know of them, by what it is.',
  labels: ['reason'],
});

/** What the CNI agent counts. */
export const cniMetrics: {
  readonly redirections: MetricSpec<'counter'>;
  readonly connectionsCut: MetricSpec<'counter'>;
  readonly rulesRestored: MetricSpec<'counter'>;
  readonly agentsConnected: MetricSpec<'gauge'>;
  readonly agentRequests: MetricSpec<'counter'>;
  readonly agentConnections: MetricSpec<'counter'>;
  readonly manifestProblems: MetricSpec<'gauge'>;
  readonly pluginRequests: MetricSpec<'counter'>;
  readonly pluginSeconds: MetricSpec<'histogram'>;
  readonly pluginConnectionsRefused: MetricSpec<'counter'>;
  readonly installations: MetricSpec<'counter'>;
  readonly installed: MetricSpec<'gauge'>;
} = {
  redirections: counter({
    name: 'ambit_cni_redirections_total',
    help: 'Attempts to change the redirection of a pod.',
    labels: ['change', 'result'],
    initial: [
      ['apply', 'done'],
      ['apply', 'failed'],
      ['remove', 'done'],
      ['remove', 'failed'],
    ],
  }),
  connectionsCut: counter({
    name: 'ambit_cni_connections_cut_total',
    help: 'Connections that were open before their pod was enrolled, and were closed for that.',
  }),
  rulesRestored: counter({
    name: 'ambit_cni_rules_restored_total',
    help: 'Times the rules of an enrolled pod had been taken away by somebody else and were put back.',
  }),
  agentsConnected: gauge({ name: 'ambit_cni_node_agents_connected', help: 'Node agents connected now.' }),
  agentRequests: counter({
    name: 'ambit_cni_node_agent_requests_total',
    help: 'Requests to node agents.',
    labels: ['request', 'result'],
    initial: ['add', 'delete', 'snapshot-sent'].flatMap((request) =>
      ['done', 'refused', 'failed'].map((result) => [request, result]),
    ),
  }),
  agentConnections: counter({
    name: 'ambit_cni_node_agent_connections_total',
    help: 'Connections of node agents that ended, by why.',
    labels: ['end'],
    initial: [['closed'], ['broke-protocol'], ['silent'], ['failed'], ['stranger'], ['too-many']],
  }),
  manifestProblems: gauge({
    name: 'ambit_cni_manifest_problems',
    help: 'Problems in the manifests directory, or with objects of the API server, now.',
  }),
  pluginRequests: counter({
    name: 'ambit_cni_plugin_requests_total',
    help: 'Calls of the CNI plugin; refused ones are tried again by the container runtime.',
    labels: ['command', 'result'],
    initial: ['ADD', 'CHECK', 'DEL', 'GC', 'STATUS'].flatMap((command) =>
      ['done', 'refused'].map((result) => [command, result]),
    ),
  }),
  pluginSeconds: histogram({
    name: 'ambit_cni_plugin_request_duration_seconds',
    help: 'How long calls of the CNI plugin took; enrolment of the pod is part of an ADD.',
    labels: ['command'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  }),
  pluginConnectionsRefused: counter({
    name: 'ambit_cni_plugin_connections_refused_total',
    help: 'Connections to the socket of the plugin by users who may not.',
  }),
  installations: counter({
    name: 'ambit_cni_installations_total',
    help: "Times the plugin's program or its entry in the network configuration was put in place or repaired.",
    labels: ['what', 'result'],
    initial: [
      ['plugin', 'done'],
      ['configuration', 'done'],
      ['configuration', 'failed'],
    ],
  }),
  installed: gauge({ name: 'ambit_cni_installed', help: '1 while new pods of this node pass through the plugin.' }),
};

export type CniInstruments = Instruments<typeof cniMetrics>;
