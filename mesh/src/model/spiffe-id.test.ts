import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ModelError, type ModelErrorCode } from './errors.ts';
import { createSpiffeId, DEFAULT_TRUST_DOMAIN, parseSpiffeId, parseTrustDomain, spiffeIdParts } from './spiffe-id.ts';
import { workloadIdentity } from './workload.ts';

function refuses(code: ModelErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof ModelError && error.code === code;
}

describe('parseSpiffeId()', () => {
  test('takes an identity apart and puts it together again', () => {
    const id = parseSpiffeId('spiffe://cluster.local/ns/shop/sa/web-front.v2_x');
    assert.deepEqual(spiffeIdParts(id), {
      trustDomain: 'cluster.local',
      namespace: 'shop',
      serviceAccount: 'web-front.v2_x',
    });
    assert.equal(createSpiffeId(spiffeIdParts(id)), id);
  });

  const bad = [
    '',
    'cluster.local/ns/shop/sa/web',
    'SPIFFE://cluster.local/ns/shop/sa/web',
    'spiffe:/cluster.local/ns/shop/sa/web',
    'spiffe://cluster.local',
    'spiffe://cluster.local/ns/shop/sa',
    'spiffe://cluster.local/ns/shop/sa/',
    'spiffe://cluster.local/ns/shop/sa/web/',
    'spiffe://cluster.local/ns/shop/sa/web/more',
    'spiffe://cluster.local/ns//sa/web',
    'spiffe:///ns/shop/sa/web',
    'spiffe://cluster.local/sa/web/ns/shop',
    'spiffe://cluster.local/NS/shop/sa/web',
    'spiffe://cluster.local/ns/shop/SA/web',
    'spiffe://cluster.local:8080/ns/shop/sa/web',
    'spiffe://user@cluster.local/ns/shop/sa/web',
    'spiffe://Cluster.Local/ns/shop/sa/web',
    'spiffe://cluster.local/ns/shop/sa/web?x=1',
    'spiffe://cluster.local/ns/shop/sa/web#x',
    'spiffe://cluster.local/ns/sh%6fp/sa/web',
    'spiffe://cluster.local/ns/./sa/web',
    'spiffe://cluster.local/ns/shop/sa/..',
    'spiffe://cluster.local/ns/shop/sa/web\n',
    'spiffe://cluster.local/ns/shop/sa/web\0',
    ' spiffe://cluster.local/ns/shop/sa/web',
    `spiffe://${'a'.repeat(256)}/ns/shop/sa/web`,
    `spiffe://cluster.local/ns/${'a'.repeat(254)}/sa/web`,
    `spiffe://cluster.local/ns/shop/sa/${'a'.repeat(254)}`,
    `spiffe://cluster.local/ns/shop/sa/${'a'.repeat(3000)}`,
  ];
  for (const text of bad) {
    test(`refuses ${JSON.stringify(text.slice(0, 60))}`, () =>
      assert.throws(() => parseSpiffeId(text), refuses('invalid-spiffe-id')));
  }

  test('takes names up to their longest', () => {
    const longest = `spiffe://${'a'.repeat(255)}/ns/${'b'.repeat(253)}/sa/${'c'.repeat(253)}`;
    assert.equal(parseSpiffeId(longest), longest);
  });

  test('round trips any parts of allowed characters', () => {
    const name = fc
      .string({ unit: fc.constantFrom(...'abcXYZ019._-'.split('')), minLength: 1, maxLength: 40 })
      .filter((text) => text !== '.' && text !== '..');
    const trustDomain = fc.string({ unit: fc.constantFrom(...'abc019._-'.split('')), minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(trustDomain, name, name, (domain, namespace, serviceAccount) => {
        const parts = { trustDomain: parseTrustDomain(domain), namespace, serviceAccount };
        assert.deepEqual(spiffeIdParts(createSpiffeId(parts)), parts);
      }),
      { seed: 20261121, numRuns: 300 },
    );
  });

  test('refuses with its own error whatever it is fed', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.webUrl(),
          fc.string().map((s) => `spiffe://a/ns/${s}/sa/b`),
        ),
        (text) => {
          try {
            const id = parseSpiffeId(text);
            assert.equal(createSpiffeId(spiffeIdParts(id)), text);
          } catch (error) {
            assert.ok(refuses('invalid-spiffe-id')(error), String(error));
          }
        },
      ),
      { seed: 20261121, numRuns: 500 },
    );
  });
});

describe('createSpiffeId()', () => {
  const bad = [
    { trustDomain: DEFAULT_TRUST_DOMAIN, namespace: 'a/sa/b', serviceAccount: 'c' },
    { trustDomain: DEFAULT_TRUST_DOMAIN, namespace: 'a', serviceAccount: '' },
    { trustDomain: DEFAULT_TRUST_DOMAIN, namespace: 'a', serviceAccount: 'b/c' },
  ];
  for (const parts of bad) {
    test(`refuses ${JSON.stringify(parts)}`, () =>
      assert.throws(() => createSpiffeId(parts), refuses('invalid-spiffe-id')));
  }
});

describe('parseTrustDomain()', () => {
  for (const text of ['cluster.local', 'a', 'td_1-x', 'a'.repeat(255)]) {
    test(`accepts ${text.slice(0, 20)}`, () => assert.equal(parseTrustDomain(text), text));
  }
  for (const text of ['', 'Cluster.local', 'a/b', 'a:1', 'a b', 'ä', 'a'.repeat(256), 'a\n']) {
    test(`refuses ${JSON.stringify(text.slice(0, 20))}`, () =>
      assert.throws(() => parseTrustDomain(text), refuses('invalid-trust-domain')));
  }
});

test('workloadIdentity() is the identity of the service account', () => {
  const workload = { trustDomain: DEFAULT_TRUST_DOMAIN, namespace: 'shop', serviceAccount: 'web' };
  assert.equal(workloadIdentity(workload), 'spiffe://cluster.local/ns/shop/sa/web');
});
