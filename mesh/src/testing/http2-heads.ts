import type { FieldBlock } from '../http1/field-block.ts';
import { FieldDecoder } from '../http2/field-decoder.ts';
import { Http2RequestHead, Http2ResponseHead } from '../http2/head.ts';
import { interpretRequest } from '../http2/interpret-request.ts';
import { interpretResponse } from '../http2/interpret-response.ts';
import { DEFAULT_LIMITS, type Http2Limits } from '../http2/limits.ts';
import { fieldsOf, type FieldList } from './http1-steps.ts';
import { blockOf } from './http2-peer.ts';

/** What a header block is as a message, in values that outlive it; or the fault. */
export interface Http2Message {
  readonly start: string;
  readonly fields: FieldList;
  readonly framing: string;
}

/** Reads one request on a connection of its own, or after others on `decoder`. */
export function requestOf(
  block: Buffer | FieldList,
  endsStream = true,
  decoder: FieldDecoder<Http2RequestHead> = requestDecoder(),
  limits: Http2Limits = DEFAULT_LIMITS,
): Http2Message | string {
  decoder.decode(Buffer.isBuffer(block) ? block : blockOf(block));
  const { head } = decoder;
  const fault = interpretRequest(decoder, endsStream, limits);
  if (fault !== undefined) return fault;
  const protocol = head.protocol === '' ? '' : ` protocol=${head.protocol}`;
  const expect = head.expect === 'none' ? '' : ` expect=${head.expect}`;
  return {
    start: `${head.method} ${head.form} ${head.scheme} ${head.authority} ${head.path}${protocol}${expect}`,
    fields: fieldsOf(head),
    framing: framingOf(head),
  };
}

export function responseOf(
  block: Buffer | FieldList,
  endsStream = true,
  method = 'GET',
  decoder: FieldDecoder<Http2ResponseHead> = responseDecoder(),
): Http2Message | string {
  decoder.decode(Buffer.isBuffer(block) ? block : blockOf(block));
  const { head } = decoder;
  const fault = interpretResponse(decoder, endsStream, method);
  if (fault !== undefined) return fault;
  return {
    start: `${head.status}${head.interim ? ' interim' : ''}`,
    fields: fieldsOf(head),
    framing: framingOf(head),
  };
}

export function requestDecoder(limits: Partial<Http2Limits> = {}): FieldDecoder<Http2RequestHead> {
  return new FieldDecoder(new Http2RequestHead(), { ...DEFAULT_LIMITS, ...limits });
}

export function responseDecoder(limits: Partial<Http2Limits> = {}): FieldDecoder<Http2ResponseHead> {
  return new FieldDecoder(new Http2ResponseHead(), { ...DEFAULT_LIMITS, ...limits });
}

/** The fields as the lines they lie in memory as. */
export function linesOf(block: FieldBlock): string {
  return Array.from({ length: block.count }, (_, index) =>
    block.bytes.toString('latin1', block.nameStart(index), block.valueEnd(index) + 2),
  ).join('');
}

function framingOf(head: Http2RequestHead | Http2ResponseHead): string {
  return head.hasContentLength ? `${head.framing} ${head.contentLength}` : head.framing;
}
