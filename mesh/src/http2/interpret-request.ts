import { isAuthority } from '../http1/authority.ts';
import { equalsIgnoringCase, equalsLower, SLASH, TARGET, TOKEN } from '../http1/characters.ts';
import { methodOf } from '../http1/methods.ts';
import type { FaultCode } from './errors.ts';
import type { FieldDecoder } from './field-decoder.ts';
import { FieldKind, isAllOf, PSEUDO_FIRST } from './field-kinds.ts';
import type { Http2RequestHead } from './head.ts';
import { interpretLength } from './interpret-length.ts';
import type { Http2Limits } from './limits.ts';

const ASTERISK = 42;
const bit = (kind: number): number => 1 << (kind - PSEUDO_FIRST);
const ALLOWED =
  bit(FieldKind.method) |
  bit(FieldKind.scheme) |
  bit(FieldKind.authority) |
  bit(FieldKind.path) |
  bit(FieldKind.protocol);
const ALLOWED_OF_CONNECT = bit(FieldKind.method) | bit(FieldKind.authority);

/**
 * Makes a request of what was decoded (RFC 9113 8.3.1, 8.5, RFC 8441), or says why it is none. `endsStream`: the request has no
 * body and no trailers.
 */
export function interpretRequest(
  decoder: FieldDecoder<Http2RequestHead>,
  endsStream: boolean,
  limits: Http2Limits,
): FaultCode | undefined {
  if (decoder.fault !== undefined) return decoder.fault;
  const { head } = decoder;
  head.sensitive = decoder.sensitive;
  return (
    interpretMethod(decoder, limits) ??
    (head.method === 'CONNECT' && !decoder.has(FieldKind.protocol)
      ? interpretConnect(decoder)
      : interpretTarget(decoder, limits)) ??
    interpretHost(decoder) ??
    interpretFraming(decoder, endsStream)
  );
}

function interpretMethod(decoder: FieldDecoder<Http2RequestHead>, limits: Http2Limits): FaultCode | undefined {
  const { head } = decoder;
  if (decoder.hasOtherThan(ALLOWED)) return 'pseudo-forbidden';
  if (!decoder.has(FieldKind.method)) return 'pseudo-missing';
  const start = decoder.valueStart(FieldKind.method);
  const end = decoder.valueEnd(FieldKind.method);
  if (start === end || !isAllOf(TOKEN, head.bytes, start, end)) return 'method';
  if (end - start > limits.methodMaxBytes) return 'method-length';
  head.method = methodOf(head.bytes, start, end);
  return undefined;
}

function interpretConnect(decoder: FieldDecoder<Http2RequestHead>): FaultCode | undefined {
  const { head } = decoder;
  if (decoder.hasOtherThan(ALLOWED_OF_CONNECT)) return 'pseudo-forbidden';
  if (!decoder.has(FieldKind.authority)) return 'pseudo-missing';
  const start = decoder.valueStart(FieldKind.authority);
  const end = decoder.valueEnd(FieldKind.authority);
  head.protocol = '';
  head.form = 'authority';
  head.scheme = 'http';
  setTarget(head, start, end, end, end);
  setAuthority(head, start, end);
  return isAuthority(head.bytes, start, end, 'required') ? undefined : 'authority';
}

function interpretTarget(decoder: FieldDecoder<Http2RequestHead>, limits: Http2Limits): FaultCode | undefined {
  const { head } = decoder;
  const { bytes, method } = head;
  if (!decoder.has(FieldKind.scheme) || !decoder.has(FieldKind.path)) return 'pseudo-missing';
  const fault = interpretScheme(decoder) ?? interpretProtocol(decoder);
  if (fault !== undefined) return fault;
  const start = decoder.valueStart(FieldKind.path);
  const end = decoder.valueEnd(FieldKind.path);
  setTarget(head, start, end, start, end);
  setAuthority(head, decoder.valueStart(FieldKind.authority), decoder.valueEnd(FieldKind.authority));
  if (end - start > limits.pathMaxBytes) return 'path-length';
  head.form = bytes[start] === SLASH ? 'origin' : 'asterisk';
  if (head.form === 'origin') return isAllOf(TARGET, bytes, start, end) ? undefined : 'path';
  return end === start + 1 && bytes[start] === ASTERISK && method === 'OPTIONS' ? undefined : 'path';
}

function interpretScheme(decoder: FieldDecoder<Http2RequestHead>): FaultCode | undefined {
  const { head } = decoder;
  const start = decoder.valueStart(FieldKind.scheme);
  const end = decoder.valueEnd(FieldKind.scheme);
  head.scheme = equalsLower(head.bytes, start, end, 'https') ? 'https' : 'http';
  return head.scheme === 'https' || equalsLower(head.bytes, start, end, 'http') ? undefined : 'scheme';
}

function interpretProtocol(decoder: FieldDecoder<Http2RequestHead>): FaultCode | undefined {
  const { head } = decoder;
  head.protocol = '';
  if (!decoder.has(FieldKind.protocol)) return undefined;
  const start = decoder.valueStart(FieldKind.protocol);
  const end = decoder.valueEnd(FieldKind.protocol);
  if (head.method !== 'CONNECT' || start === end || !isAllOf(TOKEN, head.bytes, start, end)) return 'protocol';
  head.protocol = head.bytes.toString('latin1', start, end);
  return undefined;
}

/** There is one authority: `:authority`, or Host in its place (RFC 9113 8.3.1). Both are one that HTTP/1.1 would take. */
function interpretHost(decoder: FieldDecoder<Http2RequestHead>): FaultCode | undefined {
  const { head, hostField } = decoder;
  const { bytes, authorityStart, authorityEnd } = head;
  const said = decoder.has(FieldKind.authority);
  if (said && !isAuthority(bytes, authorityStart, authorityEnd, 'optional')) return 'authority';
  if (hostField < 0) return said ? undefined : 'authority-missing';
  const start = head.valueStart(hostField);
  const end = head.valueEnd(hostField);
  if (said) return equalsIgnoringCase(bytes, start, end, authorityStart, authorityEnd) ? undefined : 'host-mismatch';
  setAuthority(head, start, end);
  return isAuthority(bytes, start, end, 'optional') ? undefined : 'authority';
}

function interpretFraming(decoder: FieldDecoder<Http2RequestHead>, endsStream: boolean): FaultCode | undefined {
  const { head } = decoder;
  head.expect = expectOf(decoder);
  const fault = interpretLength(decoder);
  if (fault !== undefined) return fault;
  head.framing = 'none';
  // What follows is the tunnel's.
  if (head.method === 'CONNECT') return head.hasContentLength ? 'connect-length' : undefined;
  if (endsStream) return head.contentLength > 0 ? 'body-length' : undefined;
  head.framing = head.hasContentLength ? 'length' : 'chunked';
  return undefined;
}

function expectOf(decoder: FieldDecoder<Http2RequestHead>): Http2RequestHead['expect'] {
  const { head, expectField } = decoder;
  if (expectField < 0) return 'none';
  const { bytes } = head;
  const known = equalsLower(bytes, head.valueStart(expectField), head.valueEnd(expectField), '100-continue');
  return known && !decoder.expectsMore ? 'continue' : 'unknown';
}

function setTarget(head: Http2RequestHead, start: number, end: number, pathStart: number, pathEnd: number): void {
  head.targetStart = start;
  head.targetEnd = end;
  head.pathStart = pathStart;
  head.pathEnd = pathEnd;
}

function setAuthority(head: Http2RequestHead, start: number, end: number): void {
  head.authorityStart = start;
  head.authorityEnd = end;
}
