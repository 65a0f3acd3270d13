import type { MeshViewUpdate, TrustDomains } from '@ambit/mesh/model';
import type { ClosedRoutes, ServiceRoutes } from '@ambit/mesh/routes';
import type { AccessLogTarget, LogFormat, SeriesSnapshot } from '@ambit/mesh/runtime';
import type { RevokedSerials, Svid } from '@ambit/mesh/tls';
import type { PolicySetChanges } from '../authorize/access-table.ts';
import type { MirrorOutcome } from '../http/mirror-budget.ts';
import type { OverloadCause } from '../overload/overload-guard.ts';
import type { RouteChanges } from '../route/route-tables.ts';
import type { BackendChanges } from '../secure/backend-table.ts';
import type { AccessLogFormat } from '../telemetry/access-log-line.ts';
import type { ConnectionSeries } from '../telemetry/connection-table.ts';

export interface ListenOn {
  readonly host: string;
  readonly port: number;
}

/** A plaintext port in front of a port of a service, which is named as `namespace/hostname`. */
export interface PlainPort extends ListenOn {
  readonly service: string;
  readonly servicePort: number;
}

/** What a data worker is started with; plain data, it crosses a thread boundary. */
export interface WorkerConfig {
  readonly index: number;
  readonly network: string;
  readonly trustDomains: TrustDomains;
  /** Servers are told who the client is. */
  readonly forwardsClientCertificate: boolean;
  /** Lists of revoked certificates may come. */
  readonly watchesRevocation: boolean;
  /** What heap and buffers of this worker may take. */
  readonly memoryBudgetBytes: number;
  /** Appended to; every worker opens the file by itself. */
  readonly accessLog: AccessLogTarget;
  readonly accessLogFormat: AccessLogFormat;
  readonly logFd: number;
  readonly logFormat: LogFormat;
  readonly logFilter: string;
}

/** Everything a worker counted since it started, and what it has open. */
export interface WorkerMetrics {
  readonly requests: SeriesSnapshot;
  /** Of connections of bytes. */
  readonly bytes: readonly ConnectionSeries[];
  readonly connections: number;
  readonly logLinesSuppressed: number;
  readonly upstream: { readonly busy: number; readonly idle: number };
  readonly refusals: readonly (readonly [reason: string, count: number])[];
  readonly accessLogDropped: number;
  /** What policies that decide nothing had to tell. */
  readonly policyNotes: readonly (readonly [effect: string, count: number])[];
  /** Copies of requests, by what became of them. */
  readonly mirrored: Readonly<Record<MirrorOutcome, number>>;
  /** Connections that were refused or cut as their peer was revoked, by who saw it. */
  readonly revocationRejections: { readonly source: number; readonly destination: number };
  /** Shares of new requests that are refused. */
  readonly refusedShares: Readonly<Record<OverloadCause, number>>;
}

/** An endpoint and its connections, as the admin interface shows it. */
export interface EndpointSummary {
  readonly address: string;
  readonly workload: string;
  readonly connections: number;
  readonly idle: number;
}

/** Routes as they came, and the clusters that requests have asked for. */
export interface ConfigSummary {
  readonly routes: readonly (ServiceRoutes | ClosedRoutes)[];
  readonly clusters: readonly { readonly name: string; readonly endpoints: readonly string[] }[];
}

/** What the main thread asks of a data worker. */
export interface WorkerCalls {
  /** Answered once every decision of this worker sees all of it. */
  configure: {
    readonly args: {
      readonly update: MeshViewUpdate;
      readonly routes: RouteChanges;
      readonly policySets: PolicySetChanges;
    };
    readonly result: null;
  };
  /** Answered once new connections are secured so; to be called before routes that need it. */
  'set-backends': { readonly args: BackendChanges; readonly result: null };
  /** What sessions are sealed and opened with; secrets. Answered once they are in use; to be called before routes that need them. */
  'set-session-keys': { readonly args: { readonly keys: readonly Uint8Array[] }; readonly result: null };
  'set-svid': { readonly args: { readonly svid: Svid }; readonly result: null };
  /** Answered once no peer is served whose certificate they name. In place of those before. */
  'set-revocations': { readonly args: { readonly lists: readonly RevokedSerials[] }; readonly result: null };
  /** Answered once the ports are open, with where. */
  listen: {
    readonly args: { readonly hbone: ListenOn; readonly plain: readonly PlainPort[] };
    readonly result: ListenOn;
  };
  metrics: { readonly args: Record<string, never>; readonly result: WorkerMetrics };
  endpoints: { readonly args: Record<string, never>; readonly result: readonly EndpointSummary[] };
  /** What requests are decided by, for the admin interface. */
  'dump-config': { readonly args: Record<string, never>; readonly result: ConfigSummary };
  /** Gives memory back that starting left behind. */
  'compact-heap': { readonly args: Record<string, never>; readonly result: null };
  'set-log-filter': { readonly args: { readonly filter: string }; readonly result: null };
  /** Lets connections end, then flushes the logs: the worker may be ended afterwards. */
  stop: { readonly args: { readonly drainMs: number }; readonly result: null };
}
