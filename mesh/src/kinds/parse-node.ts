import { parseCidr, parseIpAddress } from '../model/address.ts';
import type { FieldReader } from './field-reader.ts';
import type { Node } from './objects.ts';
import { parseMeta } from './parse-meta.ts';

/** The address its kubelet and the API server talk over. */
const INTERNAL = 'InternalIP';

/** v1 Node. @throws KindError. */
export function parseNode(object: FieldReader): Node {
  const addresses = object.object('status')?.objects('addresses', parseAddress) ?? [];
  return {
    kind: 'Node',
    meta: parseMeta(object, 'cluster'),
    addresses: addresses.flat(),
    podCidrs: object.object('spec')?.parsedTexts('podCIDRs', 'address blocks', parseCidr) ?? [],
  };
}

function parseAddress(reader: FieldReader): Node['addresses'] {
  if (reader.text('type', '') !== INTERNAL) return [];
  try {
    return [parseIpAddress(reader.text('address'))];
  } catch (cause) {
    return reader.fail('address', 'an IPv4 or IPv6 address', { cause });
  }
}
