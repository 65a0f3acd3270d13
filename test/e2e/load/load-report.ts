import type { LatencyReport } from './latencies.ts';
import type { LoadProtocol } from './load-plan.ts';

/** What happened to one protocol's requests or messages. All sent ones are answered or failed once the run has ended. */
export interface ProtocolReport {
  readonly sent: number;
  readonly answered: number;
  readonly failed: number;
  /** Failures by reason. */
  readonly reasons: Readonly<Record<string, number>>;
  /** From the planned time to the whole answer, of what was answered. */
  readonly latencyMs: LatencyReport;
  /** TCP connections; of gRPC and WebSockets too. */
  readonly connections: { readonly opened: number; readonly closed: number };
  /** Of gRPC, WebSocket and TCP. `endedByServer` went in order too: everything was echoed before it said goodbye. */
  readonly streams: {
    readonly opened: number;
    readonly ended: number;
    readonly endedByServer: number;
    readonly cut: number;
  };
  /** Answers by the name of who gave them. */
  readonly servedBy: Readonly<Record<string, number>>;
}

export interface LoadFailure {
  /** Since the start. */
  readonly atMs: number;
  readonly protocol: LoadProtocol;
  readonly reason: string;
}

/** An instant the test named, and what was open then. */
export interface EventReport {
  readonly name: string;
  readonly atMs: number;
  /** Connections open at that instant: of requests, connections; of streams, streams. */
  readonly open: Readonly<Partial<Record<LoadProtocol, number>>>;
  /** Those of them that carried an answer afterwards: they lived across the instant. */
  readonly answeredAfter: Readonly<Partial<Record<LoadProtocol, number>>>;
}

export interface LoadReport {
  /** Wall clock, to find the place in other logs. */
  readonly startedAt: string;
  readonly seconds: number;
  readonly protocols: Readonly<Partial<Record<LoadProtocol, ProtocolReport>>>;
  /** The first ones. */
  readonly failures: readonly LoadFailure[];
  readonly events: readonly EventReport[];
  /** How long after their planned times things left: a generator without CPU is no measure of anybody. */
  readonly lateMs: LatencyReport;
}

/** What a test tells a generator: one JSON object per line on standard input. */
export type LoadCommand = { readonly mark: string } | { readonly report: number } | { readonly stop: true };

/** What a generator says: one JSON object per line on standard output. */
export type LoadEvent =
  | { readonly event: 'started' }
  /** The instant is noted. */
  | { readonly event: 'marked'; readonly name: string }
  /** What the report would be now; `id` is the command's. */
  | { readonly event: 'so-far'; readonly id: number; readonly report: LoadReport }
  | { readonly event: 'ended'; readonly report: LoadReport };
