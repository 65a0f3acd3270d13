import { FieldId } from '../http1/field-names.ts';
import type { MessageHead } from '../http1/head.ts';
import type { FaultCode } from './errors.ts';
import type { FieldDecoder } from './field-decoder.ts';

/** Whether what was decoded are trailers (RFC 9113 8.1); otherwise why not. */
export function interpretTrailers(decoder: FieldDecoder<MessageHead>, endsStream: boolean): FaultCode | undefined {
  if (decoder.fault !== undefined) return decoder.fault;
  if (decoder.hasPseudo) return 'pseudo-forbidden';
  if (!endsStream) return 'trailers-open';
  const { head } = decoder;
  for (let index = 0; index < head.count; index += 1) {
    const id = head.id(index);
    if (id === FieldId.contentLength || id === FieldId.host || id === FieldId.te) return 'trailer-forbidden';
  }
  return undefined;
}
