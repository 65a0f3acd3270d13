import { DIGIT } from '../http1/characters.ts';
import type { MessageHead } from '../http1/head.ts';
import { LENGTH_DIGITS_MAX } from '../http1/limits.ts';
import type { FaultCode } from './errors.ts';
import type { FieldDecoder } from './field-decoder.ts';

const ZERO = 48;

/** Content-Length, by HTTP/1.1's rules: digits only, no zero before others, a number that a double holds. */
export function interpretLength(decoder: FieldDecoder<MessageHead>): FaultCode | undefined {
  const { head, lengthField } = decoder;
  head.hasContentLength = lengthField >= 0;
  head.contentLength = 0;
  if (lengthField < 0) return undefined;
  const { bytes } = head;
  const start = head.valueStart(lengthField);
  const end = head.valueEnd(lengthField);
  if (start === end || end - start > LENGTH_DIGITS_MAX) return 'content-length-invalid';
  if (bytes[start] === ZERO && end - start > 1) return 'content-length-invalid';
  let length = 0;
  for (let at = start; at < end; at += 1) {
    const byte = bytes[at] ?? 0;
    if (DIGIT[byte] !== 1) return 'content-length-invalid';
    length = length * 10 + (byte - ZERO);
  }
  if (length > Number.MAX_SAFE_INTEGER) return 'content-length-invalid';
  head.contentLength = length;
  return undefined;
}
