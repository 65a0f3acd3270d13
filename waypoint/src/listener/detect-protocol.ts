/** What a connection speaks; `more`: too little has come to tell. */
export type DetectedProtocol = 'http1' | 'http2' | 'tcp' | 'more';

const PREFACE = 'PRI * HTTP/2.0\r\n';
const VERSION = ' HTTP/1.';
const CR = 13;
const LF = 10;
const SPACE = 32;
/** A request line may be as long as the codec takes. Beyond it nothing is HTTP. */
const LINE_MAX_BYTES = 9 * 1024;
/** No method that anybody uses is longer. */
const METHOD_MAX_BYTES = 32;

/**
 * Tells by the first bytes of a client. HTTP/1 begins with a line that ends in its version: other protocols have words like GET
 * as well. What is not yet such a line may still become one only while it is one word and printable text.
 */
export function detectProtocol(bytes: Buffer, start: number, end: number): DetectedProtocol {
  if (start === end) return 'more';
  const preface = matchPreface(bytes, start, end);
  if (preface !== 'tcp') return preface;
  // One empty line before a request is tolerated (RFC 9112 2.2).
  const from = bytes[start] === CR && bytes[start + 1] === LF ? start + 2 : start;
  let at = from;
  while (at < end && isMethodByte(bytes[at] ?? 0)) at += 1;
  if (at - from > METHOD_MAX_BYTES) return 'tcp';
  if (at === end) return 'more';
  if (bytes[at] !== SPACE || at === from) return 'tcp';
  while (at < end && (bytes[at] ?? 0) >= SPACE && (bytes[at] ?? 0) < 127) at += 1;
  if (at === end) return end - from > LINE_MAX_BYTES ? 'tcp' : 'more';
  const isLineEnd = bytes[at] === CR || bytes[at] === LF;
  return isLineEnd && bytes.toString('latin1', at - VERSION.length - 1, at - 1) === VERSION ? 'http1' : 'tcp';
}

function matchPreface(bytes: Buffer, start: number, end: number): 'http2' | 'more' | 'tcp' {
  const length = Math.min(PREFACE.length, end - start);
  for (let i = 0; i < length; i += 1) if (bytes[start + i] !== PREFACE.charCodeAt(i)) return 'tcp';
  return length === PREFACE.length ? 'http2' : 'more';
}

/** Capital letters, and the hyphen of some extensions. */
function isMethodByte(byte: number): boolean {
  return (byte >= 65 && byte <= 90) || byte === 45;
}
