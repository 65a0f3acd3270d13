import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createTestCa } from '../testing/test-ca.ts';
import { formatJoinToken, isNodeName, parseJoinToken } from './join-token.ts';
import { nodeOfCertificate, nodeUri } from './node-name.ts';

const SEED = 20261121;
const token = {
  node: 'node-1.example',
  rootSha256: 'a'.repeat(64),
  secret: 'b'.repeat(64),
  expiresAtMs: 1_800_000_000_000,
};

test('parseJoinToken() reads back what formatJoinToken() wrote, as one word', () => {
  const text = formatJoinToken(token);
  assert.match(text, /^[A-Za-z0-9._-]+$/);
  assert.deepEqual(parseJoinToken(text), token);
});

test('parseJoinToken() refuses everything else and never throws', () => {
  const wrong = [
    '',
    'ambit-join-1.',
    formatJoinToken(token).slice(1),
    formatJoinToken({ ...token, node: 'Node' }),
    formatJoinToken({ ...token, node: 'a b' }),
    formatJoinToken({ ...token, secret: 'b'.repeat(63) }),
    formatJoinToken({ ...token, rootSha256: 'A'.repeat(64) }),
    formatJoinToken({ ...token, expiresAtMs: -1 }),
    formatJoinToken({ ...token, node: 'n'.repeat(2000) }),
  ];
  assert.deepEqual(
    wrong.map(parseJoinToken),
    wrong.map(() => undefined),
  );
  fc.assert(
    fc.property(
      fc.string({ maxLength: 2000 }),
      (text) => parseJoinToken(text) === undefined && parseJoinToken(`ambit-join-1.${text}`) === undefined,
    ),
    { seed: SEED, numRuns: 1000 },
  );
});

test('isNodeName() accepts lower-case host names', () => {
  const names = { n1: true, 'a.b-c': true, '': false, A: false, '-a': false, 'a-': false, 'a/b': false, 'a b': false };
  assert.deepEqual(Object.fromEntries(Object.keys(names).map((name) => [name, isNodeName(name)])), names);
  assert.deepEqual([isNodeName('a'.repeat(253)), isNodeName('a'.repeat(254))], [true, false]);
});

test('nodeOfCertificate() never throws, whatever the bytes', () => {
  const good = createTestCa().issueCertificate({ altNames: [{ kind: 'uri', value: nodeUri('n1') }] }).certificate;
  assert.equal(nodeOfCertificate(good), 'n1');
  fc.assert(
    fc.property(fc.nat({ max: good.length - 1 }), fc.nat({ max: 255 }), (at, byte) => {
      const bad = Buffer.from(good);
      bad[at] = byte;
      const node = nodeOfCertificate(bad);
      return node === undefined || isNodeName(node);
    }),
    { seed: SEED, numRuns: 3000 },
  );
});
