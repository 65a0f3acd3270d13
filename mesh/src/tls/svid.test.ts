import assert from 'node:assert/strict';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { createTestCa, testIdentity } from '../testing/test-ca.ts';
import { TlsError } from './errors.ts';
import { createKeyPairSync, privateKeyToPem } from './key-pair.ts';
import { parseSvid, svidRefreshAtMs } from './svid.ts';
import { parseTrustBundle, splitPemCertificates, TRUST_BUNDLE_ROOTS_MAX } from './trust-bundle.ts';

const ca = createTestCa();
const web = testIdentity('shop', 'web');
const altNames = [{ kind: 'uri', value: web }] as const;

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof TlsError) return `${error.code} ${JSON.stringify(error.data)}`;
    throw error;
  }
  return 'accepted';
}

test('parseSvid() reads identity, serial and validity from the leaf and shows no root', () => {
  const notBeforeMs = Date.UTC(2026, 0, 2, 3, 4, 5);
  const notAfterMs = Date.UTC(2051, 5, 6, 7, 8, 9);
  const material = ca.issueCertificate({ altNames, notBeforeMs, notAfterMs });
  const svid = parseSvid({ ...material, chainPem: material.chainPem + ca.rootPem, trustBundle: ca.trustBundle });
  const leaf = new X509Certificate(material.certificate);
  assert.deepEqual(svid, {
    id: web,
    serial: leaf.serialNumber.toLowerCase(),
    notBeforeMs,
    notAfterMs,
    privateKeyPem: material.privateKeyPem,
    chainPem: leaf.toString() + ca.intermediatePem,
    trustBundle: ca.trustBundle,
  });
  assert.deepEqual([Date.parse(leaf.validFrom), Date.parse(leaf.validTo)], [notBeforeMs, notAfterMs]);
});

test('an SVID survives being posted to a worker', () => {
  const svid = ca.issue(web);
  assert.deepEqual(structuredClone(svid), svid);
});

test('parseSvid() refuses material that does not belong together', () => {
  const good = { ...ca.issueCertificate({ altNames }), trustBundle: ca.trustBundle };
  const stranger = createTestCa();
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey;
  const sec1 = createKeyPairSync().privateKey.export({ type: 'sec1', format: 'pem' }).toString();
  const leafPem = splitPemCertificates(good.chainPem)[0] ?? '';
  const broken = leafPem.replace(/[A-Za-z0-9+/]{64}\n/, '');
  const refusals = {
    'other key': refusal(() => parseSvid({ ...good, privateKeyPem: privateKeyToPem(createKeyPairSync().privateKey) })),
    'P-384 key': refusal(() => parseSvid({ ...good, privateKeyPem: privateKeyToPem(p384) })),
    'SEC 1 key': refusal(() => parseSvid({ ...good, privateKeyPem: sec1 })),
    'no key': refusal(() => parseSvid({ ...good, privateKeyPem: '-----BEGIN PRIVATE KEY-----\n' })),
    'no certificate': refusal(() => parseSvid({ ...good, chainPem: 'nothing' })),
    'broken leaf': refusal(() => parseSvid({ ...good, chainPem: broken })),
    'too long': refusal(() => parseSvid({ ...good, chainPem: leafPem.repeat(11) })),
    'other intermediate': refusal(() => parseSvid({ ...good, chainPem: leafPem + stranger.intermediatePem })),
    'no identity': refusal(() => parseSvid({ ...ca.issueCertificate(), trustBundle: ca.trustBundle })),
    'two identities': refusal(() =>
      parseSvid({ ...ca.issueCertificate({ altNames: [...altNames, ...altNames] }), trustBundle: ca.trustBundle }),
    ),
  };
  assert.deepEqual(refusals, {
    'other key': `key-mismatch {"identity":"${web}"}`,
    'P-384 key': 'invalid-private-key {"reason":"not-p256"}',
    'SEC 1 key': 'invalid-private-key {"reason":"not-pkcs8-pem"}',
    'no key': 'invalid-private-key {}',
    'no certificate': 'invalid-chain {"certificates":0}',
    'broken leaf': 'invalid-certificate {"reason":"not-a-certificate"}',
    'too long': 'invalid-chain {"certificates":11}',
    'other intermediate': 'invalid-chain {"reason":"not-signed-by-next","position":0}',
    'no identity': 'invalid-certificate {"reason":"no-uri-name"}',
    'two identities': 'invalid-certificate {"reason":"several-uri-names"}',
  });
});

test('svidRefreshAtMs() is half of the life', () => {
  assert.equal(svidRefreshAtMs({ notBeforeMs: 1000, notAfterMs: 5000 }), 3000);
});

test('parseTrustBundle() keeps several roots, once each, from one or many texts', () => {
  const second = createTestCa();
  const bundle = parseTrustBundle([`# roots\n${ca.rootPem}${second.rootPem}`, ca.rootPem]);
  assert.deepEqual(bundle, { rootsPem: [ca.rootPem, second.rootPem] });
});

test('parseTrustBundle() refuses nothing, garbage and too much', () => {
  const many = Array.from({ length: TRUST_BUNDLE_ROOTS_MAX + 1 }, () => createTestCa().rootPem);
  assert.deepEqual(
    [
      refusal(() => parseTrustBundle([])),
      refusal(() => parseTrustBundle(['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'])),
      refusal(() => parseTrustBundle(many)),
    ],
    [
      'invalid-trust-bundle {"reason":"empty"}',
      'invalid-trust-bundle {"reason":"not-a-certificate"}',
      'invalid-trust-bundle {"reason":"too-many"}',
    ],
  );
});
