import { FieldReader, type RawObject } from '@ambit/mesh/kinds';
import { jsonAt, jsonEqual, jsonItems } from '../json.ts';
import { CONTROLLER_NAME } from './decide-status-patch.ts';
import { decideStoredConditions, type UndatedCondition } from './decide-stored-conditions.ts';

/** Where a kind of Gateway API keeps what each controller says, and how many entries that may be. */
export const STATUS_LISTS = {
  parents: { ref: 'parentRef', max: 32 },
  ancestors: { ref: 'ancestorRef', max: 16 },
} as const;

export type StatusList = keyof typeof STATUS_LISTS;

/** What is said of an object in its relation to another. */
export interface StatusEntry {
  /** As it is written; what is null is left out. */
  readonly ref: Readonly<Record<string, string | number | null>>;
  readonly conditions: readonly UndatedCondition[];
}

export interface StatusEntriesInput {
  /** As the API server gives it. */
  readonly object: RawObject;
  readonly list: StatusList;
  readonly entries: readonly StatusEntry[];
  /** RFC 3339. */
  readonly now: string;
}

/**
 * The merge patch after which our entries are as decided; null when they are. Entries of other controllers stay, and where they
 * leave no room ours are left out from the end on. It fails with a conflict when somebody has written meanwhile: the list is
 * replaced as a whole.
 */
export function decideStatusEntries({ object, list, entries, now }: StatusEntriesInput): RawObject {
  const meta = new FieldReader(object).object('metadata') ?? new FieldReader({});
  const at = { generation: meta.integer('generation', 0, Number.MAX_SAFE_INTEGER, 0), now };
  const { ref, max } = STATUS_LISTS[list];
  const present = jsonItems(object, 'status', list);
  const others = present.filter((entry) => jsonAt(entry, 'controllerName') !== CONTROLLER_NAME);
  const before = present.filter((entry) => jsonAt(entry, 'controllerName') === CONTROLLER_NAME);
  const own = entries.slice(0, Math.max(0, max - others.length)).map((entry) => {
    const named = withoutNull(entry.ref);
    const old = before.find((candidate) => jsonEqual(jsonAt(candidate, ref), named));
    return {
      [ref]: named,
      controllerName: CONTROLLER_NAME,
      conditions: decideStoredConditions(entry.conditions, jsonItems(old, 'conditions'), at),
    };
  });
  const isThere =
    before.length === own.length && own.every((entry) => before.some((candidate) => jsonEqual(candidate, entry)));
  if (isThere) return null;
  return {
    metadata: { uid: meta.text('uid', ''), resourceVersion: meta.text('resourceVersion', '') },
    status: { [list]: [...others, ...own] },
  };
}

function withoutNull(ref: StatusEntry['ref']): Readonly<Record<string, string | number>> {
  return Object.fromEntries(
    Object.entries(ref).flatMap(([name, value]) => (value === null ? [] : [[name, value] as const])),
  );
}
