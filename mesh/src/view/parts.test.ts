import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { EndpointChanges } from './endpoint-changes.ts';
import { findPlace, HashIndex, refAt } from './hash-index.ts';
import { hashBytes, hashKey, KEY } from './key-hash.ts';
import { byteOf, CHUNK_BYTES, Chunks, RecordMemory, wordOf } from './record-memory.ts';
import { RecordCache } from './record-cache.ts';
import { ValueReader, ValueWriter } from './value-codec.ts';
import { parseServiceKey } from '../model/service.ts';

function throughBytes(value: unknown): unknown {
  const writer = new ValueWriter();
  writer.write(value);
  const memory = new Uint8Array(new SharedArrayBuffer(writer.length + 3));
  memory.set(writer.bytes, 3);
  return new ValueReader().read(memory, 3);
}

describe('a value as bytes', () => {
  const table: readonly unknown[] = [
    null,
    true,
    false,
    0,
    127,
    128,
    2 ** 53 - 1,
    -1,
    -0,
    1.5,
    Number.NaN,
    2 ** 60,
    '',
    'healthy',
    'a name',
    'größer',
    'x'.repeat(100_000),
    [],
    [1, [2, 'three']],
    {},
    { uid: 'known', 'not known': { ünknown: 1 } },
    new Map([['key', [{ servicePort: 80 }]]]),
    Uint8Array.of(1, 2, 3),
  ];
  for (const value of table) {
    test(`is the same afterwards: ${JSON.stringify(value).slice(0, 40)}`, () => {
      assert.deepEqual(throughBytes(value), value);
    });
  }

  test('leaves out fields that are undefined', () => {
    assert.deepEqual(throughBytes({ uid: undefined, name: 'x' }), { name: 'x' });
  });

  test('is none of a function', () => {
    assert.throws(() => new ValueWriter().write({ name: () => 1 }), /function is no value/);
    assert.throws(() => new ValueReader().read(Uint8Array.of(99), 0), /not what a ValueWriter wrote/);
  });

  test('is the same afterwards, whatever it is', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => assert.deepEqual(throughBytes(value), value)),
      { seed: 5, numRuns: 500 },
    );
  });
});

describe('memory of records', () => {
  test('is cut into records that do not overlap, and cut again where it is free', () => {
    const memory = new RecordMemory();
    const [a, b] = [memory.allocate(20), memory.allocate(1)];
    assert.ok(a > 0 && b - a === 3);
    assert.deepEqual([wordOf(a), byteOf(a)], [a * 2, a * 8]);
    memory.free(a, 20);
    assert.equal(memory.usedBytes, 8);
    assert.equal(memory.allocate(17), a, 'of as many units');
    assert.equal(memory.takeAdded().length, 1);
    assert.equal(memory.takeAdded().length, 0);
  });

  test('gives a record that is larger than a chunk one of its own', () => {
    const memory = new RecordMemory();
    const large = memory.allocate(3_000_000);
    assert.ok(memory.chunks.words(large).byteLength >= 3_000_000 && wordOf(large) === 0 && large > 0);
    memory.free(large, 3_000_000);
    assert.equal(memory.allocate(4_000_000), large);
    assert.ok(memory.chunks.bytes(large).byteLength >= 4_000_000);
  });

  test('of a large one is not used again for small ones, which a reader would look for in what it has of that', () => {
    const memory = new RecordMemory();
    const large = memory.allocate(3_000_000);
    memory.free(large, 3_000_000);
    const chunkOf = (ref: number): unknown => memory.chunks.words(ref);
    assert.notEqual(chunkOf(memory.allocate(8)), chunkOf(large));
  });

  test('of exactly a chunk does not begin at 0, which is none', () => {
    assert.ok(new RecordMemory().allocate(CHUNK_BYTES) > 0);
  });

  test('is used again by a record that is written anew, larger by a word, again and again', () => {
    const memory = new RecordMemory();
    let before = memory.allocate(4);
    for (let words = 2; words < 20_000; words++) {
      const ref = memory.allocate(4 * words);
      memory.free(before, 4 * (words - 1));
      before = ref;
    }
    // Each size once would be 400 MB.
    const bytes = memory.takeAdded().reduce((sum, chunk) => sum + chunk.memory.byteLength, 0);
    assert.ok(bytes <= 4 * CHUNK_BYTES, `${bytes}`);
  });

  test('of another thread is told from what was never heard of', () => {
    const memory = new RecordMemory();
    const ref = memory.allocate(8);
    const chunks = new Chunks();
    assert.throws(() => chunks.words(ref), /does not know/);
    assert.throws(() => chunks.bytes(ref), /does not know/);
    for (const chunk of memory.takeAdded()) chunks.add(chunk);
    assert.equal(chunks.words(ref).length > 0, true);
  });
});

describe('an index of hashes', () => {
  const refsOf = ({ table }: HashIndex, hash: number): number[] => {
    const refs: number[] = [];
    for (let at = findPlace(table, hash, hash); at >= 0; at = findPlace(table, hash, at + 1))
      refs.push(refAt(table, at));
    return refs.sort((a, b) => a - b);
  };

  test('finds every record of a hash, also of hashes that meet, as they come and go', () => {
    const index = new HashIndex();
    const expected = new Map<number, Set<number>>();
    let state = 1;
    const next = (below: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return (state >>> 8) % below;
    };
    for (let step = 0; step < 20_000; step++) {
      const hash = next(3) === 0 ? -next(50) : next(600) * 1024;
      const refs = expected.get(hash) ?? new Set<number>();
      expected.set(hash, refs);
      const ref = 1 + next(1000);
      if (refs.has(ref)) {
        index.remove(hash, ref);
        refs.delete(ref);
      } else if (refs.size < 3) {
        index.add(hash, ref);
        refs.add(ref);
      }
    }
    for (const [hash, refs] of expected)
      assert.deepEqual(
        refsOf(index, hash),
        [...refs].sort((a, b) => a - b),
      );
    assert.deepEqual(refsOf(index, 77), []);
    index.remove(77, 1);
  });

  test('goes on with another table when it is full, and says so once', () => {
    const index = new HashIndex();
    const first = index.takeNew();
    assert.equal(index.takeNew(), undefined);
    for (let ref = 1; ref < 5000; ref++) index.add(ref * 7, ref);
    const second = index.takeNew();
    assert.ok(second !== undefined && second !== first && second === index.table);
    assert.deepEqual(refsOf(index, 700), [100]);
  });

  test('hashes the same text to something else for each kind of key, each seed, and each place of a border', () => {
    const hashes = [
      hashKey(1, KEY.uid, 'ab'),
      hashKey(1, KEY.address, 'ab'),
      hashKey(2, KEY.uid, 'ab'),
      hashKey(1, KEY.uid, 'a', 'b'),
      hashKey(1, KEY.uid, '', 'ab'),
      hashBytes(1, KEY.part, Uint8Array.of(1)),
      hashBytes(1, KEY.part, Uint8Array.of(2)),
    ];
    assert.equal(new Set(hashes).size, hashes.length);
    assert.equal(hashKey(1, KEY.uid, 'ab'), hashes[0]);
  });
});

test('a cache of records keeps what is asked for, no more than twice its size, and nothing of a record that is another', () => {
  const cache = new RecordCache<string>(4);
  cache.set(1, 1, 'one');
  for (let ref = 2; ref < 40; ref++) {
    assert.equal(cache.get(1, 1), 'one');
    cache.set(ref, 1, 'x');
    assert.ok(cache.size <= 8);
  }
  assert.equal(cache.get(2, 1), undefined);
  assert.equal(cache.get(1, 2), undefined);
  cache.set(1, 2, 'another');
  assert.equal(cache.get(1, 2), 'another');
});

test('endpoints keep their order through changes of one update, however they follow each other', () => {
  const key = parseServiceKey('shop/web');
  const changes = new EndpointChanges();
  changes.add(key, 2, 12);
  changes.add(key, 0, 20);
  changes.add(key, 12, 22);
  changes.add(key, 20, 21);
  changes.add(key, 3, 0);
  changes.add(key, 0, 30);
  changes.add(key, 30, 0);
  assert.deepEqual([...changes.take(() => [1, 2, 3])], [[key, [1, 22, 21]]]);
  assert.deepEqual([...changes.take(() => [])], []);
});
