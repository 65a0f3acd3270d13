import { MeshError } from './errors.ts';

/**
 * The file named by AMBIT_LOCAL_CONFIG cannot be used; `data.path` names the place in it. What was expected there is in
 * `data.expected`, or in `data.reason` what whoever read it said.
 */
export class LocalConfigError extends MeshError<'invalid-local-config'> {
  override readonly name = 'LocalConfigError';

  constructor(path: string, fault: string, options: ErrorOptions = {}) {
    const data = options.cause === undefined ? { path, expected: fault } : { path, reason: fault };
    super('invalid-local-config', 'the local configuration cannot be used', { ...options, data });
  }
}

/** An object of a local configuration and where it stands. Every method throws LocalConfigError. */
export class LocalRecord {
  readonly path: string;
  readonly #values: ReadonlyMap<string, unknown>;

  /** `keys` are all that the object may have. */
  constructor(path: string, value: unknown, keys: readonly string[]) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new LocalConfigError(path, 'an object');
    }
    this.path = path;
    this.#values = new Map(Object.entries(value));
    for (const key of this.#values.keys()) {
      if (!keys.includes(key)) throw new LocalConfigError(`${path}.${key}`, `one of ${keys.join(', ')}`);
    }
  }

  /** The file's text as its outermost object. */
  static ofText(text: string, keys: readonly string[]): LocalRecord {
    return new LocalRecord(
      '$',
      within('$', () => JSON.parse(text) as unknown),
      keys,
    );
  }

  get(key: string): unknown {
    return this.#values.get(key);
  }

  /** A text that is not empty. */
  text(key: string): string {
    const value = this.get(key);
    if (typeof value !== 'string' || value === '') throw new LocalConfigError(`${this.path}.${key}`, 'a text');
    return value;
  }

  /** A value that `parse` makes of a text that is not empty. */
  parsed<T>(key: string, parse: (text: string) => T): T {
    const text = this.text(key);
    return within(`${this.path}.${key}`, () => parse(text));
  }

  /** The text of the PEM file at the path that stands there. */
  pemFile(key: string, readFile: (path: string) => string): string {
    const file = this.text(key);
    try {
      return readFile(file);
    } catch (error) {
      // What the system says of it names the file.
      const why = error instanceof Error ? error.message : file;
      throw new LocalConfigError(`${this.path}.${key}`, `the path of a PEM file that can be read (${why})`);
    }
  }

  /** Absent is an empty list. */
  list<T>(key: string, parse: (item: unknown, path: string) => T): readonly T[] {
    const list = this.get(key) ?? [];
    const path = `${this.path}.${key}`;
    if (!Array.isArray(list)) throw new LocalConfigError(path, 'a list');
    return list.map((item: unknown, index) => within(`${path}[${index}]`, () => parse(item, `${path}[${index}]`)));
  }
}

/** What `work` throws becomes a LocalConfigError at `path`, unless it is one. */
export function within<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof LocalConfigError) throw cause;
    throw new LocalConfigError(path, cause instanceof Error ? cause.message : 'something else', { cause });
  }
}
