import { type DescMessage, fromBinary, type MessageShape } from '@bufbuild/protobuf';
import { WireError } from './errors.ts';

/**
 * Bytes of one message. Whatever the runtime throws on bytes that are none, a stack that ran out in nested values
 * included, becomes one error.
 * @throws WireError `malformed`, with the message's short name as path.
 */
export function decodeMessage<Desc extends DescMessage>(schema: Desc, bytes: Uint8Array): MessageShape<Desc> {
  try {
    return fromBinary(schema, bytes);
  } catch (cause) {
    throw new WireError('malformed', { path: schema.name, reason: 'not the bytes of this message' }, { cause });
  }
}
