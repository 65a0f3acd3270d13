import { counter, gauge, type MetricSpec } from '@ambit/mesh/runtime';
import type { WorkloadUsage } from './pod-account.ts';

/** What there is a metric of. */
export type WorkloadCount = Exclude<keyof WorkloadUsage, 'namespace' | 'workload' | 'pod'>;

/** Of the pods that are here, and two rows more: as many series as that. */
const labels = ['namespace', 'workload', 'pod'];

export const workloadMetrics: Readonly<Record<WorkloadCount, MetricSpec<'counter' | 'gauge'>>> = {
  connectionsOpened: counter({
    name: 'ambit_workload_connections_opened_total',
    help: 'Connections of the pod that were carried, in both directions.',
    labels,
  }),
  connectionsRefused: counter({
    name: 'ambit_workload_connections_refused_total',
    help: 'Connections of the pod that were refused, in both directions.',
    labels,
  }),
  connectionsOpen: gauge({
    name: 'ambit_workload_connections_open',
    help: 'Connections of the pod that are being carried.',
    labels,
  }),
  connectionsOpening: gauge({
    name: 'ambit_workload_connections_opening',
    help: 'Connections that the pod opened and that are on their way to their destinations.',
    labels,
  }),
  connectionsWaiting: gauge({
    name: 'ambit_workload_connections_waiting',
    help: 'Connections of the pod that wait for their turn to begin, in both directions.',
    labels,
  }),
  handshakes: counter({
    name: 'ambit_workload_handshakes_total',
    help: 'Tunnel connections that were opened or accepted for the pod.',
    labels,
  }),
  sentBytes: counter({ name: 'ambit_workload_sent_bytes_total', help: 'Bytes that the pod sent.', labels }),
  receivedBytes: counter({ name: 'ambit_workload_received_bytes_total', help: 'Bytes that the pod got.', labels }),
  bufferedBytes: gauge({
    name: 'ambit_workload_buffered_bytes',
    help: 'Bytes that wait in connections of the pod, as one side is slower than the other.',
    labels,
  }),
  cpuMicroseconds: counter({
    name: 'ambit_workload_cpu_microseconds_total',
    help: 'CPU time of the data workers, shared out by what they did for each pod.',
    labels,
  }),
};

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys of a record that has all of them and no others
export const WORKLOAD_COUNTS = Object.keys(workloadMetrics) as readonly WorkloadCount[];
