import type { ExchangeFacts } from './exchange-facts.ts';
import type { FailureReason } from './failures.ts';
import type { Caller } from './pipeline.ts';

/** The record of what never became a request of HTTP/2. `status`: 0 when its stream was reset, or its connection ended. */
export function refusedRequest(
  caller: Caller,
  status: number,
  reason: Extract<FailureReason, 'bad-request' | 'request-timeout'> = 'bad-request',
): ExchangeFacts {
  return {
    caller,
    method: '',
    authority: '',
    target: '',
    protocol: 'HTTP/2',
    requestId: '',
    ownRequestId: null,
    userAgent: '',
    status,
    grpcStatus: null,
    reason,
    decision: null,
    access: null,
    endpoint: null,
    attempts: 0,
    requestBytes: 0,
    responseBytes: 0,
    durationMs: 0,
  };
}
