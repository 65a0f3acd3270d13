export type WireErrorCode =
  /** Not the bytes of the expected message. */
  | 'malformed'
  /** A field holds a value that the model does not allow. */
  | 'invalid-field'
  /** An enum number nobody defined, or one that peers agreed to refuse. */
  | 'unknown-enum-value'
  /** More, longer or deeper than limits.ts allows. */
  | 'over-limit';

export interface WireErrorDetail {
  /** Where in the message, e.g. `workload.addresses[2]`; the message's own name when it is all of it. */
  readonly path: string;
  /** What is wrong there, in words. */
  readonly reason: string;
}

/**
 * Bytes or text from a peer that are not what the protocol allows. The only error a decoder of this layer throws,
 * whatever it is fed. Never retryable: the same input fails again.
 */
export class WireError extends Error {
  override readonly name = 'WireError';
  readonly code: WireErrorCode;
  readonly detail: WireErrorDetail;

  constructor(code: WireErrorCode, detail: WireErrorDetail, options?: ErrorOptions) {
    super(`${code}: ${detail.path}: ${detail.reason}`, options);
    this.code = code;
    this.detail = detail;
  }
}
