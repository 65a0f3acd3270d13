import { TlsError } from './errors.ts';
import { readRevocationList, type RevocationList } from './revocation-list.ts';

/** A longer file is not read. */
export const REVOCATION_FILE_BYTES_MAX: number = 32 * 1024 * 1024;
/** Lists in one file: one for each issuer that peers' certificates may come from. */
export const REVOCATION_LISTS_MAX = 256;

const BEGIN = '-----BEGIN ';
const PEM_LIST = /-----BEGIN X509 CRL-----([A-Za-z0-9+/=\s]*)-----END X509 CRL-----/g;
const PEM_LIST_BEGIN = /-----BEGIN X509 CRL-----/g;

/**
 * The revocation lists of a file: PEM blocks, of which other kinds are skipped, or one list in DER. A file without any is in
 * order and withdraws nothing. One list that cannot be used makes the whole file unusable: nobody knows what it withdraws.
 * @throws TlsError `invalid-revocation-list` with `reason` and, from 1, the number of the `list`.
 */
export function parseRevocationFile(file: Uint8Array): readonly RevocationList[] {
  if (file.byteLength > REVOCATION_FILE_BYTES_MAX) throw invalid('file-too-large');
  const ders = splitLists(file);
  if (ders.length > REVOCATION_LISTS_MAX) throw invalid('too-many-lists');
  return ders.map((der, index) => {
    const list = readRevocationList(der);
    if (typeof list === 'string') throw invalid(list, index + 1);
    return list;
  });
}

function splitLists(file: Uint8Array): readonly Uint8Array[] {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  if (bytes.every((byte) => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d))) return [];
  if (!bytes.includes(BEGIN)) return [file];
  const text = bytes.toString('latin1');
  const lists = [...text.matchAll(PEM_LIST)].map(([, base64 = '']) => Buffer.from(base64, 'base64'));
  // One that is cut short, or holds what is no base64, must not be taken for text between blocks.
  if (lists.length !== [...text.matchAll(PEM_LIST_BEGIN)].length) throw invalid('malformed', lists.length + 1);
  return lists;
}

function invalid(reason: string, list?: number): TlsError {
  return new TlsError('invalid-revocation-list', { data: { reason, ...(list === undefined ? {} : { list }) } });
}
