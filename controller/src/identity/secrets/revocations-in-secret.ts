import type { KeptCertificate } from '../authority.ts';
import { IdentityError } from '../errors.ts';
import { isForgotten, LIST_VALIDITY_MS, type RevokedEntry, signList } from '../revocation-entries.ts';

/** Keys of an authority's Secret: the list as proxies read it, and what the controller makes it of. */
export const REVOCATION_KEYS = { list: 'ca-crl.pem', entries: 'revoked' } as const;
/** A ConfigMap takes a list of this many with room; of certificates that live for a day there are fewer. */
export const REVOKED_IN_SECRET_MAX = 10_000;

/** What the key `revoked` says: a line with the number of the last list and when it was made, and one for each certificate. */
export interface RevokedInSecret {
  readonly number: number;
  readonly listedMs: number;
  readonly entries: readonly RevokedEntry[];
}

const HEAD = /^list ([0-9]{1,15}) ([0-9]{1,15})$/;
const ENTRY = /^([0-9a-f]{1,64}) ([0-9]{1,15})$/;

/** @throws IdentityError `authority-unusable`: who is withdrawn must not be forgotten by mistake. */
export function parseRevoked(text: string, where: string): RevokedInSecret {
  if (text === '') return { number: 0, listedMs: 0, entries: [] };
  const bad = (): IdentityError =>
    new IdentityError('authority-unusable', {
      data: { where, reason: `${REVOCATION_KEYS.entries} cannot be read` },
    });
  const [head = '', ...lines] = text.trimEnd().split('\n');
  const [, number, listedMs] = HEAD.exec(head) ?? [];
  if (number === undefined || listedMs === undefined) throw bad();
  const entries = lines.map((line) => {
    const [, serial, notAfterMs] = ENTRY.exec(line) ?? [];
    if (serial === undefined || notAfterMs === undefined) throw bad();
    return { serial, notAfterMs: Number(notAfterMs) };
  });
  return { number: Number(number), listedMs: Number(listedMs), entries };
}

export function formatRevoked({ number, listedMs, entries }: RevokedInSecret): string {
  return [`list ${number} ${listedMs}`, ...entries.map(({ serial, notAfterMs }) => `${serial} ${notAfterMs}`), ''].join(
    '\n',
  );
}

/**
 * The Secret's texts with a list that names `added` too, and none any more that ended long ago; null when the list that is there will
 * do. Without entries there is no list. `signer`: of the Secret; all that sign for it one after the other have one name.
 * @throws IdentityError `authority-unusable`, `too-many-revoked`.
 */
export function updateRevocations(
  texts: ReadonlyMap<string, string>,
  signer: KeptCertificate,
  added: RevokedEntry | null,
  nowMs: number,
  where: string,
): ReadonlyMap<string, string> | null {
  const before = parseRevoked(texts.get(REVOCATION_KEYS.entries) ?? '', where);
  const kept = before.entries.filter((entry) => !isForgotten(entry, nowMs));
  const isNew = added !== null && !kept.some(({ serial }) => serial === added.serial);
  const entries = isNew ? [...kept, added] : kept;
  if (entries.length > REVOKED_IN_SECRET_MAX) throw new IdentityError('too-many-revoked');
  const isOld = entries.length > 0 && nowMs >= before.listedMs + LIST_VALIDITY_MS / 2;
  const hasList = entries.length === 0 || texts.has(REVOCATION_KEYS.list);
  if (!isNew && kept.length === before.entries.length && !isOld && hasList) return null;
  const number = before.number + 1;
  const changed = new Map(texts);
  changed.set(REVOCATION_KEYS.entries, formatRevoked({ number, listedMs: nowMs, entries }));
  const serials = entries.map(({ serial }) => serial);
  if (serials.length === 0) changed.delete(REVOCATION_KEYS.list);
  else changed.set(REVOCATION_KEYS.list, signList(signer, serials, number, nowMs));
  return changed;
}
