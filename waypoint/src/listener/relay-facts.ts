import { FAILURES, type FailureReason } from '../http/failures.ts';
import type { Caller } from '../http/pipeline.ts';
import type { Cluster, Endpoint } from '../upstream/cluster.ts';

/** Why a connection of bytes is cut from here. */
export type CutReason = Extract<FailureReason, 'access-denied' | 'no-memory'> | 'stopped';

/** What ended a connection of bytes before both sides had said all they had to say. */
export type RelayFailure =
  | CutReason
  | Extract<FailureReason, 'no-endpoint' | 'connect' | 'client-gone' | 'upstream-gone'>;

/** Envoy's response flag; `-` for what is no failure of anybody. */
export function relayFlag(failure: RelayFailure | null): string {
  return failure === null || failure === 'stopped' ? '-' : FAILURES[failure].flag;
}

/** What is known of a connection of bytes when it is taken. */
export interface RelaySubject {
  readonly caller: Caller;
  readonly cluster: Cluster;
  /** `namespace/name`; empty without one. */
  readonly route: string;
  /** That a route was chosen by; null where none was asked for, or said. */
  readonly serverName: string | null;
}

/** What the record of a connection of bytes says when it is over. */
export interface RelayFacts extends RelaySubject {
  /** That it was joined to, or that was tried last. */
  readonly endpoint: Endpoint | null;
  /** How often an endpoint was tried. */
  readonly attempts: number;
  /** Of the client. */
  readonly bytesReceived: number;
  /** To the client. */
  readonly bytesSent: number;
  readonly durationMs: number;
  readonly failure: RelayFailure | null;
}

/** Follows one connection of bytes. */
export interface RelayRecord {
  /** An endpoint is tried. */
  tried(endpoint: Endpoint): void;
  /** It is joined to the endpoint that was tried last. */
  opened(): void;
  /** Counts what was carried up to now. */
  carried(bytesReceived: number, bytesSent: number): void;
  /** Once, last. */
  ended(failure: RelayFailure | null): void;
}
