import { Http2Code } from '../hbone/frame-codec.ts';
import type { Http2Error } from './http2-error.ts';

/**
 * What becomes of an exchange whose server has failed us. `status`: of the response, when none has begun. `http2Code`: what a client
 * of HTTP/2 is told when one has; one of HTTP/1.1 sees its connection close. `retry`: `safe`, the server did nothing about the
 * request; `as-http1`, it wants HTTP/1.1; `never`, it may have done it.
 */
export interface FailureTranslation {
  readonly status: 502 | 503;
  readonly http2Code: number;
  readonly retry: 'safe' | 'as-http1' | 'never';
}

/** Reset codes that mean the same to a client as to us. All others speak of our connection, not of the client's. */
const PASSED_ON: ReadonlySet<number> = new Set([
  Http2Code.cancel,
  Http2Code.enhanceYourCalm,
  Http2Code.inadequateSecurity,
]);

export function translateFailure(error: Http2Error): FailureTranslation {
  if (error.isUnprocessed) return { status: 503, http2Code: Http2Code.refusedStream, retry: 'safe' };
  const told = error.code === 'reset' ? error.data['http2Code'] : undefined;
  if (told === Http2Code.http11Required) return { status: 502, http2Code: Http2Code.internalError, retry: 'as-http1' };
  const passedOn = typeof told === 'number' && PASSED_ON.has(told);
  return { status: 502, http2Code: passedOn ? told : Http2Code.internalError, retry: 'never' };
}

/** gRPC's codes for HTTP statuses, for responses that are our own (grpc/doc/http-grpc-status-mapping.md). */
const GRPC_STATUS: Readonly<Record<number, number>> = {
  400: 13,
  401: 16,
  403: 7,
  404: 12,
  429: 14,
  431: 8,
  502: 14,
  503: 14,
  504: 4,
};
const GRPC_UNKNOWN = 2;

/** The `grpc-status` that says what this status says. */
export function grpcStatusOf(status: number): number {
  return GRPC_STATUS[status] ?? GRPC_UNKNOWN;
}
