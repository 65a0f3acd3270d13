import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Http2Violation } from './frame-codec.ts';
import { HpackDecoder } from './hpack-decoder.ts';
import { encodeConnect, encodedBytesMax, encodeFields } from './hpack-encoder.ts';
import { type HeaderField, HpackTable } from './hpack-table.ts';
import { DEFAULT_LIMITS } from './limits.ts';

// The last legal value of every bound, and the first illegal one.

/** An entry that counts `bytes`. */
const entry = (name: string, bytes: number): HeaderField => [name, 'v'.repeat(bytes - 32 - name.length)];
const FIRST_DYNAMIC = 62;

test('HpackTable keeps what fits exactly and evicts the oldest for one byte more', () => {
  const table = new HpackTable(200);
  table.add(entry('a', 100));
  table.add(entry('b', 100));
  assert.equal(table.sizeBytes, 200);
  assert.deepEqual(
    [table.lookup(FIRST_DYNAMIC)?.[0], table.lookup(FIRST_DYNAMIC + 1)?.[0], table.lookup(FIRST_DYNAMIC + 2)],
    ['b', 'a', undefined],
  );
  table.add(entry('c', 33));
  assert.equal(table.sizeBytes, 133);
  assert.deepEqual(
    [table.lookup(FIRST_DYNAMIC)?.[0], table.lookup(FIRST_DYNAMIC + 1)?.[0], table.lookup(FIRST_DYNAMIC + 2)],
    ['c', 'b', undefined],
  );
});

test('HpackTable keeps an entry of its own size and is emptied by a larger one', () => {
  const table = new HpackTable(200);
  table.add(entry('a', 200));
  assert.equal(table.lookup(FIRST_DYNAMIC)?.[0], 'a');
  table.add(entry('b', 201));
  assert.equal(table.lookup(FIRST_DYNAMIC), undefined);
  assert.equal(table.sizeBytes, 0);
});

test('HpackTable shrinks to the byte and never grows beyond what was announced', () => {
  const table = new HpackTable(200);
  table.add(entry('a', 80));
  table.add(entry('b', 80));
  assert.equal(table.resize(160), true);
  assert.equal(table.sizeBytes, 160);
  assert.equal(table.resize(159), true);
  assert.equal(table.sizeBytes, 80);
  assert.equal(table.resize(200), true);
  assert.equal(table.resize(201), false);
});

test('HpackTable ends its static part at 61 and its dynamic part at the oldest entry', () => {
  const table = new HpackTable(200);
  assert.deepEqual(table.lookup(61), ['www-authenticate', '']);
  assert.equal(table.lookup(62), undefined);
  assert.equal(table.lookup(0), undefined);
});

/** Every length around the steps of RFC 7541 5.1's integers. */
const LENGTHS = [0, 1, 126, 127, 128, 254, 255, 256, 127 + 0x3fff, 127 + 0x4000, 20_000];

test('what is encoded is decoded again, at every length around a step of the integer code', () => {
  for (const length of LENGTHS) {
    const fields: HeaderField[] = [
      ['n'.repeat(Math.max(length, 1)), 'v'.repeat(length)],
      ['after', 'x'],
    ];
    const block = Buffer.alloc(encodedBytesMax(fields));
    const end = encodeFields(block, 0, fields);
    const decoder = new HpackDecoder({ ...DEFAULT_LIMITS, headerListMaxBytes: 100_000 });
    assert.deepEqual(decoder.decode(block.subarray(0, end)), { fields, oversized: false }, `length ${length}`);
  }
});

test('encodeConnect() writes an authority of any length', () => {
  for (const length of [1, 126, 127, 255, 256]) {
    const authority = 'a'.repeat(length);
    const block = Buffer.alloc(length + 16);
    const decoded = new HpackDecoder(DEFAULT_LIMITS).decode(block.subarray(0, encodeConnect(block, 0, authority)));
    assert.deepEqual(decoded.fields, [
      [':method', 'CONNECT'],
      [':authority', authority],
    ]);
  }
});

test('HpackDecoder refuses a string that ends one byte behind the block', () => {
  const literal = (length: number): Buffer => Buffer.from([0x00, 0x01, 0x61, length, 0x62, 0x63]);
  assert.deepEqual(new HpackDecoder(DEFAULT_LIMITS).decode(literal(2)).fields, [['a', 'bc']]);
  assert.throws(() => new HpackDecoder(DEFAULT_LIMITS).decode(literal(3)), Http2Violation);
});

test('HpackDecoder marks a list as oversized by one byte or one field too many', () => {
  const block = (count: number, valueBytes: number): Buffer => {
    const fields = Array.from({ length: count }, (): HeaderField => ['a', 'v'.repeat(valueBytes)]);
    const target = Buffer.alloc(encodedBytesMax(fields));
    return target.subarray(0, encodeFields(target, 0, fields));
  };
  const limits = { headerListMaxBytes: 300, headerCountMax: 4, headerBlockMaxBytes: 1000 };
  const oversized = (bytes: Buffer): boolean => new HpackDecoder(limits).decode(bytes).oversized;
  assert.deepEqual([oversized(block(4, 10)), oversized(block(5, 10))], [false, true]);
  assert.deepEqual([oversized(block(3, 67)), oversized(block(3, 68))], [false, true]);
});
