import type { RuleTimeouts } from './rule.ts';

/** Null: no limit. */
export interface Deadlines {
  /** Of everything, retries included, from the request's head on. */
  readonly requestMs: number | null;
  /** Of each attempt. */
  readonly attemptMs: number | null;
}

const GRPC_TIMEOUT = /^([0-9]{1,8})([HMSmun])$/;
const GRPC_UNITS_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

/**
 * How long a request may take. The client's own `grpc-timeout` can only make it shorter; one that cannot be read does not
 * count. A zero of the rule is no limit.
 */
export function decideTimeouts(timeouts: RuleTimeouts, grpcTimeout: string | null): Deadlines {
  const ofClient = grpcTimeout === null ? null : parseGrpcTimeoutMs(grpcTimeout);
  const requestMs = shorter(limitOf(timeouts.requestMs), ofClient);
  return { requestMs, attemptMs: shorter(limitOf(timeouts.backendRequestMs), requestMs) };
}

/** Milliseconds, rounded up, so that a wait of less than one is still a wait; null for what is no such header. */
export function parseGrpcTimeoutMs(text: string): number | null {
  const parts = GRPC_TIMEOUT.exec(text);
  if (parts === null) return null;
  return Math.ceil(Number(parts[1]) * (GRPC_UNITS_MS[parts[2] ?? ''] ?? 1));
}

function limitOf(timeoutMs: number | null): number | null {
  return timeoutMs === 0 ? null : timeoutMs;
}

function shorter(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.min(a, b);
}
