import type { Cluster, Endpoint } from '../upstream/cluster.ts';
import { FAILURES, type FailureReason } from './failures.ts';
import { type CompiledEdits, NO_COMPILED_EDITS } from './header-edits.ts';
import type { Answer, Decision, Forward } from './pipeline.ts';

/** Refuses a request, with the status of the reason. */
export function failureAnswer(reason: FailureReason, headers: CompiledEdits = NO_COMPILED_EDITS): Answer {
  return { kind: 'answer', route: '', reason, status: FAILURES[reason].status, headers };
}

/** Why policies do not want it; null where they do not say so. */
export function denialOf(decision: Decision): 'access-denied' | 'policy-missing' | null {
  const reason = decision.kind === 'answer' ? decision.reason : null;
  return reason === 'access-denied' || reason === 'policy-missing' ? reason : null;
}

/** Where there are no routes. */
export function straightTo(cluster: Cluster): Forward {
  return {
    kind: 'forward',
    cluster,
    route: '',
    requestEdits: NO_COMPILED_EDITS,
    responseEdits: NO_COMPILED_EDITS,
    timeoutMs: null,
    path: null,
    delivery: null,
  };
}

/** What becomes of the head of an answer that came from this endpoint. */
export function responseEdits(decision: Decision | null, endpoint: Endpoint | null): CompiledEdits {
  if (decision?.kind !== 'forward') return NO_COMPILED_EDITS;
  const session = decision.delivery?.session ?? null;
  return session === null || endpoint === null ? decision.responseEdits : session.editsFrom(endpoint);
}
