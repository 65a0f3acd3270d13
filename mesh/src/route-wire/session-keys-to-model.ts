import { SESSION_KEY_BYTES, type SessionKeys } from '../routes/session-keys.ts';
import { decodeMessage } from '../wire/decode-message.ts';
import type { DiscoveryResource } from '../wire/discovery-messages.ts';
import { invalidField, readList } from '../wire/field-reader.ts';
import { SessionKeysSchema } from '../wire/gen/ambit/waypoint/v1/sessions_pb.ts';
import { SESSION_KEYS_TYPE_URL } from './encode-session-keys.ts';
import { ROUTE_WIRE_LIMITS } from './limits.ts';

/** The keys of one Gateway. Nothing of a key is in an error. @throws WireError with the path of the first field that is not allowed. */
export function parseSessionKeys({ name, typeUrl, value }: DiscoveryResource): SessionKeys {
  if (typeUrl !== SESSION_KEYS_TYPE_URL) invalidField('resource.type_url', 'not a type that was asked for');
  const { gateway, keys } = decodeMessage(SessionKeysSchema, value);
  if (gateway !== name) invalidField('resource.name', `its content is named ${JSON.stringify(gateway)}`);
  if (keys.length === 0) invalidField('session_keys.keys', 'empty');
  return { gateway, keys: readList('session_keys.keys', ROUTE_WIRE_LIMITS.sessionKeys, keys, readKey) };
}

function readKey(key: Uint8Array, path: string): Uint8Array {
  return key.length === SESSION_KEY_BYTES ? Uint8Array.from(key) : invalidField(path, `not ${SESSION_KEY_BYTES} bytes`);
}
