export type ModelErrorCode =
  | 'invalid-address'
  | 'invalid-port'
  | 'invalid-cidr'
  | 'invalid-spiffe-id'
  | 'invalid-trust-domain'
  | 'invalid-name';

export interface ModelErrorDetail {
  /** The offending text, as received. */
  readonly value: string;
  /** What a valid value looks like, in words. */
  readonly expected: string;
}

/** A value from outside that is not what the model allows. Never retryable: the same value fails again. */
export class ModelError extends Error {
  override readonly name = 'ModelError';
  readonly code: ModelErrorCode;
  readonly detail: ModelErrorDetail;

  constructor(code: ModelErrorCode, detail: ModelErrorDetail, options?: ErrorOptions) {
    super(`${code}: ${JSON.stringify(detail.value.slice(0, 200))} is not ${detail.expected}`, options);
    this.code = code;
    this.detail = detail;
  }
}
