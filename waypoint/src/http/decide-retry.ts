/**
 * What is known of a call that ended before its answer: `unseen`, its server says that it did nothing about it; `reused`, its
 * connection had served others before, so that it may have been closed meanwhile; `http1`, it is wanted in HTTP/1.1; `fresh`, none
 * of these.
 */
export type LostCall = 'unseen' | 'reused' | 'http1' | 'fresh';

/** RFC 9110 9.2.2: asked twice, they do what they do once. */
const REPEATABLE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

/** Asked twice, it does what it does once. */
export function isRepeatable(method: string): boolean {
  return REPEATABLE.has(method);
}

/** Whether a request whose call was lost before an answer is sent again at once, whatever its rule says: nobody has seen it, or it does no harm. */
export function isSentAgain(facts: {
  readonly lost: LostCall;
  /** All of the request so far is at hand. */
  readonly replayable: boolean;
  readonly method: string;
  readonly attempts: number;
  readonly attemptsMax: number;
}): boolean {
  const { lost, replayable, method, attempts, attemptsMax } = facts;
  if (!replayable || attempts >= attemptsMax) return false;
  return lost === 'unseen' || (lost === 'reused' && REPEATABLE.has(method));
}
