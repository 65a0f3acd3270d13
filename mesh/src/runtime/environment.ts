import { MeshError } from './errors.ts';
import { isLevelFilter } from './log-filter.ts';

/** The process environment as a value, so that configuration is parsed the same way in tests and in production. */
export interface Environment {
  get(name: string): string | undefined;
  names(): readonly string[];
  /** Under which other name somebody set it, for errors. */
  origin?(name: string): string | undefined;
}

/** Every variable Ambit reads starts with this; one that starts so and is not read by anybody is refused. */
export const ENVIRONMENT_PREFIX = 'AMBIT_';

export type EnvironmentErrorCode = 'environment-missing' | 'environment-invalid' | 'environment-unknown';

const MESSAGES = {
  'environment-missing': 'a required environment variable is not set',
  'environment-invalid': 'an environment variable has a value that is not usable',
  'environment-unknown': 'an environment variable is not known, perhaps misspelt',
} satisfies Record<EnvironmentErrorCode, string>;

/** Configuration that cannot be used. `data` names variable, value and what was expected. Never retryable. */
export class EnvironmentError extends MeshError<EnvironmentErrorCode> {
  override readonly name = 'EnvironmentError';

  constructor(
    code: EnvironmentErrorCode,
    data: { readonly variable: string; readonly value?: string; readonly expected: string },
    options: ErrorOptions = {},
  ) {
    super(code, MESSAGES[code], { ...options, data });
  }
}

/** A copy of `variables`; later changes of the record are not seen. */
export function createEnvironment(variables: Readonly<Record<string, string | undefined>>): Environment {
  const copy = new Map<string, string>();
  for (const [name, value] of Object.entries(variables)) if (value !== undefined) copy.set(name, value);
  return { get: (name) => copy.get(name), names: () => [...copy.keys()] };
}

export interface IntegerOptions {
  readonly min: number;
  readonly max: number;
}

const DURATION_UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const VALUE_SHOWN_CHARACTERS = 200;

/**
 * Reads typed values from an environment. Every method returns `fallback` when the variable is absent or empty, and
 * throws EnvironmentError `environment-missing` when there is no fallback, `environment-invalid` when the value is unusable.
 * Call `refuseUnknown` after the last read.
 */
export class EnvironmentReader {
  readonly #environment: Environment;
  readonly #read = new Set<string>();

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** The text as it stands, or undefined when absent or empty. */
  optional(name: string): string | undefined {
    this.#read.add(name);
    const value = this.#environment.get(name);
    return value === undefined || value === '' ? undefined : value;
  }

  text(name: string, fallback: string): string {
    return this.optional(name) ?? fallback;
  }

  /** A text that has to be there. `expected` says what it is. */
  required(name: string, expected: string): string {
    return this.parsed(name, expected, (text) => text);
  }

  /**
   * Anything else: `parse` throws on a bad value and the error names the variable. `expected` describes a good value.
   */
  parsed<T>(name: string, expected: string, parse: (text: string) => T, fallback?: T): T {
    const value = this.optional(name);
    if (value === undefined) {
      if (fallback !== undefined) return fallback;
      throw new EnvironmentError('environment-missing', { variable: name, expected });
    }
    try {
      return parse(value);
    } catch (cause) {
      const shown = value.slice(0, VALUE_SHOWN_CHARACTERS);
      const variable = this.#environment.origin?.(name) ?? name;
      throw new EnvironmentError('environment-invalid', { variable, value: shown, expected }, { cause });
    }
  }

  integer(name: string, limits: IntegerOptions, fallback?: number): number {
    const expected = `a whole number from ${limits.min} to ${limits.max}`;
    const parse = (text: string): number => {
      const value = /^-?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
      if (!(value >= limits.min && value <= limits.max)) throw new RangeError(expected);
      return value;
    };
    return this.parsed(name, expected, parse, fallback);
  }

  /** `true` or `false`. */
  boolean(name: string, fallback?: boolean): boolean {
    return (
      this.oneOf(name, ['true', 'false'], fallback === undefined ? undefined : fallback ? 'true' : 'false') === 'true'
    );
  }

  /** `500ms`, `5s`, `10m`, `24h`, `7d`; in milliseconds. */
  durationMs(name: string, fallback?: number): number {
    return this.parsed(name, 'a duration such as 500ms, 5s, 10m, 24h', parseDurationMs, fallback);
  }

  /** A log level with exceptions by scope, as `isLevelFilter` has it. */
  logFilter(name: string, fallback?: string): string {
    const parse = (text: string): string => {
      if (!isLevelFilter(text)) throw new RangeError('not a log filter');
      return text;
    };
    return this.parsed(name, 'LEVEL[,scope=LEVEL...]', parse, fallback);
  }

  /** `stdout`, `off` or an absolute path, for `accessLogTarget`. */
  accessLog(name: string, fallback?: string): string {
    const parse = (text: string): string => {
      if (text !== 'stdout' && text !== 'off' && !text.startsWith('/')) throw new RangeError('not a target');
      return text;
    };
    return this.parsed(name, 'stdout, off, or an absolute path', parse, fallback);
  }

  oneOf<const T extends string>(name: string, values: readonly T[], fallback?: T): T {
    const expected = `one of ${values.join(', ')}`;
    const parse = (text: string): T => {
      const found = values.find((value) => value === text);
      if (found === undefined) throw new RangeError(expected);
      return found;
    };
    return this.parsed(name, expected, parse, fallback);
  }

  /** Comma-separated; blanks around items and empty items are dropped. */
  list<T>(name: string, expected: string, parse: (item: string) => T, fallback?: readonly T[]): readonly T[] {
    const items = (text: string): readonly T[] =>
      text
        .split(',')
        .map((item) => item.trim())
        .filter((item) => item !== '')
        .map(parse);
    return this.parsed(name, expected, items, fallback);
  }

  /** @throws EnvironmentError `environment-unknown` for the first variable with our prefix that no call asked for. */
  refuseUnknown(): void {
    for (const name of this.#environment.names()) {
      if (!name.startsWith(ENVIRONMENT_PREFIX) || this.#read.has(name)) continue;
      const known = [...this.#read].filter((item) => item.startsWith(ENVIRONMENT_PREFIX)).sort();
      throw new EnvironmentError('environment-unknown', { variable: name, expected: `one of ${known.join(', ')}` });
    }
  }
}

/** @throws RangeError when `text` is not a number with a unit. */
export function parseDurationMs(text: string): number {
  const match = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)$/.exec(text);
  const unit = DURATION_UNITS_MS[match?.[2] ?? ''];
  if (match === null || unit === undefined) throw new RangeError('not a duration');
  return Math.round(Number(match[1]) * unit);
}
