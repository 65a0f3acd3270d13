import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ObjectKey } from '@ambit/mesh/kinds';
import { ADDRESS_TYPE_URL, AUTHORIZATION_TYPE_URL } from '@ambit/mesh/wire';
import fc from 'fast-check';
import type { NodeProgress } from '../push/push-server.ts';
import type { VersionInForce } from '../status/policy-versions.ts';
import { PEER_LIMITS } from './limits.ts';
import { encodeReport, parseReport } from './report.ts';

const SEED = 20261126;
const KEY = 'AccessPolicy/shop/p';

function revisions(addresses: number, policies: number): ReadonlyMap<string, number> {
  return new Map([
    [ADDRESS_TYPE_URL, addresses],
    [AUTHORIZATION_TYPE_URL, policies],
  ]);
}

const VERSION: VersionInForce = { uid: 'u', generation: 3, revisions: revisions(7, 8) };
const NODE: NodeProgress = {
  node: 'n1',
  settled: revisions(9, -1),
  refused: new Map([[AUTHORIZATION_TYPE_URL, new Set(['shop/p'])]]),
};

test('parseReport reads what encodeReport writes', () => {
  const text = encodeReport({ versions: [[KEY, VERSION]], nodes: [NODE, { ...NODE, node: 'n2', refused: new Map() }] });
  const read = parseReport(text) ?? assert.fail();
  assert.deepEqual(read.version(KEY), VERSION);
  assert.equal(read.version('AccessPolicy/shop/q'), undefined);
  assert.deepEqual(read.nodes[0], NODE);
  assert.deepEqual(read.nodes[1]?.refused.get(AUTHORIZATION_TYPE_URL), new Set());
});

test('parseReport takes nothing of a text of which it cannot read all', () => {
  const refused: readonly unknown[] = [
    null,
    [],
    {},
    { versions: [] },
    { versions: {}, nodes: [] },
    { versions: [[KEY, 'u', 3, [1]]], nodes: [] },
    { versions: [[KEY, 'u', 3, [1, 2, 3]]], nodes: [] },
    { versions: [[KEY, 'u', '3', [1, 2]]], nodes: [] },
    { versions: [[KEY, 'u', 3, [1, 2.5]]], nodes: [] },
    { versions: [[KEY, 'u'.repeat(PEER_LIMITS.textLengthMax + 1), 3, [1, 2]]], nodes: [] },
    { versions: [null], nodes: [] },
    { versions: [], nodes: [['n', [1, 2]]] },
    { versions: [], nodes: [['n', [1, -2], []]] },
    { versions: [], nodes: [['n', [1, 2], [3]]] },
    { versions: [], nodes: [[1, [1, 2], []]] },
  ];
  for (const value of refused) assert.equal(parseReport(JSON.stringify(value)), null, JSON.stringify(value));
  assert.equal(parseReport('{"versions":[],"nodes":['), null);
  assert.deepEqual(parseReport('{"versions":[],"nodes":[]}')?.nodes, []);
});

test('parseReport throws for no text', () => {
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string()), (text) => void parseReport(text)),
    { seed: SEED, numRuns: 500 },
  );
});

test('a report of a large mesh is within its bound', () => {
  const nodes = Array.from({ length: 5000 }, (_, index) => ({ ...NODE, node: `node-${index}.region.example.org` }));
  const versions = Array.from({ length: 20_000 }, (_, index): readonly [ObjectKey, VersionInForce] => [
    `AccessPolicy/namespace-${index}/a-name-of-a-usual-length-${index}`,
    { ...VERSION, uid: '00000000-0000-4000-8000-000000000000' },
  ]);
  const text = encodeReport({ versions, nodes });
  assert.ok(Buffer.byteLength(text) < 4 * 1024 * 1024, `${Buffer.byteLength(text)} bytes`);
  assert.equal(parseReport(text)?.nodes.length, 5000);
});
