import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseTrustDomain } from '../model/spiffe-id.ts';
import { createTestCa, testIdentity } from '../testing/test-ca.ts';
import type { AltName } from './alt-name.ts';
import { CERTIFICATE_BYTES_MAX } from './certificate-fields.ts';
import { identifyPeer, type PeerIdentity } from './peer-identity.ts';
import { verifyClient, verifyServer } from './peer-verdict.ts';
import { createRevocations, noRevocations, readRevocationName } from './revocation.ts';

const ca = createTestCa();
const web = testIdentity('shop', 'web');
const SEED = 20261121;

function certificateWith(...altNames: readonly AltName[]): Buffer {
  return ca.issueCertificate({ altNames }).certificate;
}

function uri(value: string): AltName {
  return { kind: 'uri', value };
}

test('identifyPeer() takes exactly one URI name that is a SPIFFE ID', () => {
  const table: readonly (readonly [string, Uint8Array | undefined, PeerIdentity])[] = [
    ['one name', certificateWith(uri(web)), { kind: 'identified', id: web }],
    [
      'beside a DNS name',
      certificateWith({ kind: 'dns', value: 'web.shop' }, uri(web)),
      { kind: 'identified', id: web },
    ],
    ['none', certificateWith(), { kind: 'refused', reason: 'no-uri-name' }],
    ['only DNS', certificateWith({ kind: 'dns', value: web }), { kind: 'refused', reason: 'no-uri-name' }],
    [
      'two',
      certificateWith(uri(web), uri(testIdentity('shop', 'db'))),
      { kind: 'refused', reason: 'several-uri-names' },
    ],
    ['the same twice', certificateWith(uri(web), uri(web)), { kind: 'refused', reason: 'several-uri-names' }],
    [
      'other scheme',
      certificateWith(uri('https://cluster.local/ns/shop/sa/web')),
      { kind: 'refused', reason: 'not-a-spiffe-id' },
    ],
    ['longer path', certificateWith(uri(`${web}/x`)), { kind: 'refused', reason: 'not-a-spiffe-id' }],
    [
      'text that only prints like two',
      certificateWith(uri(`${web},URI:x`)),
      { kind: 'refused', reason: 'not-a-spiffe-id' },
    ],
    ['nothing', undefined, { kind: 'refused', reason: 'no-certificate' }],
    ['no bytes', new Uint8Array(), { kind: 'refused', reason: 'no-certificate' }],
    ['garbage', Buffer.from('not a certificate'), { kind: 'refused', reason: 'malformed-certificate' }],
    ['too large', Buffer.alloc(CERTIFICATE_BYTES_MAX + 1, 0x30), { kind: 'refused', reason: 'certificate-too-large' }],
  ];
  const got = table.map(([name, certificate]) => [name, identifyPeer(certificate)]);
  assert.deepEqual(
    got,
    table.map(([name, , expected]) => [name, expected]),
  );
});

test('identifyPeer() refuses more names than it is willing to look at', () => {
  const names = Array.from({ length: 65 }, (_, i): AltName => ({ kind: 'dns', value: `host${i}` }));
  assert.deepEqual(identifyPeer(certificateWith(...names, uri(web))), {
    kind: 'refused',
    reason: 'malformed-certificate',
  });
});

test('identifyPeer() never throws on a certificate with changed, missing or foreign bytes', () => {
  const good = certificateWith(uri(web), { kind: 'dns', value: 'web.shop' });
  const damaged = fc
    .tuple(fc.nat({ max: good.length - 1 }), fc.uint8Array({ minLength: 1, maxLength: 8 }), fc.boolean())
    .map(([at, bytes, cut]) =>
      cut
        ? Buffer.concat([good.subarray(0, at), bytes])
        : Buffer.concat([good.subarray(0, at), bytes, good.subarray(at + bytes.length)]),
    );
  fc.assert(
    fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 600 })), (bytes) => {
      const identity = identifyPeer(bytes);
      return identity.kind === 'refused' || identity.id.startsWith('spiffe://');
    }),
    { seed: SEED, numRuns: 5000 },
  );
});

test('identifyPeer() refuses every certificate that is cut short', () => {
  const good = certificateWith(uri(web));
  for (let length = 0; length < good.length; length++) {
    assert.equal(identifyPeer(good.subarray(0, length)).kind, 'refused', `${length} bytes`);
  }
});

test('verifyClient() wants the own trust domain', () => {
  const expected = { trustDomain: parseTrustDomain('cluster.local'), revocations: noRevocations };
  const foreign = testIdentity('shop', 'web', 'cluster.local.example');
  assert.deepEqual(
    [certificateWith(uri(web)), certificateWith(uri(foreign)), certificateWith()].map((der) =>
      verifyClient(der, expected),
    ),
    [
      { kind: 'accepted', id: web },
      { kind: 'refused', reason: 'other-trust-domain', id: foreign },
      { kind: 'refused', reason: 'no-uri-name' },
    ],
  );
});

test('verifyServer() wants one of the expected identities, exactly', () => {
  const db = testIdentity('shop', 'db');
  const certificate = certificateWith(uri(db));
  const verify = (...identities: readonly (typeof db)[]): unknown =>
    verifyServer(certificate, { identities, revocations: noRevocations });
  assert.deepEqual(
    [verify(db), verify(web, db), verify(web), verify(), verify(testIdentity('shop', 'db', 'other.local'))],
    [
      { kind: 'accepted', id: db },
      { kind: 'accepted', id: db },
      { kind: 'refused', reason: 'unexpected-identity', id: db },
      { kind: 'refused', reason: 'unexpected-identity', id: db },
      { kind: 'refused', reason: 'unexpected-identity', id: db },
    ],
  );
});

test('a revoked certificate is refused on both sides, another of the same identity is not', () => {
  const [revoked, fresh] = [certificateWith(uri(web)), certificateWith(uri(web))];
  const name = readRevocationName(revoked);
  assert.ok(name);
  const revocations = createRevocations([name]);
  const trustDomain = parseTrustDomain('cluster.local');
  assert.deepEqual(
    [
      verifyClient(revoked, { trustDomain, revocations }),
      verifyServer(revoked, { identities: [web], revocations }),
      verifyClient(fresh, { trustDomain, revocations }),
    ],
    [
      { kind: 'refused', reason: 'revoked', id: web },
      { kind: 'refused', reason: 'revoked', id: web },
      { kind: 'accepted', id: web },
    ],
  );
});

test('a serial number is revoked for its own issuer alone', () => {
  const name = readRevocationName(certificateWith(uri(web)));
  assert.ok(name);
  const elsewhere = readRevocationName(createTestCa({ name: 'Other' }).issueCertificate().certificate);
  assert.ok(elsewhere);
  const revocations = createRevocations([name]);
  assert.deepEqual(
    [revocations.isRevoked(name.issuer, name.serial), revocations.isRevoked(elsewhere.issuer, name.serial)],
    [true, false],
  );
});
