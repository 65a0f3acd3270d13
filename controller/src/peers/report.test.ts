import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ObjectKey } from '@ambit/mesh/kinds';
import { ADDRESS_TYPE_URL, AUTHORIZATION_TYPE_URL } from '@ambit/mesh/wire';
import fc from 'fast-check';
import type { NodeProgress } from '../push/push-server.ts';
import type { VersionInForce } from '../status/policy-versions.ts';
import { PEER_LIMITS } from './limits.ts';
import { encodeReport, findExcess, parseReport, type Report } from './report.ts';
import type { ReplicaProgress } from '../status/mesh-progress.ts';
import { UNNAMED } from '../status/decide-carriers.ts';

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
  refused: new Map([
    [AUTHORIZATION_TYPE_URL, new Set(['shop/p'])],
    [ADDRESS_TYPE_URL, new Set(['shop/a.example'])],
  ]),
};

function textOf(report: Report): string {
  const encoded = encodeReport(report);
  return encoded.kind === 'report' ? encoded.text : assert.fail(JSON.stringify(encoded.excess));
}

function read(text: string): Omit<ReplicaProgress, 'id'> {
  const parsed = parseReport(text);
  return parsed.kind === 'report' ? parsed.report : assert.fail(parsed.kind);
}

test('parseReport reads what encodeReport writes', () => {
  const text = textOf({ versions: [[KEY, VERSION]], nodes: [NODE, { ...NODE, node: 'n2', refused: new Map() }] });
  const report = read(text);
  assert.deepEqual(report.version(KEY), VERSION);
  assert.equal(report.version('AccessPolicy/shop/q'), undefined);
  assert.deepEqual(report.nodes[0], NODE);
  assert.deepEqual(report.nodes[1]?.refused.get(AUTHORIZATION_TYPE_URL), new Set());
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
    { versions: [], nodes: [['n', [1, 2], [], [3]]] },
    { versions: [], nodes: [['n', [1, 2], [], null]] },
  ];
  for (const value of refused)
    assert.equal(parseReport(JSON.stringify(value)).kind, 'malformed', JSON.stringify(value));
  assert.equal(parseReport('{"versions":[],"nodes":[').kind, 'malformed');
  assert.deepEqual(read('{"versions":[],"nodes":[]}').nodes, []);
});

test('parseReport throws for no text', () => {
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string()), (text) => void parseReport(text)),
    { seed: SEED, numRuns: 500 },
  );
});

/** As much as may be, with names that are longer than usual. */
function largest(
  change: { readonly nodes?: number; readonly versions?: number; readonly refusals?: number } = {},
): Report {
  const { nodes = 10_000, versions = 50_000, refusals = 20 } = change;
  const names = Array.from({ length: refusals }, (_, index) => `namespace-${index}/name-of-a-policy-${index}`);
  const refused = new Map([[AUTHORIZATION_TYPE_URL, new Set(names)]]);
  return {
    nodes: Array.from({ length: nodes }, (_, index) => ({
      ...NODE,
      refused,
      node: `node-${index}.region.example.org`,
    })),
    versions: Array.from({ length: versions }, (_, index): readonly [ObjectKey, VersionInForce] => [
      `AccessPolicy/namespace-of-a-team-${index}/a-name-of-a-usual-length-${index}`,
      { ...VERSION, uid: '00000000-0000-4000-8000-000000000000' },
    ]),
  };
}

test('a mesh of ten thousand nodes has a report within the bounds', () => {
  const text = textOf(largest());
  assert.ok(Buffer.byteLength(text) < PEER_LIMITS.reportBytesMax, `${Buffer.byteLength(text)} bytes`);
  assert.equal(read(text).nodes.length, 10_000);
});

test('what is beyond the bounds is neither told nor taken, and it is said what it is', () => {
  const rows: readonly (readonly [Report, unknown])[] = [
    [largest({ nodes: 10_001, refusals: 0 }), { what: 'nodes', count: 10_001, countMax: 10_000 }],
    [largest({ versions: 50_001 }), { what: 'versions', count: 50_001, countMax: 50_000 }],
    [largest({ refusals: 21 }), { what: 'refusals', count: 210_000, countMax: 200_000 }],
  ];
  for (const [report, excess] of rows) {
    assert.deepEqual(encodeReport(report), { kind: 'too-large', excess });
    assert.deepEqual(parseReport(textOfAny(report)), { kind: 'too-large', excess });
  }
  const countMax = PEER_LIMITS.reportBytesMax;
  assert.deepEqual(findExcess({ bytes: countMax + 1 }), { what: 'bytes', count: countMax + 1, countMax });
  assert.equal(findExcess({ bytes: countMax }), null);
});

/** As a replica would write it that knows no bounds. */
function textOfAny({ versions, nodes }: Report): string {
  return JSON.stringify({
    versions: Array.from(versions, ([key, { uid, generation }]) => [key, uid, generation, [0, 0]]),
    nodes: nodes.map(({ node, refused }) => [node, [0, 0], [...(refused.get(AUTHORIZATION_TYPE_URL) ?? [])]]),
  });
}

test('a replica of an earlier version names no refused addresses', () => {
  const [node] = read('{"versions":[],"nodes":[["n",[1,2],["shop/p"]]]}').nodes;
  assert.deepEqual(
    [...(node?.refused ?? [])],
    [
      [AUTHORIZATION_TYPE_URL, new Set(['shop/p'])],
      [ADDRESS_TYPE_URL, new Set()],
    ],
  );
});

test('of a node that refuses more addresses than its share a report says so and names none', () => {
  const told = (count: number, nodes: number, name = 'n'): unknown => {
    const names = new Set(Array.from({ length: count }, (_, index) => `${name}${index}`));
    const one = { ...NODE, refused: new Map([[ADDRESS_TYPE_URL, names]]) };
    const refused = read(textOf({ versions: [], nodes: Array.from({ length: nodes }, () => one) })).nodes[0]?.refused;
    const addresses = refused?.get(ADDRESS_TYPE_URL);
    return addresses?.has(UNNAMED) === true ? UNNAMED : addresses?.size;
  };
  const share = PEER_LIMITS.reportAddressesMax / 1000;
  assert.deepEqual([told(share, 1000), told(share + 1, 1000), told(1, 10_000)], [share, UNNAMED, 1]);
  assert.equal(told(1, 1, 'n'.repeat(PEER_LIMITS.textLengthMax)), UNNAMED);
});
