import type { FieldBlock, ResponseHead } from '@ambit/mesh/http1';
import type { AccessVerdict } from '@ambit/mesh/policies';
import type { Endpoint } from '../upstream/cluster.ts';
import type { FailureReason } from './failures.ts';
import type { Caller, Decision } from './pipeline.ts';

/** What a client speaks, as access logs say it. */
export type HttpVersion = 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2';

/** Hears what comes back on a connection to a server, from the moment a request is sent on it. */
export interface ResponseSink {
  /** 1xx but 101; another head follows. */
  onInterim(head: ResponseHead): void;
  onResponse(head: ResponseHead): void;
  onResponseData(memory: Buffer, start: number, end: number): void;
  onResponseTrailers(trailers: FieldBlock): void;
  /** All that has arrived has been handed over, and more is to come. */
  onResponseRead(): void;
  /** The answer is complete; the connection serves others from now on. Of a tunnel: the server has ended its direction. */
  onResponseEnd(): void;
  /** After a write to the connection that returned false. */
  onUpstreamDrain(): void;
  /** There will be no (further) answer; the connection is gone. */
  onUpstreamGone(reason: 'upstream-gone' | 'upstream-protocol' | 'upstream-truncated'): void;
}

/** One finished exchange. The object is its connection's and is used again: take what is needed during the call. */
export interface ExchangeFacts {
  readonly caller: Caller;
  readonly method: string;
  /** As the client named it. */
  readonly authority: string;
  /** Path with query as the client sent it. */
  readonly target: string;
  readonly protocol: HttpVersion;
  readonly requestId: string;
  /** The same in bytes, where it is ours; null for one that the client has named, and without one. */
  readonly ownRequestId: Uint8Array | null;
  readonly userAgent: string;
  /** 0: the client got no answer. */
  readonly status: number;
  /** Of a call of gRPC: its status, -1 when it got none; null for all other requests. */
  readonly grpcStatus: number | null;
  /** Null: the client got the answer of its server, whole. */
  readonly reason: FailureReason | null;
  readonly decision: Decision | null;
  /** What policies said; null when they were not asked. */
  readonly access: AccessVerdict | null;
  /** Whose answer it is, or who was tried last. */
  readonly endpoint: Endpoint | null;
  readonly attempts: number;
  /** Of bodies, without their framing. */
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly durationMs: number;
}

/** Hears of every exchange once, at its end. */
export interface ExchangeObserver {
  onExchange(exchange: ExchangeFacts): void;
}
