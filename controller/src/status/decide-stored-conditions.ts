import { jsonAt } from '../json.ts';

/** A condition as decided; when it last changed is not its business. */
export interface UndatedCondition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  /** For people. */
  readonly message: string;
}

/** A condition as it stands in an object. */
export interface StoredCondition extends UndatedCondition {
  readonly observedGeneration: number;
  /** RFC 3339. */
  readonly lastTransitionTime: string;
}

/** Decided conditions with generation and times; one whose status stays keeps the time of its last transition. */
export function decideStoredConditions(
  conditions: readonly UndatedCondition[],
  before: readonly unknown[],
  { generation, now }: { readonly generation: number; readonly now: string },
): readonly StoredCondition[] {
  return conditions.map(({ type, status, reason, message }) => {
    const old = before.find((candidate) => jsonAt(candidate, 'type') === type);
    const time = jsonAt(old, 'lastTransitionTime');
    const lastTransitionTime = jsonAt(old, 'status') === status && typeof time === 'string' ? time : now;
    return { type, status, reason, message, observedGeneration: generation, lastTransitionTime };
  });
}
