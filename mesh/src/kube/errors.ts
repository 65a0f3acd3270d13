import { MeshError, type MeshErrorOptions } from '../runtime/errors.ts';

const MESSAGES = {
  unreachable: 'API server cannot be reached',
  unauthenticated: 'API server does not accept our token',
  forbidden: 'API server does not allow this',
  'not-found': 'API server does not serve this kind, or the object does not exist',
  'already-exists': 'an object of that name exists',
  conflict: 'the object was changed by somebody else',
  gone: 'the version to continue from is too old',
  invalid: 'API server refuses the object',
  'too-many-requests': 'API server is overloaded',
  'server-error': 'API server failed',
  'malformed-response': 'response of the API server cannot be read',
  'too-large': 'what is exchanged with the API server is larger than allowed',
} as const;

export type KubeApiErrorCode = keyof typeof MESSAGES;

const RETRYABLE: ReadonlySet<KubeApiErrorCode> = new Set([
  'unreachable',
  'unauthenticated',
  'too-many-requests',
  'server-error',
  'malformed-response',
]);

/**
 * A call to the API server that did not succeed. `data.status` is the HTTP status and `data.message` what the server said,
 * shortened. Retryable codes may succeed when repeated as they are; `conflict` and `gone` want a fresh read first.
 */
export class KubeApiError extends MeshError<KubeApiErrorCode> {
  override readonly name = 'KubeApiError';

  constructor(code: KubeApiErrorCode, options: Omit<MeshErrorOptions, 'retryable'> = {}) {
    super(code, MESSAGES[code], { ...options, retryable: RETRYABLE.has(code) });
  }
}
