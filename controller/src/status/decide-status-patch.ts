import { FieldReader, type RawObject } from '@ambit/mesh/kinds';
import { isRecord, jsonAt, jsonItems } from '../json.ts';
import type { Condition, StatusDecision } from './decide-status.ts';

/** Who writes our statuses, beside others that may write theirs. */
export const CONTROLLER_NAME = 'ambit.dev/controller';

/** A condition as it stands in an object. */
interface StoredCondition extends Condition {
  readonly observedGeneration: number;
  readonly lastTransitionTime: string;
}

/** What to write and why not; the object is as the API server gives it. */
export interface StatusPatchInput {
  readonly object: RawObject;
  readonly decision: StatusDecision;
  /** RFC 3339. */
  readonly now: string;
}

/**
 * The object to apply so that its status is as decided; null when it is. A condition whose status stays keeps the time of
 * its last transition.
 */
export function decideStatusPatch({ object, decision, now }: StatusPatchInput): RawObject {
  const reader = new FieldReader(object);
  const meta = reader.object('metadata') ?? reader.fail('metadata', 'an object');
  const generation = meta.integer('generation', 0, Number.MAX_SAFE_INTEGER, 0);
  const stored = (conditions: readonly Condition[], before: readonly unknown[]): readonly StoredCondition[] =>
    conditions.map(({ type, status: value, reason, message }) => {
      const old = before.find((candidate) => jsonAt(candidate, 'type') === type);
      const time = jsonAt(old, 'lastTransitionTime');
      const lastTransitionTime = jsonAt(old, 'status') === value && typeof time === 'string' ? time : now;
      return { type, status: value, reason, message, observedGeneration: generation, lastTransitionTime };
    });
  const wanted =
    decision.style === 'object'
      ? { conditions: stored(decision.conditions, jsonItems(object, 'status', 'conditions')) }
      : {
          ancestors: decision.ancestors.map(({ ref, conditions }) => {
            const before = jsonItems(object, 'status', 'ancestors').find((entry) =>
              isEqual(jsonAt(entry, 'ancestorRef'), ref),
            );
            return {
              ancestorRef: ref,
              controllerName: CONTROLLER_NAME,
              conditions: stored(conditions, jsonItems(before, 'conditions')),
            };
          }),
        };
  if (isEqual(jsonAt(object, 'status'), wanted)) return null;
  return {
    apiVersion: reader.text('apiVersion'),
    kind: reader.text('kind'),
    // With the uid, so that an object made anew under the same name is not told what became of the old one.
    metadata: { name: meta.text('name'), namespace: meta.text('namespace'), uid: meta.text('uid') },
    status: wanted,
  };
}

/** Of JSON; the order of an object's fields does not count. */
function isEqual(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, index) => isEqual(item, b[index]));
  }
  if (!isRecord(a) || !isRecord(b)) return a === b;
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...names].every((name) => isEqual(a[name], b[name]));
}
