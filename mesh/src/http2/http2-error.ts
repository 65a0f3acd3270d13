import { MeshError, type MeshErrorOptions } from '../runtime/errors.ts';
import type { HboneError, HboneErrorCode } from '../hbone/errors.ts';
import { Http2Code } from '../hbone/frame-codec.ts';
import { FAULTS, type FaultCode } from './errors.ts';

/**
 * How an exchange, or a connection, ended otherwise than in order. `reset` the peer reset the stream (data.http2Code); `goaway` the
 * peer is shutting down and has not looked at the request; `malformed` the peer's message has a fault (data.fault); `protocol` the
 * peer broke HTTP/2 (data.rule, data.http2Code); `flood` the peer abused HTTP/2 (data.rule); `keepalive` the peer stopped
 * answering; `closed` the connection ended under the exchange; `aborted` we ended the connection.
 */
export type Http2ErrorCode =
  | 'reset'
  | 'goaway'
  | 'malformed'
  | 'protocol'
  | 'flood'
  | 'keepalive'
  | 'closed'
  | 'aborted';

const MESSAGES: Readonly<Record<Http2ErrorCode, string>> = {
  reset: 'HTTP/2 stream was reset by the peer',
  goaway: 'HTTP/2 peer is shutting down',
  malformed: 'HTTP/2 message of the peer is malformed',
  protocol: 'HTTP/2 peer broke the protocol',
  flood: 'HTTP/2 peer flooded the connection',
  keepalive: 'HTTP/2 peer stopped answering',
  closed: 'HTTP/2 connection closed',
  aborted: 'HTTP/2 connection was given up',
};

export class Http2Error extends MeshError<Http2ErrorCode> {
  override readonly name = 'Http2Error';
  /** Of `malformed`. */
  readonly fault: FaultCode | undefined;

  constructor(code: Http2ErrorCode, options: Omit<MeshErrorOptions, 'retryable'> = {}, fault?: FaultCode) {
    super(code, MESSAGES[code], { ...options, retryable: code === 'goaway' || isRefused(code, options) });
    this.fault = fault;
  }

  /** The peer says that it did nothing about the request, so that any request may be made again. */
  get isUnprocessed(): boolean {
    return this.retryable;
  }
}

export function malformed(fault: FaultCode): Http2Error {
  return new Http2Error('malformed', { data: { fault, meaning: FAULTS[fault][1] } }, fault);
}

const CODES: Readonly<Partial<Record<HboneErrorCode, Http2ErrorCode>>> = {
  reset: 'reset',
  goaway: 'goaway',
  protocol: 'protocol',
  flood: 'flood',
  keepalive: 'keepalive',
  aborted: 'aborted',
  cut: 'aborted',
};

/** What the framer says, in our words. */
export function fromFramer(error: HboneError): Http2Error {
  const { cause } = error;
  if (cause instanceof Http2Error) return cause;
  return new Http2Error(CODES[error.code] ?? 'closed', { cause, data: error.data });
}

function isRefused(code: Http2ErrorCode, { data }: MeshErrorOptions): boolean {
  return code === 'reset' && data?.['http2Code'] === Http2Code.refusedStream;
}
