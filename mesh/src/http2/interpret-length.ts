import { readContentLength } from '../http1/content-length.ts';
import type { MessageHead } from '../http1/head.ts';
import type { FaultCode } from './errors.ts';
import type { FieldDecoder } from './field-decoder.ts';

/** Content-Length, by HTTP/1.1's rules. */
export function interpretLength(decoder: FieldDecoder<MessageHead>): FaultCode | undefined {
  const { head, lengthField } = decoder;
  head.hasContentLength = lengthField >= 0;
  head.contentLength = 0;
  if (lengthField < 0) return undefined;
  const length = readContentLength(head.bytes, head.valueStart(lengthField), head.valueEnd(lengthField));
  if (length < 0) return 'content-length-invalid';
  head.contentLength = length;
  return undefined;
}
