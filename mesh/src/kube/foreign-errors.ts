import type { IncomingMessage } from 'node:http';
import type { ErrorData } from '../runtime/errors.ts';
import { KubeApiError, type KubeApiErrorCode } from './errors.ts';
import { ERROR_TEXT_CHARACTERS_MAX } from './limits.ts';

/** What a Status object says, as far as it says it. */
interface StatusWords {
  readonly reason?: string;
  readonly message?: string;
  readonly code?: number;
  readonly retryAfterSeconds?: number;
}

const CODE_OF_HTTP: ReadonlyMap<number, KubeApiErrorCode> = new Map([
  [400, 'invalid'],
  [401, 'unauthenticated'],
  [403, 'forbidden'],
  [404, 'not-found'],
  [405, 'invalid'],
  [406, 'invalid'],
  [409, 'conflict'],
  [410, 'gone'],
  [413, 'invalid'],
  [415, 'invalid'],
  [422, 'invalid'],
  [429, 'too-many-requests'],
]);

const STRANGER = 'its certificate is not from the authority that we are told to believe';

const HINTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'the name of the API server does not resolve',
  SELF_SIGNED_CERT_IN_CHAIN: STRANGER,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: STRANGER,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: STRANGER,
  DEPTH_ZERO_SELF_SIGNED_CERT: STRANGER,
  CERT_SIGNATURE_FAILURE: STRANGER,
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
  CERT_HAS_EXPIRED: 'its certificate has expired',
};

/** The error for a refusal: HTTP status and the Status object that came with it, if one did. */
export function errorOfStatus(call: string, httpStatus: number, body: unknown, retryAfter?: string): KubeApiError {
  const words = readStatus(body);
  return new KubeApiError(codeOf(httpStatus, words.reason), {
    data: {
      call,
      status: httpStatus,
      reason: words.reason,
      message: words.message?.slice(0, ERROR_TEXT_CHARACTERS_MAX),
      retryAfterSeconds: words.retryAfterSeconds ?? secondsOf(retryAfter),
    },
  });
}

/** The error for an event of type ERROR in a watch, which carries a Status object instead of an object of the kind. */
export function errorOfWatchEvent(call: string, object: unknown): KubeApiError {
  const code = readStatus(object).code;
  if (code === undefined) return malformed(call, 'an ERROR event without a Status object');
  return errorOfStatus(call, code, object);
}

/** What came back is not what the protocol says. `found` describes it. */
export function malformed(call: string, found: string, cause?: unknown): KubeApiError {
  return new KubeApiError('malformed-response', { data: { call, found }, ...(cause === undefined ? {} : { cause }) });
}

/** Errors of sockets, TLS and HTTP; one of ours passes as it is. */
export function errorOfConnection(call: string, cause: unknown): KubeApiError {
  if (cause instanceof KubeApiError) return cause;
  const code: unknown = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  const reason = typeof code === 'string' ? code : undefined;
  const hint = reason === undefined ? undefined : HINTS[reason];
  const data: ErrorData = { call, reason, ...(hint === undefined ? {} : { hint }) };
  // The parser's codes: what answers there does not speak HTTP.
  if (reason?.startsWith('HPE_') === true) return new KubeApiError('malformed-response', { data, cause });
  return new KubeApiError('unreachable', { data, cause });
}

/** Seconds that the API server asks to wait, as its header says. */
export function retryAfterOf(response: IncomingMessage): string | undefined {
  return response.headers['retry-after'];
}

function codeOf(httpStatus: number, reason: string | undefined): KubeApiErrorCode {
  if (httpStatus === 409 && reason === 'AlreadyExists') return 'already-exists';
  if (httpStatus < 400) return 'malformed-response';
  return CODE_OF_HTTP.get(httpStatus) ?? (httpStatus < 500 ? 'invalid' : 'server-error');
}

function readStatus(body: unknown): StatusWords {
  if (!isRecord(body) || body['kind'] !== 'Status') return {};
  const { reason, message, code, details } = body;
  const wait = isRecord(details) ? details['retryAfterSeconds'] : undefined;
  return {
    ...(typeof reason === 'string' ? { reason: reason.slice(0, ERROR_TEXT_CHARACTERS_MAX) } : {}),
    ...(typeof message === 'string' ? { message } : {}),
    ...(typeof code === 'number' ? { code } : {}),
    ...(typeof wait === 'number' && wait > 0 ? { retryAfterSeconds: wait } : {}),
  };
}

function secondsOf(retryAfter: string | undefined): number | undefined {
  return retryAfter !== undefined && /^\d{1,4}$/.test(retryAfter) ? Number(retryAfter) : undefined;
}

/** A JSON object, neither null nor a list. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
