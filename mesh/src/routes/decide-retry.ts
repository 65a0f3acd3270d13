import type { RetryPolicy } from './rule.ts';

/** How an attempt to get a response from a backend ended. */
export type AttemptOutcome =
  /** Nothing of the request has left: the backend cannot have seen it. */
  | { readonly kind: 'not-sent' }
  /** The connection broke after some of the request had left and before a response had begun. */
  | { readonly kind: 'broken' }
  /** The attempt's own time is up. */
  | { readonly kind: 'timeout' }
  | { readonly kind: 'status'; readonly code: number };

export interface RetryFacts {
  readonly outcome: AttemptOutcome;
  /** Retries that there have been. */
  readonly retries: number;
  /** The request, its body included, can be sent again as it was. */
  readonly replayable: boolean;
  /** By its method: sending it twice does what sending it once does. */
  readonly idempotent: boolean;
  /** What is left of the whole request's time; null: no limit. */
  readonly remainingMs: number | null;
}

export type RetryDecision =
  | { readonly kind: 'retry'; readonly waitMs: number }
  | { readonly kind: 'give-up'; readonly reason: 'not-retriable' | 'attempts-used' | 'not-replayable' | 'out-of-time' };

/** When a route says `retry` and not how often; also for what was not sent, whatever the route says. */
const RETRIES_DEFAULT = 2;
const BACKOFF_DEFAULT_MS = 25;
/** Waits double up to this many times the first one. */
const BACKOFF_GROWTH_MAX = 10;

/**
 * Whether a request is sent once more. Without a policy only what was not sent is. With one, lost connections and timeouts
 * are too, though a request that is not idempotent only if its codes are named: who names codes has said that it may be
 * repeated. `draw` is in [0, 1): waits are never shorter than the policy says and up to half as long again.
 */
export function decideRetry(policy: RetryPolicy | null, facts: RetryFacts, draw: number): RetryDecision {
  const { outcome, retries, replayable, remainingMs } = facts;
  if (!isRetriable(policy, facts)) return { kind: 'give-up', reason: 'not-retriable' };
  if (retries >= (policy?.attempts ?? RETRIES_DEFAULT)) return { kind: 'give-up', reason: 'attempts-used' };
  if (outcome.kind !== 'not-sent' && !replayable) return { kind: 'give-up', reason: 'not-replayable' };
  const waitMs = waitOf(policy, outcome, retries, draw);
  if (remainingMs !== null && waitMs >= remainingMs) return { kind: 'give-up', reason: 'out-of-time' };
  return { kind: 'retry', waitMs };
}

function isRetriable(policy: RetryPolicy | null, { outcome, idempotent }: RetryFacts): boolean {
  if (outcome.kind === 'not-sent') return true;
  if (policy === null) return false;
  if (outcome.kind === 'status') return policy.codes.includes(outcome.code);
  return idempotent || policy.codes.length > 0;
}

function waitOf(policy: RetryPolicy | null, outcome: AttemptOutcome, retries: number, draw: number): number {
  const backoffMs = policy?.backoffMs ?? null;
  // Another endpoint is tried at once: nobody has been burdened.
  if (outcome.kind === 'not-sent' && backoffMs === null) return 0;
  const first = backoffMs ?? BACKOFF_DEFAULT_MS;
  const base = first * Math.min(BACKOFF_GROWTH_MAX, 2 ** retries);
  return Math.round(base * (1 + draw / 2));
}
