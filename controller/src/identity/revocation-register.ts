import type { PrivateDirectory } from '@ambit/mesh/tls';
import { readKept } from './authority.ts';
import { STATE_FILES } from './certificate-authority.ts';
import { IdentityError } from './errors.ts';
import { entryIssuedBy, isForgotten, issuerOf, signList } from './revocation-entries.ts';

/** Files named by serial number; each holds its issuer and when it ends, in milliseconds. */
const REVOKED = 'revoked-certificates';
/** One file, named by the number of the last list. */
const NUMBERS = 'revocation-list-number';
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/**
 * Withdraws a workload's certificate (PEM), and gives the list (PEM) of all that the authority that signed it has withdrawn and that
 * have not ended long ago. Of two at the same time neither is lost: each is recorded by itself, then takes its number, and only
 * then is read what is recorded, so that the list of the greater number has all of the other. What a former authority signed is left
 * out: it has ended by then or can be waited for.
 * @throws IdentityError `not-issued-here`, `state-damaged`.
 */
export function revokeCertificate(state: PrivateDirectory, certificatePem: string, nowMs: number): string {
  const authority = readKept(state, STATE_FILES.intermediate);
  const entry = authority === undefined ? null : entryIssuedBy(authority, certificatePem);
  const issuer = authority === undefined ? null : issuerOf(authority);
  if (authority === undefined || entry === null || issuer === null) throw new IdentityError('not-issued-here');
  const revoked = state.subdirectory(REVOKED);
  revoked.write(entry.serial, `${issuer} ${entry.notAfterMs}`);
  const number = takeNumber(state.subdirectory(NUMBERS), nowMs);
  const serials: string[] = [];
  for (const serial of revoked.list()) {
    const found = readEntry(revoked, serial);
    if (isForgotten({ serial, ...found }, nowMs)) revoked.remove(serial);
    else if (found.issuer === issuer) serials.push(serial);
  }
  return signList(authority, serials, number, nowMs);
}

/** Greater than all before; nobody else gets the same. Counts on from seconds, which numbers were once. */
function takeNumber(numbers: PrivateDirectory, nowMs: number): number {
  const taken = numbers.list();
  let number = taken.reduce((last, name) => Math.max(last, Number(name) + 1 || 0), Math.floor(nowMs / 1000));
  while (!numbers.create(String(number), '')) number += 1;
  for (const name of taken) numbers.remove(name);
  return number;
}

/** Of what an earlier version has written nobody knows when it ends. @throws IdentityError `state-damaged`: what cannot be read might be of this issuer. */
function readEntry(
  revoked: PrivateDirectory,
  serial: string,
): { readonly issuer: string; readonly notAfterMs: number } {
  const [issuer = '', end = 'Infinity', ...more] = (revoked.read(serial) ?? '').split(' ');
  const notAfterMs = Number(end);
  if (!BASE64.test(issuer) || Number.isNaN(notAfterMs) || more.length > 0)
    throw new IdentityError('state-damaged', { data: { path: `${revoked.path}/${serial}` } });
  return { issuer, notAfterMs };
}
