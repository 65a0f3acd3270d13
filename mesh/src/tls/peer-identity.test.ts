import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DEFAULT_TRUST_DOMAIN, parseTrustDomain } from '../model/spiffe-id.ts';
import { createTrustDomains } from '../model/trust-domains.ts';
import { createTestCa, testIdentity } from '../testing/test-ca.ts';
import type { AltName } from './alt-name.ts';
import { CERTIFICATE_BYTES_MAX } from './certificate-fields.ts';
import { identifyPeer, type PeerIdentity } from './peer-identity.ts';
import { type PeerCertificates, verifyClient, verifyServer } from './peer-verdict.ts';
import { createRevocations, noRevocations, packSerials, readCertificateName } from './revocation.ts';

const ca = createTestCa();
const web = testIdentity('shop', 'web');
const domains = createTrustDomains(DEFAULT_TRUST_DOMAIN);
const SEED = 20261121;

function certificateWith(...altNames: readonly AltName[]): Buffer {
  return ca.issueCertificate({ altNames }).certificate;
}

function shown(leaf: Uint8Array, ...issuers: readonly Uint8Array[]): PeerCertificates {
  return { leaf, issuers: () => issuers };
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
  const expected = { domains, revocations: noRevocations };
  const foreign = testIdentity('shop', 'web', 'cluster.local.example');
  assert.deepEqual(
    [certificateWith(uri(web)), certificateWith(uri(foreign)), certificateWith()].map((der) =>
      verifyClient(shown(der), expected),
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
    verifyServer(shown(certificate), { identities, domains, revocations: noRevocations });
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

test('an alias is the own trust domain under another name, for accounts on both sides', () => {
  const former = createTrustDomains(DEFAULT_TRUST_DOMAIN, [parseTrustDomain('old.local')]);
  const [old, strange] = ['old.local', 'old.local.example'].map((domain) => testIdentity('shop', 'web', domain));
  assert.ok(old !== undefined && strange !== undefined);
  const asClient = (id: typeof web, known = former): string =>
    verifyClient(shown(certificateWith(uri(id))), { domains: known, revocations: noRevocations }).kind;
  const asServer = (id: typeof web, expected: typeof web, known = former): string =>
    verifyServer(shown(certificateWith(uri(id))), {
      identities: [expected],
      domains: known,
      revocations: noRevocations,
    }).kind;
  assert.deepEqual(
    {
      clients: [asClient(old), asClient(web), asClient(strange), asClient(old, domains)],
      servers: [asServer(old, web), asServer(web, old), asServer(strange, web), asServer(old, web, domains)],
      otherAccount: asServer(testIdentity('shop', 'db', 'old.local'), web),
      exactly: asServer(strange, strange),
    },
    {
      clients: ['accepted', 'accepted', 'refused', 'refused'],
      servers: ['accepted', 'accepted', 'refused', 'refused'],
      otherAccount: 'refused',
      exactly: 'accepted',
    },
  );
});

test('a revoked certificate is refused on both sides, another of the same identity is not', () => {
  const [revoked, fresh] = [certificateWith(uri(web)), certificateWith(uri(web))];
  const name = readCertificateName(revoked);
  assert.ok(name);
  const revocations = createRevocations([
    packSerials(name.issuer, [Buffer.from(name.serial, 'hex').toString('latin1')]),
  ]);
  assert.deepEqual(
    [
      verifyClient(shown(revoked), { domains, revocations }),
      verifyServer(shown(revoked), { identities: [web], domains, revocations }),
      verifyClient(shown(fresh), { domains, revocations }),
      // Whatever else the peer sends: an authority between leaf and root may be revoked.
      verifyClient(shown(fresh, ca.intermediate, revoked), { domains, revocations }),
      verifyClient(shown(fresh, Buffer.from('no certificate')), { domains, revocations }),
    ],
    [
      { kind: 'refused', reason: 'revoked', id: web },
      { kind: 'refused', reason: 'revoked', id: web },
      { kind: 'accepted', id: web },
      { kind: 'refused', reason: 'revoked', id: web },
      { kind: 'refused', reason: 'malformed-certificate' },
    ],
  );
});
