import type { SpiffeId } from '@ambit/mesh/model';
import type { NameAnswer } from '@ambit/mesh/push';
import type { AccessLogTarget, CpuProfile, LogFormat, SeriesSnapshot } from '@ambit/mesh/runtime';
import type { RevokedSerials, Svid } from '@ambit/mesh/tls';
import type { ViewPublication } from '@ambit/mesh/view';
import type { WorkloadUsage } from '../accounting/pod-account.ts';
import type { ConnectionFilter } from '../admin/match-connection.ts';
import type { DnsSnapshot } from '../dns/dns-counts.ts';
import type { AccessLogFormat } from '../proxy/access-log-line.ts';
import type { PodSpec, ProxySettings } from '../proxy/pod-context.ts';
import type { SharedListener } from '../proxy/pod-listeners.ts';
import type { WorkerChannel } from '../same-node/worker-ends.ts';
import type { TakenSpans } from '../telemetry/trace-export.ts';

/** What a data worker is started with; plain data, it crosses a thread boundary. */
export interface WorkerConfig {
  readonly index: number;
  /** Where the data workers of this process reach each other; null when there is one. */
  readonly channel: WorkerChannel | null;
  readonly settings: ProxySettings;
  /** Appended to; every worker opens the file by itself. */
  readonly accessLog: AccessLogTarget;
  readonly accessLogFormat: AccessLogFormat;
  readonly logFd: number;
  readonly logFormat: LogFormat;
  readonly logFilter: string;
}

/** One running instance of a pod's proxy. The same pod in another network namespace is another instance. */
export type PodInstance = number;

/** Which sockets each data worker listens on, by its index. */
export type ListenersByWorker = readonly (readonly SharedListener[])[];

/** One carried connection as the admin interface shows it. */
export interface ConnectionSummary {
  /** Kubernetes' uid of it. */
  readonly pod: string;
  readonly podNamespace: string;
  readonly podName: string;
  readonly direction: 'inbound' | 'outbound';
  readonly source: string;
  readonly sourceIdentity: string | null;
  readonly destination: string;
  readonly hboneAddress: string | null;
  readonly destinationIdentity: string | null;
  readonly service: string | null;
  readonly openedAtMs: number;
  /** From the destination to the source so far, as in the access log. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
}

/** Everything a worker counted since it started. */
export interface WorkerMetrics {
  readonly traffic: SeriesSnapshot;
  readonly workloads: readonly WorkloadUsage[];
  /** Null when requests are not counted. */
  readonly requests: SeriesSnapshot | null;
  readonly unread: readonly (readonly [reporter: 'source' | 'destination', reason: string, count: number])[];
  readonly open: { readonly source: number; readonly destination: number };
  readonly refusals: readonly (readonly [direction: 'inbound' | 'outbound', reason: string, count: number])[];
  readonly cuts: readonly (readonly [cause: string, count: number])[];
  readonly dryRun: readonly (readonly [action: string, count: number])[];
  readonly probes: readonly (readonly [kind: string, result: 'passed' | 'failed', count: number])[];
  /** Names of workloads that were looked up. */
  readonly nameLookups: number;
  /** Tunnel connections refused or cut as their peer was revoked, by the side that we were. */
  readonly revocationRejections: { readonly source: number; readonly destination: number };
  readonly dns: DnsSnapshot;
  /** Connections carried by the shortcut. */
  readonly sameNode: number;
  readonly accessLogDropped: number;
  readonly logLinesSuppressed: number;
}

/** What a data worker says unasked: decisions need to know what there is of these names. Each is answered by `answer-names`. */
export interface WorkerEvent {
  readonly kind: 'wanted';
  readonly names: readonly string[];
}

/** What the main thread asks of a data worker. Requests are handled in order of arrival; answers may overtake each other. */
export interface WorkerCalls {
  /** Answered once every decision of this worker sees the update. */
  'adopt-view': { readonly args: { readonly publication: ViewPublication }; readonly result: null };
  /** What is said to be there was adopted before. */
  'answer-names': { readonly args: { readonly answers: readonly NameAnswer[] }; readonly result: null };
  'set-svid': { readonly args: { readonly identity: SpiffeId; readonly svid: Svid }; readonly result: null };
  'forget-svid': { readonly args: { readonly identity: SpiffeId }; readonly result: null };
  /** Answered once every peer that these lists withdraw is cut, and none of them is accepted any more. */
  'set-revocations': { readonly args: { readonly lists: readonly RevokedSerials[] }; readonly result: null };
  /**
   * Answered once the pod's ports are open. `netnsFd` stays the main thread's, open until the instance is removed. `listeners`, by
   * worker, are sockets of another agent; they are the workers' from then on.
   */
  'add-pod': {
    readonly args: {
      readonly instance: PodInstance;
      readonly pod: PodSpec;
      readonly netnsFd: number;
      readonly listeners?: ListenersByWorker;
    };
    readonly result: null;
  };
  /** Second descriptors of a pod's listening sockets, for another agent; they belong to the main thread. */
  'share-listeners': { readonly args: { readonly instance: PodInstance }; readonly result: readonly SharedListener[] };
  /** Another agent accepts: answered once this worker does no more. What is open goes on. */
  'hand-over': { readonly args: { readonly instance: PodInstance }; readonly result: null };
  /** The other agent is gone: answered once this worker accepts again, on the sockets it had. */
  'resume-pod': {
    readonly args: { readonly instance: PodInstance; readonly listeners: ListenersByWorker };
    readonly result: null;
  };
  /** Answered once nothing of the instance is left. `drainMs` 0 cuts its connections at once. */
  'remove-pod': { readonly args: { readonly instance: PodInstance; readonly drainMs: number }; readonly result: null };
  /** Nothing more is accepted in any pod; what is open goes on. */
  'stop-accepting': { readonly args: Record<string, never>; readonly result: null };
  /** Drains every pod, then flushes the logs: the worker may be ended afterwards. */
  stop: { readonly args: { readonly drainMs: number }; readonly result: null };
  metrics: { readonly args: Record<string, never>; readonly result: WorkerMetrics };
  /** What each pod used so far, the agent itself included. */
  workloads: { readonly args: Record<string, never>; readonly result: readonly WorkloadUsage[] };
  connections: {
    readonly args: { readonly filter: ConnectionFilter; readonly limit: number };
    readonly result: readonly ConnectionSummary[];
  };
  /** Answered when it is over. */
  'cpu-profile': { readonly args: { readonly durationMs: number }; readonly result: CpuProfile };
  /** The path of the file that was written. */
  'heap-snapshot': { readonly args: { readonly directory: string }; readonly result: string };
  'take-spans': { readonly args: { readonly max: number }; readonly result: TakenSpans };
  /** Gives memory back that starting left behind. */
  'compact-heap': { readonly args: Record<string, never>; readonly result: null };
  'set-log-filter': { readonly args: { readonly filter: string }; readonly result: null };
}
