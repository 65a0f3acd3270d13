import { status } from '@grpc/grpc-js';
import { MeshError, type MeshErrorOptions } from '../runtime/errors.ts';

const MESSAGES = {
  cancelled: 'call was cancelled',
  'deadline-exceeded': 'call took too long',
  'invalid-argument': 'request was refused as invalid',
  unauthenticated: 'caller was not accepted',
  'permission-denied': 'caller may not do this',
  'resource-exhausted': 'too many or too large requests',
  'failed-precondition': 'request cannot be served in this state',
  unimplemented: 'method is not served',
  unavailable: 'control plane cannot be reached',
  internal: 'call failed',
  'malformed-response': 'response cannot be read',
  'untrusted-controller': 'controller does not prove the pinned root',
} as const;

export type GrpcErrorCode = keyof typeof MESSAGES;

const RETRYABLE: ReadonlySet<GrpcErrorCode> = new Set([
  'cancelled',
  'deadline-exceeded',
  'resource-exhausted',
  'unavailable',
  'internal',
]);

/**
 * A call to or from the control plane that did not succeed. A handler that throws one answers with that status and its
 * constant message; `data` and `cause` stay on this side.
 */
export class GrpcError extends MeshError<GrpcErrorCode> {
  override readonly name = 'GrpcError';

  constructor(code: GrpcErrorCode, options: Omit<MeshErrorOptions, 'retryable'> = {}) {
    super(code, MESSAGES[code], { ...options, retryable: RETRYABLE.has(code) });
  }
}

const STATUS_OF_CODE: Readonly<Record<GrpcErrorCode, status>> = {
  cancelled: status.CANCELLED,
  'deadline-exceeded': status.DEADLINE_EXCEEDED,
  'invalid-argument': status.INVALID_ARGUMENT,
  unauthenticated: status.UNAUTHENTICATED,
  'permission-denied': status.PERMISSION_DENIED,
  'resource-exhausted': status.RESOURCE_EXHAUSTED,
  'failed-precondition': status.FAILED_PRECONDITION,
  unimplemented: status.UNIMPLEMENTED,
  unavailable: status.UNAVAILABLE,
  internal: status.INTERNAL,
  'malformed-response': status.INTERNAL,
  'untrusted-controller': status.UNAUTHENTICATED,
};

const CODE_OF_STATUS: Readonly<Partial<Record<status, GrpcErrorCode>>> = {
  [status.CANCELLED]: 'cancelled',
  [status.DEADLINE_EXCEEDED]: 'deadline-exceeded',
  [status.INVALID_ARGUMENT]: 'invalid-argument',
  [status.OUT_OF_RANGE]: 'invalid-argument',
  [status.UNAUTHENTICATED]: 'unauthenticated',
  [status.PERMISSION_DENIED]: 'permission-denied',
  [status.RESOURCE_EXHAUSTED]: 'resource-exhausted',
  [status.FAILED_PRECONDITION]: 'failed-precondition',
  [status.UNIMPLEMENTED]: 'unimplemented',
  [status.UNAVAILABLE]: 'unavailable',
};

/** What a peer's status means here; its text is kept for the log. Statuses without a code of ours become `internal`. */
export function fromStatus(received: { readonly code: number; readonly details: string }): GrpcError {
  const entry = Object.entries(CODE_OF_STATUS).find(([code]) => Number(code) === received.code);
  return new GrpcError(entry?.[1] ?? 'internal', {
    data: { status: received.code, details: received.details.slice(0, 500) },
  });
}

/** What a caller is told about a failure: a status and constant words. Anything but a GrpcError is just `internal`. */
export function toStatus(error: unknown): { readonly code: number; readonly details: string } {
  if (error instanceof GrpcError) return { code: STATUS_OF_CODE[error.code], details: error.message };
  return { code: status.INTERNAL, details: MESSAGES.internal };
}
