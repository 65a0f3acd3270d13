import type { HeaderModifier, HeaderValue } from './rule.ts';

/** What is done to the headers of one message: lines with a dropped name are left out, then lines are appended. */
export interface HeaderEdits {
  /** In lower case. */
  readonly dropped: ReadonlySet<string>;
  readonly appended: readonly HeaderValue[];
}

export const NO_EDITS: HeaderEdits = { dropped: new Set(), appended: [] };

/** `set` replaces, `add` appends a line beside those that are there, which is one list of values by RFC 9110 5.3. */
export function editsOf(modifier: HeaderModifier | null): HeaderEdits {
  if (modifier === null) return NO_EDITS;
  return {
    dropped: new Set([...modifier.remove, ...modifier.set.map(({ name }) => name)]),
    appended: [...modifier.set, ...modifier.add],
  };
}

/** First the one, then the other to what came of it. */
export function composeEdits(first: HeaderEdits, then: HeaderEdits): HeaderEdits {
  if (first === NO_EDITS) return then;
  if (then === NO_EDITS) return first;
  return {
    dropped: new Set([...first.dropped, ...then.dropped]),
    appended: [...first.appended.filter(({ name }) => !then.dropped.has(name)), ...then.appended],
  };
}

/** The header lines of a message after the edits; names of `headers` in any case. */
export function applyEdits(headers: readonly HeaderValue[], edits: HeaderEdits): readonly HeaderValue[] {
  return [...headers.filter(({ name }) => !edits.dropped.has(name.toLowerCase())), ...edits.appended];
}
