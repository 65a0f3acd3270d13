import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ManualClock, testIdentity } from '@ambit/mesh/testing';
import {
  createKeyPairSync,
  createRevocations,
  openPrivateDirectory,
  parseRevocationFile,
  type PrivateDirectory,
  readCertificateName,
} from '@ambit/mesh/tls';
import { X509Certificate } from 'node:crypto';
import { openCertificateAuthority } from './certificate-authority.ts';
import { revokeCertificate } from './revocation-register.ts';

test('revokeCertificate() lists a certificate beside those before it, and only what this controller has signed', () => {
  const directory = mkdtempSync(join(tmpdir(), 'ambit-revoke-'));
  try {
    const clock = new ManualClock();
    const open = (name: string): PrivateDirectory => openPrivateDirectory(join(directory, name));
    const [state, elsewhere] = [open('one'), open('two')];
    const issue = (from: PrivateDirectory): string =>
      openCertificateAuthority({ state: from, clock }).issueWorkload({
        publicKey: createKeyPairSync().publicKey,
        identity: testIdentity('shop', 'web'),
        validityMs: 3_600_000,
      }).leafPem;
    const [first, second, third, foreign] = [issue(state), issue(state), issue(state), issue(elsewhere)];
    const revoked = (pem: string): readonly boolean[] => {
      const lists = parseRevocationFile(Buffer.from(pem));
      const revocations = createRevocations(lists.map(({ serials }) => serials));
      return [first, second, third].map((certificate) => {
        const name = readCertificateName(new X509Certificate(certificate).raw);
        return name !== undefined && revocations.isRevoked(name);
      });
    };
    assert.deepEqual(revoked(revokeCertificate(state, first, clock.now())), [true, false, false]);
    assert.deepEqual(revoked(revokeCertificate(state, second, clock.now())), [true, true, false]);
    assert.deepEqual(revoked(revokeCertificate(state, second, clock.now())), [true, true, false]);
    const disturbed: PrivateDirectory = {
      ...state,
      subdirectory: (name) => {
        const real = state.subdirectory(name);
        const write = (file: string, text: string): void => {
          revokeCertificate(state, third, clock.now());
          real.write(file, text);
        };
        return { ...real, write };
      },
    };
    const beside = revokeCertificate(disturbed, first, clock.now());
    assert.deepEqual(revoked(beside), [true, true, true], 'another command at the same time');
    for (const wrong of [foreign, 'no certificate']) {
      assert.throws(() => revokeCertificate(state, wrong, clock.now()), { code: 'not-issued-here' });
    }
    // Each list has a number of its own, whoever made it and however soon after another.
    const numbers = readdirSync(join(state.path, 'revocation-list-number'));
    assert.deepEqual(numbers, [String(Math.floor(clock.now() / 1000) + 4)]);

    const later = clock.now() + 26 * 3_600_000;
    assert.deepEqual(revoked(revokeCertificate(state, second, later)), [false, false, false], 'all ended a day ago');
    assert.deepEqual(readdirSync(join(state.path, 'revoked-certificates')), []);
    writeFileSync(join(state.path, 'revoked-certificates', 'ab'), 'not an issuer', { mode: 0o600 });
    assert.throws(() => revokeCertificate(state, first, clock.now()), { code: 'state-damaged' });
  } finally {
    rmSync(directory, { recursive: true });
  }
});
