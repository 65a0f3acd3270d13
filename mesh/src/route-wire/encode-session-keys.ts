import { create, toBinary } from '@bufbuild/protobuf';
import type { SessionKeys } from '../routes/session-keys.ts';
import { SessionKeysSchema } from '../wire/gen/ambit/waypoint/v1/sessions_pb.ts';
import type { EncodedResource } from '../wire/model-to-push.ts';

export const SESSION_KEYS_TYPE_URL: string = `type.googleapis.com/${SessionKeysSchema.typeName}`;

/** The resource with the keys of one Gateway. The same value gives the same bytes. */
export function encodeSessionKeys({ gateway, keys }: SessionKeys): EncodedResource {
  const message = create(SessionKeysSchema, { gateway, keys: keys.map((key) => Uint8Array.from(key)) });
  return { name: gateway, aliases: [], typeUrl: SESSION_KEYS_TYPE_URL, value: toBinary(SessionKeysSchema, message) };
}
