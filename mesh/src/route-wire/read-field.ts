import { HEADER_NAME, ROUTE_LIMITS } from '../kinds/route-limits.ts';
import { parseRegex } from '../routes/regex.ts';
import { invalidField, overLimit } from '../wire/field-reader.ts';

/** @throws WireError `invalid-field` when absent. */
export function readPresent<T>(path: string, value: T | undefined): T {
  return value ?? invalidField(path, 'absent');
}

/** Null when absent. */
export function readOptional<In, Out>(
  path: string,
  value: In | undefined,
  read: (value: In, path: string) => Out,
): Out | null {
  return value === undefined ? null : read(value, path);
}

/** @throws WireError. */
export function readMatching(path: string, text: string, pattern: RegExp, max: number, expected: string): string {
  if (text.length > max) overLimit(path, max, 'characters');
  return pattern.test(text) ? text : invalidField(path, `not ${expected}`);
}

/** @throws WireError `invalid-field` outside of `min` to `max`. */
export function readInteger(path: string, value: number, min: number, max: number): number {
  return value >= min && value <= max ? value : invalidField(path, `not from ${min} to ${max}`);
}

/** @throws WireError `invalid-field` for more than a number can hold. */
export function readMilliseconds(value: bigint, path: string): number {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : invalidField(path, 'too many milliseconds');
}

export function readPort(value: number, path: string): number {
  return readInteger(path, value, 1, 65_535);
}

/** One of `values`. @throws WireError `invalid-field`. */
export function readOneOf<T extends string>(path: string, text: string, values: readonly T[]): T {
  return values.find((value) => value === text) ?? invalidField(path, `not one of ${values.join(', ')}`);
}

/** In lower case. @throws WireError. */
export function readLowerHeaderName(name: string, path: string): string {
  readMatching(path, name, HEADER_NAME, ROUTE_LIMITS.headerNameLength, 'a name of a header');
  return name === name.toLowerCase() ? name : invalidField(path, 'not in lower case');
}

/** An expression that can be used. @throws WireError. */
export function readRegex(path: string, source: string, max: number): string {
  if (source.length > max) overLimit(path, max, 'characters');
  const parsed = parseRegex(source);
  return parsed.kind === 'regex' ? source : invalidField(path, `no RE2 expression: ${parsed.fault}`);
}

/** @throws WireError `invalid-field` when a key is there twice. */
export function refuseRepeated(path: string, keys: readonly (string | number)[]): void {
  if (new Set(keys).size < keys.length) invalidField(path, 'names something twice');
}
