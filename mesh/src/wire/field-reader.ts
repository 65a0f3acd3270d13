import { ModelError } from '../model/errors.ts';
import type { EnumWords } from './enum-words.ts';
import { WireError } from './errors.ts';
import { LIMITS } from './limits.ts';

/** @throws WireError `invalid-field` naming `path`. */
export function invalidField(path: string, reason: string, cause?: unknown): never {
  throw new WireError('invalid-field', { path, reason }, cause === undefined ? {} : { cause });
}

/** Runs one of the model's parsers; what it refuses becomes a WireError that names `path`. */
export function readModel<T>(path: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof ModelError) return invalidField(path, `not ${error.detail.expected}`, error);
    throw error;
  }
}

/** Free text, perhaps empty. @throws WireError `over-limit`. */
export function readText(path: string, text: string, max: number = LIMITS.textLength): string {
  if (text.length > max) overLimit(path, max, 'characters');
  return text;
}

/** @throws WireError `invalid-field` when empty, `over-limit` when too long. */
export function readName(path: string, text: string): string {
  if (text === '') return invalidField(path, 'empty');
  return readText(path, text);
}

/** @throws WireError `over-limit` when there are more than `max`. */
export function readList<In, Out>(
  path: string,
  max: number,
  items: readonly In[],
  read: (item: In, path: string) => Out,
): Out[] {
  if (items.length > max) overLimit(path, max, 'items');
  return items.map((item, i) => read(item, `${path}[${i}]`));
}

/** The word for an enum number. @throws WireError `unknown-enum-value` for a number that `words` does not know. */
export function readEnum<Word extends string>(path: string, value: number, { words }: EnumWords<Word, number>): Word {
  const word = words.get(value);
  if (word === undefined) {
    throw new WireError('unknown-enum-value', { path, reason: `${value} is not one that Ambit accepts` });
  }
  return word;
}

/** A port as the wire may carry it, 0 included. @throws WireError `invalid-field`. */
export function readWirePort(path: string, value: number): number {
  return value <= 65_535 ? value : invalidField(path, 'not a port from 0 to 65535');
}

/** @throws WireError `over-limit`. */
export function overLimit(path: string, max: number, what: string): never {
  throw new WireError('over-limit', { path, reason: `more than ${max} ${what}` });
}
