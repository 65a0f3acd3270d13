import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createTestCa, testIdentity } from '../testing/test-ca.ts';
import type { AltName } from './alt-name.ts';
import { type CertificateProfile, createCertificate } from './certificate-builder.ts';
import { readCertificateFields, readSerial, readSubjectKeyId, readValidity } from './certificate-fields.ts';
import { TlsError } from './errors.ts';
import { createKeyPairSync } from './key-pair.ts';

const keyPair = createKeyPairSync();
const itself = { kind: 'itself', privateKey: keyPair.privateKey } as const;
const profile: CertificateProfile = {
  organization: 'Ambit',
  commonName: 'root é',
  publicKey: keyPair.publicKey,
  notBeforeMs: Date.UTC(2026, 0, 1),
  notAfterMs: Date.UTC(2049, 11, 31, 23, 59, 59),
  usage: { kind: 'authority' },
};

test('createCertificate() makes a root that verifies itself and is an authority', () => {
  const root = new X509Certificate(createCertificate(profile, itself));
  assert.deepEqual(
    {
      subject: root.subject,
      issuer: root.issuer,
      ca: root.ca,
      validFrom: root.validFrom,
      validTo: root.validTo,
      selfSigned: root.verify(keyPair.publicKey) && root.checkIssued(root),
    },
    {
      subject: 'O=Ambit\nCN=root é',
      issuer: 'O=Ambit\nCN=root é',
      ca: true,
      validFrom: 'Jan  1 00:00:00 2026 GMT',
      validTo: 'Dec 31 23:59:59 2049 GMT',
      selfSigned: true,
    },
  );
});

test('createCertificate() writes names of every kind', () => {
  const altNames: readonly AltName[] = [
    { kind: 'uri', value: 'spiffe://cluster.local/ns/a/sa/b' },
    { kind: 'dns', value: 'localhost' },
    { kind: 'ip', value: '10.1.2.3' },
    { kind: 'ip', value: '::' },
    { kind: 'ip', value: '2001:db8::1:2' },
    { kind: 'ip', value: '::ffff:10.0.0.1' },
    { kind: 'ip', value: '1:2:3:4:5:6:7:8' },
    { kind: 'ip', value: 'fe80::' },
  ];
  const leaf = new X509Certificate(
    createCertificate({ ...profile, altNames, usage: { kind: 'leaf', purposes: ['server'] } }, itself),
  );
  assert.equal(
    leaf.subjectAltName,
    'URI:spiffe://cluster.local/ns/a/sa/b, DNS:localhost, IP Address:10.1.2.3, IP Address:0:0:0:0:0:0:0:0, ' +
      'IP Address:2001:DB8:0:0:0:0:1:2, IP Address:0:0:0:0:0:FFFF:A00:1, IP Address:1:2:3:4:5:6:7:8, IP Address:FE80:0:0:0:0:0:0:0',
  );
  assert.equal(leaf.ca, false);
  assert.deepEqual(leaf.keyUsage, ['1.3.6.1.5.5.7.3.1']);
});

test('createCertificate() draws a positive serial number of 128 bits each time', () => {
  const serials = Array.from({ length: 50 }, () => {
    const der = createCertificate(profile, itself);
    const fields = readCertificateFields(der);
    assert.ok(fields);
    return readSerial(der, fields);
  });
  assert.equal(new Set(serials).size, serials.length);
  for (const serial of serials) assert.match(serial, /^[4-7][0-9a-f]{31}$/);
});

test('createCertificate() names the issuer by name and by key identifier', () => {
  const ca = createTestCa();
  const leaf = new X509Certificate(ca.issueCertificate().certificate);
  const intermediate = new X509Certificate(ca.intermediatePem);
  assert.equal(leaf.checkIssued(intermediate), true);
  assert.equal(leaf.verify(intermediate.publicKey), true);
  const fields = readCertificateFields(intermediate.raw);
  assert.ok(fields);
  const keyId = readSubjectKeyId(intermediate.raw, fields);
  assert.ok(keyId);
  assert.equal(keyId.length, 20);
  assert.ok(leaf.raw.includes(Buffer.from(keyId)));
});

test('readValidity() reads both forms of time', () => {
  const der = createCertificate({ ...profile, notAfterMs: Date.UTC(2050, 0, 1) }, itself);
  const fields = readCertificateFields(der);
  assert.ok(fields);
  assert.deepEqual(readValidity(der, fields), { notBeforeMs: profile.notBeforeMs, notAfterMs: Date.UTC(2050, 0, 1) });
});

test('createCertificate() refuses what it cannot express', () => {
  const attempts: readonly (readonly [string, Partial<CertificateProfile>])[] = [
    ['not-p256', { publicKey: generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey }],
    ['empty-validity', { notBeforeMs: profile.notAfterMs }],
    ['empty-validity', { notBeforeMs: Number.NaN }],
    ['name-not-ascii', { altNames: [{ kind: 'dns', value: 'é' }] }],
    ['name-not-ascii', { altNames: [{ kind: 'uri', value: '' }] }],
    ['not-an-address', { altNames: [{ kind: 'ip', value: '10.0.0' }] }],
    ['not-an-address', { altNames: [{ kind: 'ip', value: 'fe80::1%eth0' }] }],
  ];
  for (const [reason, change] of attempts) {
    assert.throws(
      () => createCertificate({ ...profile, ...change }, itself),
      (error) => error instanceof TlsError && error.code === 'invalid-profile' && error.data['reason'] === reason,
    );
  }
});

const openssl = spawnSync('openssl', ['version']);

test('openssl verifies our chain strictly', { skip: openssl.status === 0 ? false : 'openssl is not installed' }, () => {
  const ca = createTestCa();
  const leaf = ca.issueCertificate({ altNames: [{ kind: 'uri', value: testIdentity('shop', 'web') }] });
  const directory = mkdtempSync(join(tmpdir(), 'ambit-x509-'));
  try {
    writeFileSync(join(directory, 'root.pem'), ca.rootPem);
    writeFileSync(join(directory, 'chain.pem'), leaf.chainPem);
    for (const purpose of ['sslserver', 'sslclient']) {
      const result = spawnSync(
        'openssl',
        ['verify', '-x509_strict', '-purpose', purpose, '-CAfile', 'root.pem', '-untrusted', 'chain.pem', 'chain.pem'],
        { cwd: directory, encoding: 'utf8' },
      );
      assert.equal(result.status, 0, result.stderr + result.stdout);
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
});
