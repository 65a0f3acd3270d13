import { isIP } from 'node:net';
import { type Asn1, implicit, octetString, sequence, toDer, oid, boolean } from './asn1-structure.ts';
import { TlsError } from './errors.ts';

/** A subject alternative name. `ip` is the text form of an IPv4 or IPv6 address. */
export type AltName =
  | { readonly kind: 'uri'; readonly value: string }
  | { readonly kind: 'dns'; readonly value: string }
  | { readonly kind: 'ip'; readonly value: string };

const TAG = { dns: 2, uri: 6, ip: 7 } as const;
const OID_SUBJECT_ALT_NAME = '2.5.29.17';

/** The subject alternative name extension. @throws TlsError `invalid-profile` for a name that is not ASCII or no address. */
export function altNameExtension(names: readonly AltName[], critical: boolean): Asn1 {
  const list = sequence(...names.map((name) => implicit(TAG[name.kind], nameContent(name))));
  return extension(OID_SUBJECT_ALT_NAME, critical, list);
}

/** An Extension of `content`; `critical` is left out when false, as DER demands of defaults. */
export function extension(id: string, critical: boolean, content: Asn1): Asn1 {
  const value = octetString(toDer(content));
  return critical ? sequence(oid(id), boolean(true), value) : sequence(oid(id), value);
}

function nameContent(name: AltName): Uint8Array {
  if (name.kind === 'ip') return addressBytes(name.value);
  if (!/^[\x21-\x7e]{1,2048}$/.test(name.value)) {
    throw new TlsError('invalid-profile', { data: { reason: 'name-not-ascii', name: name.value } });
  }
  return Buffer.from(name.value, 'latin1');
}

function addressBytes(text: string): Uint8Array {
  const family = isIP(text);
  if (family === 4) return Uint8Array.from(text.split('.'), Number);
  if (family === 0 || text.includes('%')) {
    throw new TlsError('invalid-profile', { data: { reason: 'not-an-address', name: text } });
  }
  // The URL parser prints every IPv6 address in one form: hexadecimal groups with at most one run of zeros left out.
  const [head = '', tail] = new URL(`http://[${text}]`).hostname.slice(1, -1).split('::');
  const groups = (part: string): readonly number[] =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const front = groups(head);
  const back = tail === undefined ? [] : groups(tail);
  const middle = Array.from({ length: 8 - front.length - back.length }, () => 0);
  return Uint8Array.from([...front, ...middle, ...back].flatMap((group) => [group >> 8, group & 0xff]));
}
