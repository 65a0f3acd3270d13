export type KindErrorCode =
  | 'wrong-type'
  | 'missing-field'
  | 'invalid-value'
  | 'unknown-field'
  | 'unsupported-value'
  | 'unsupported-version';

export interface KindErrorDetail {
  /** Path of the field inside the object, such as `spec.rules[0].from[1].ports`. */
  readonly field: string;
  /** The offending value as JSON, clipped; absent when the field is. */
  readonly value?: string;
  /** What a valid value looks like, in words. */
  readonly expected: string;
  /** What the author probably meant. */
  readonly hint?: string;
}

/** An object that does not say what its kind needs. Never retryable: the same object fails again. */
export class KindError extends Error {
  override readonly name = 'KindError';
  readonly code: KindErrorCode;
  readonly detail: KindErrorDetail;

  constructor(code: KindErrorCode, detail: KindErrorDetail, options?: ErrorOptions) {
    super(explain(code, detail), options);
    this.code = code;
    this.detail = detail;
  }
}

function explain(code: KindErrorCode, { field, value, expected, hint }: KindErrorDetail): string {
  const found = value === undefined ? '' : ` but is ${value}`;
  const tail = hint === undefined ? '' : ` (did you mean ${hint}?)`;
  switch (code) {
    case 'missing-field':
      return `${field} is missing: expected ${expected}`;
    case 'unknown-field':
      return `${field} is not a known field${tail}: expected ${expected}`;
    case 'unsupported-value':
      return `${field}${value === undefined ? '' : ` ${value}`} is not supported: ${expected}`;
    case 'wrong-type':
    case 'invalid-value':
    case 'unsupported-version':
      return `${field} must be ${expected}${found}${tail}`;
  }
}
