import { DIGIT } from '../http1/characters.ts';
import type { FaultCode } from './errors.ts';
import type { FieldDecoder } from './field-decoder.ts';
import { FieldKind, PSEUDO_FIRST } from './field-kinds.ts';
import type { Http2ResponseHead } from './head.ts';
import { interpretLength } from './interpret-length.ts';

const ALLOWED = 1 << (FieldKind.status - PSEUDO_FIRST);
const ZERO = 48;
const STATUS_DIGITS = 3;
const SWITCHING_PROTOCOLS = 101;

/**
 * Makes a response to a request of this method of what was decoded (RFC 9113 8.3.2), or says why it is none. `endsStream`: there
 * is neither body nor trailers.
 */
export function interpretResponse(
  decoder: FieldDecoder<Http2ResponseHead>,
  endsStream: boolean,
  method: string,
): FaultCode | undefined {
  if (decoder.fault !== undefined) return decoder.fault;
  const { head } = decoder;
  head.sensitive = decoder.sensitive;
  head.reasonStart = 0;
  head.reasonEnd = 0;
  return interpretStatus(decoder) ?? interpretLength(decoder) ?? interpretFraming(head, endsStream, method);
}

/** Whether a response of this status to a request of this method has content (RFC 9110 6.4.1). */
export function hasContent(status: number, method: string): boolean {
  return status >= 200 && status !== 204 && status !== 304 && method !== 'HEAD';
}

function interpretStatus(decoder: FieldDecoder<Http2ResponseHead>): FaultCode | undefined {
  const { head } = decoder;
  if (decoder.hasOtherThan(ALLOWED)) return 'pseudo-forbidden';
  if (!decoder.has(FieldKind.status)) return 'pseudo-missing';
  const start = decoder.valueStart(FieldKind.status);
  const end = decoder.valueEnd(FieldKind.status);
  if (end - start !== STATUS_DIGITS) return 'status-code';
  let status = 0;
  for (let at = start; at < end; at += 1) {
    const byte = head.bytes[at] ?? 0;
    if (DIGIT[byte] !== 1) return 'status-code';
    status = status * 10 + (byte - ZERO);
  }
  head.status = status;
  head.interim = status < 200;
  // RFC 9113 8.6: an upgrade is something that HTTP/2 does not do.
  return status < 100 || status === SWITCHING_PROTOCOLS ? 'status-code' : undefined;
}

function interpretFraming(head: Http2ResponseHead, endsStream: boolean, method: string): FaultCode | undefined {
  const { status, interim } = head;
  head.framing = 'none';
  // RFC 9110 8.6: never in these two.
  if ((interim || status === 204) && head.contentLength > 0) return 'body-unexpected';
  if (interim) return endsStream ? 'interim-end' : undefined;
  if (method === 'CONNECT' && status < 300) {
    head.framing = 'tunnel';
    return undefined;
  }
  if (!hasContent(status, method)) return undefined;
  if (endsStream) return head.contentLength > 0 ? 'body-length' : undefined;
  head.framing = head.hasContentLength ? 'length' : 'chunked';
  return undefined;
}
