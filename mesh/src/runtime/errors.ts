/** Extra facts of an error: shown in logs beside the constant message. Never secrets. */
export type ErrorData = Readonly<Record<string, string | number | boolean | undefined>>;

export interface MeshErrorOptions extends ErrorOptions {
  readonly data?: ErrorData;
  /** True when the same attempt may succeed later without anything being corrected. Default false. */
  readonly retryable?: boolean;
}

/**
 * Base of every failure Ambit throws on purpose. `code` comes from the closed union of its subsystem, `message` is
 * constant per code, what varies is in `data` and `cause`. Decisions (deny, no route) are returned values, never errors.
 */
export class MeshError<Code extends string = string> extends Error {
  override readonly name: string = 'MeshError';
  readonly code: Code;
  readonly data: ErrorData;
  readonly retryable: boolean;

  constructor(code: Code, message: string, options: MeshErrorOptions = {}) {
    super(message, options);
    this.code = code;
    this.data = options.data ?? {};
    this.retryable = options.retryable ?? false;
  }
}

/** For a state that correct code never reaches: the process must not go on. */
export function bug(what: string): never {
  throw new Error(`bug: ${what}`);
}

/** Makes a switch over a union exhaustive for the compiler and loud at run time. */
export function assertNever(value: never): never {
  return bug(`unexpected value ${JSON.stringify(value)}`);
}
