import { KindError } from './errors.ts';
import { suggest } from './suggest.ts';

type JsonObject = Readonly<Record<string, unknown>>;

const VALUE_SHOWN_CHARACTERS = 120;
const EMPTY_MAP: ReadonlyMap<string, string> = new Map();
/** No list in an object may be longer; Kubernetes' own objects end far below at 1.5 MB. */
const LIST_ITEMS_MAX = 10_000;

/** Reads the fields of one JSON object and names the field in every error. Null counts as absent, as in Kubernetes. */
export class FieldReader {
  /** Path of this object inside the whole, empty for the whole. */
  readonly path: string;
  readonly #value: JsonObject;

  /** @throws KindError `wrong-type` when `value` is no object. */
  constructor(value: unknown, path = '') {
    if (!isJsonObject(value)) {
      throw new KindError('wrong-type', { field: path || 'the document', value: shown(value), expected: 'an object' });
    }
    this.path = path;
    this.#value = value;
  }

  pathOf(name: string): string {
    return this.path === '' ? name : `${this.path}.${name}`;
  }

  raw(name: string): unknown {
    return Object.hasOwn(this.#value, name) ? (this.#value[name] ?? undefined) : undefined;
  }

  has(name: string): boolean {
    return this.raw(name) !== undefined;
  }

  fail(name: string, expected: string, options?: ErrorOptions): never {
    const value = this.raw(name);
    const field = this.pathOf(name);
    if (value === undefined) throw new KindError('missing-field', { field, expected }, options);
    throw new KindError('invalid-value', { field, value: shown(value), expected }, options);
  }

  unsupported(name: string, why: string): never {
    throw new KindError('unsupported-value', { field: this.pathOf(name), value: shown(this.raw(name)), expected: why });
  }

  text(name: string, fallback?: string): string {
    const value = this.raw(name);
    if (typeof value === 'string') return value;
    if (value === undefined && fallback !== undefined) return fallback;
    return this.fail(name, 'a text');
  }

  bool(name: string, fallback: boolean): boolean {
    const value = this.raw(name);
    if (value === undefined) return fallback;
    return typeof value === 'boolean' ? value : this.fail(name, 'true or false');
  }

  integer(name: string, min: number, max: number, fallback?: number): number {
    const value = this.raw(name);
    if (value === undefined && fallback !== undefined) return fallback;
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
    return this.fail(name, `a whole number from ${min} to ${max}`);
  }

  oneOf<const T extends string>(name: string, values: readonly T[], fallback?: T): T {
    const value = this.raw(name);
    if (value === undefined && fallback !== undefined) return fallback;
    const found = values.find((candidate) => candidate === value);
    if (found !== undefined) return found;
    const expected = `one of ${values.join(', ')}`;
    const hint = typeof value === 'string' ? suggest(value, values) : undefined;
    if (value === undefined || hint === undefined) return this.fail(name, expected);
    throw new KindError('invalid-value', { field: this.pathOf(name), value: shown(value), expected, hint });
  }

  /** The nested object, or null when absent. */
  object(name: string): FieldReader | null {
    const value = this.raw(name);
    return value === undefined ? null : new FieldReader(value, this.pathOf(name));
  }

  /** `parse` gets each item with its path. Absent is empty. */
  list<T>(name: string, parse: (item: unknown, path: string) => T, itemsMax: number = LIST_ITEMS_MAX): readonly T[] {
    const value = this.raw(name);
    if (value === undefined) return [];
    if (!Array.isArray(value) || value.length > itemsMax) return this.fail(name, `a list of at most ${itemsMax}`);
    const path = this.pathOf(name);
    return value.map((item, index) => parse(item, `${path}[${index}]`));
  }

  objects<T>(name: string, parse: (reader: FieldReader) => T, itemsMax?: number): readonly T[] {
    return this.list(name, (item, path) => parse(new FieldReader(item, path)), itemsMax);
  }

  /** An empty list could be read as "nobody" or as "anybody": refuses what two people may read differently. */
  refuseEmptyList(name: string): void {
    const value = this.raw(name);
    if (Array.isArray(value) && value.length === 0) this.fail(name, 'left out, or at least one entry');
  }

  texts(name: string): readonly string[] {
    return this.parsedTexts(name, 'a text', (text) => text);
  }

  /** A list of texts, each through `parse`, whose failures become `must be <expected>`. */
  parsedTexts<T>(name: string, expected: string, parse: (text: string) => T, itemsMax?: number): readonly T[] {
    const parseItem = (item: unknown, field: string): T => {
      const wrong = (options?: ErrorOptions): KindError =>
        new KindError('invalid-value', { field, value: shown(item), expected }, options);
      if (typeof item !== 'string') throw wrong();
      try {
        return parse(item);
      } catch (cause) {
        throw wrong({ cause });
      }
    };
    return this.list(name, parseItem, itemsMax);
  }

  /** A map of texts, such as labels. */
  textMap(name: string): ReadonlyMap<string, string> {
    const reader = this.object(name);
    if (reader === null) return EMPTY_MAP;
    return new Map(reader.names().map((key) => [key, reader.text(key)]));
  }

  names(): readonly string[] {
    return Object.keys(this.#value).filter((name) => this.has(name));
  }

  /**
   * For objects of Kubernetes, which have more fields than are read here: @throws KindError `unknown-field` for the first one that is one of
   * `read` but for its case, and would be passed over.
   */
  refuseOtherCase(read: readonly string[]): void {
    for (const name of Object.keys(this.#value)) {
      if (read.includes(name)) continue;
      // Lengths first: this is asked of every Pod of a cluster, whose fields are mostly others.
      const hint = read.find((each) => each.length === name.length && each.toLowerCase() === name.toLowerCase());
      if (hint !== undefined) throw new KindError('unknown-field', { field: this.pathOf(name), expected: hint, hint });
    }
  }

  /** @throws KindError `unknown-field` for the first field not in `known`. */
  allowOnly(known: readonly string[]): void {
    for (const name of Object.keys(this.#value)) {
      if (known.includes(name)) continue;
      const hint = suggest(name, known);
      const detail = {
        field: this.pathOf(name),
        expected: known.length === 0 ? 'no fields' : `one of ${known.join(', ')}`,
      };
      throw new KindError('unknown-field', hint === undefined ? detail : { ...detail, hint });
    }
  }
}

function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value as JSON for an error, clipped. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= VALUE_SHOWN_CHARACTERS ? text : `${text.slice(0, VALUE_SHOWN_CHARACTERS)}...`;
}
