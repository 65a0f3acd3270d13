import { FieldReader, type RawObject } from '@ambit/mesh/kinds';
import { jsonAt, jsonEqual, jsonItems } from '../json.ts';
import type { StatusDecision } from './decide-status.ts';
import { decideStoredConditions } from './decide-stored-conditions.ts';

/** Who writes our statuses, beside others that may write theirs. */
export const CONTROLLER_NAME = 'ambit.dev/controller';

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
  const at = { generation: meta.integer('generation', 0, Number.MAX_SAFE_INTEGER, 0), now };
  const wanted =
    decision.style === 'object'
      ? { conditions: decideStoredConditions(decision.conditions, jsonItems(object, 'status', 'conditions'), at) }
      : {
          ancestors: decision.ancestors.map(({ ref, conditions }) => {
            const before = jsonItems(object, 'status', 'ancestors').find((entry) =>
              jsonEqual(jsonAt(entry, 'ancestorRef'), ref),
            );
            return {
              ancestorRef: ref,
              controllerName: CONTROLLER_NAME,
              conditions: decideStoredConditions(conditions, jsonItems(before, 'conditions'), at),
            };
          }),
        };
  if (jsonEqual(jsonAt(object, 'status'), wanted)) return null;
  return {
    apiVersion: reader.text('apiVersion'),
    kind: reader.text('kind'),
    // With the uid, so that an object made anew under the same name is not told what became of the old one.
    metadata: { name: meta.text('name'), namespace: meta.text('namespace'), uid: meta.text('uid') },
    status: wanted,
  };
}
