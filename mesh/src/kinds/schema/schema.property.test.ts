import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { brokenSpecs, GOOD_SPECS, type JsonObject, planted } from '../../testing/kind-examples.ts';
import { isValid } from '../../testing/schema-evaluator.ts';
import { parseObject } from '../parse-object.ts';
import { AMBIT_KINDS } from './custom-resource-definition.ts';
import type { KindDefinition } from './schema.ts';

const RUNS = 400;
const SEED = 20_261_126;

function parserTakes(kind: string, spec: JsonObject): boolean {
  const metadata = { name: 'p', namespace: 'shop' };
  try {
    return parseObject({ apiVersion: 'ambit.dev/v1alpha1', kind, metadata, spec }) !== null;
  } catch {
    return false;
  }
}

type Path = readonly (string | number)[];

function pathsIn(value: unknown, path: Path = []): readonly Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  const inner = Array.isArray(value)
    ? value.flatMap((item, index) => pathsIn(item, [...path, index]))
    : Object.entries(value).flatMap(([name, item]) => pathsIn(item, [...path, name]));
  return path.length === 0 ? inner : [path, ...inner];
}

const NEAR_TEXTS = [
  '',
  '*',
  'spiffe://',
  'spiffe://*',
  'a/',
  '/a',
  '10.0.0.0/0',
  '::/128',
  '1.2.3',
  'a*',
  '*a',
  'Allow',
];
const anyText = fc.oneof(fc.stringMatching(/^[*/a-z0-9.:-]{1,9}$/), fc.constantFrom(...NEAR_TEXTS));
const anyOther = fc.oneof(fc.integer({ min: -1, max: 70_000 }), fc.constantFrom(undefined, [], {}, true));

/** Good specs with up to two things replaced: mostly by another of its type, which may or may not be right there. */
function anySpec(definition: KindDefinition): fc.Arbitrary<JsonObject> {
  const goods = GOOD_SPECS[definition.kind] ?? [];
  const pieces = goods.flatMap((good) => pathsIn(good).map((path) => valueAt(good, path)));
  const anyPiece = fc.constantFrom(...pieces);
  const valueLike = (old: unknown): fc.Arbitrary<unknown> => {
    const same = [old, ...pieces].filter(
      (piece) => typeof piece === typeof old && Array.isArray(piece) === Array.isArray(old),
    );
    const likely = typeof old === 'string' ? fc.oneof(anyText, fc.constantFrom(...same)) : fc.constantFrom(...same);
    return fc.oneof(
      { weight: 6, arbitrary: likely },
      { weight: 1, arbitrary: anyPiece },
      { weight: 2, arbitrary: anyOther },
    );
  };
  const change = (spec: JsonObject): fc.Arbitrary<JsonObject> =>
    fc
      .constantFrom<Path>(...pathsIn(spec), ['unknown'])
      .chain((path) => valueLike(valueAt(spec, path)).map((value) => planted(spec, path, value)));
  const good = fc.constantFrom(...goods);
  return fc.oneof(good.chain(change), good.chain(change).chain(change));
}

function valueAt(spec: JsonObject, path: Path): unknown {
  return path.reduce<unknown>((at, key) => Object(at)[key], spec);
}

for (const definition of AMBIT_KINDS) {
  const { kind, spec: schema } = definition;

  test(`schema and parser take the same good examples of ${kind}`, () => {
    for (const spec of GOOD_SPECS[kind] ?? []) {
      assert.ok(isValid(schema, spec), JSON.stringify(spec));
      assert.ok(parserTakes(kind, spec), JSON.stringify(spec));
    }
  });

  test(`schema and parser refuse the same broken examples of ${kind}`, () => {
    const examples = brokenSpecs(kind);
    assert.equal(new Set(examples.map(({ what }) => what)).size, examples.length);
    for (const { what, spec } of examples) {
      assert.ok(!isValid(schema, spec), `schema takes: ${what}`);
      assert.ok(!parserTakes(kind, spec), `parser takes: ${what}`);
    }
  });

  test(`what the schema takes, the parser takes: ${kind}`, () => {
    const seen = { taken: 0, refused: 0 };
    fc.assert(
      fc.property(anySpec(definition), (spec) => {
        const taken = isValid(schema, spec);
        seen[taken ? 'taken' : 'refused']++;
        assert.equal(parserTakes(kind, spec), taken);
      }),
      { numRuns: RUNS, seed: SEED },
    );
    assert.ok(seen.taken > RUNS / 20 && seen.refused > RUNS / 20, `one-sided: ${JSON.stringify(seen)}`);
  });
}
