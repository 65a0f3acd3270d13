import type { StringMatch } from '../model/access-policy.ts';
import { KindError } from './errors.ts';
import { type FieldReader, shown } from './field-reader.ts';
import { KIND_LIMITS } from './limits.ts';
import type { OneOf } from './objects.ts';

// Conditions of policies: lists of values, each with its negation (`namespaces` and `notNamespaces`).

/** Fields with a negation, and others without. @throws KindError also when there is none of them. */
export function allowPairs(reader: FieldReader, fields: readonly string[], others: readonly string[] = []): void {
  const all = [...fields.flatMap((name) => [name, negated(name)]), ...others];
  reader.allowOnly(all);
  for (const name of all) reader.refuseEmptyList(name);
  if (reader.names().length === 0) {
    const detail = {
      field: reader.path,
      value: shown({}),
      expected: `an object with at least one of ${all.join(', ')}`,
    };
    throw new KindError('invalid-value', detail);
  }
}

/** The name of a field's negation. */
export function negated(name: string): string {
  return `not${name.charAt(0).toUpperCase()}${name.slice(1)}`;
}

/** A field and its negation. @throws KindError for more than `itemsMax` values and for what `parse` refuses. */
export function pair<T>(
  reader: FieldReader,
  name: string,
  expected: string,
  parse: (text: string) => T,
  itemsMax: number = KIND_LIMITS.ruleValues,
): OneOf<T> {
  return {
    any: reader.parsedTexts(name, expected, parse, itemsMax),
    none: reader.parsedTexts(negated(name), expected, parse, itemsMax),
  };
}

/** `text` has at most one `*`, at one of its ends. */
export function toMatch(text: string): StringMatch {
  if (text === '*') return { kind: 'presence' };
  if (text.endsWith('*')) return { kind: 'prefix', value: text.slice(0, -1) };
  return text.startsWith('*') ? { kind: 'suffix', value: text.slice(1) } : { kind: 'exact', value: text };
}
