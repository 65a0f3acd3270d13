import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { huffmanOf } from '../testing/hpack-reference.ts';
import { decodeHuffman, HUFFMAN_CODE } from './huffman.ts';

const seed = 20261121;
const decode = (bytes: Uint8Array): Buffer | undefined => {
  const target = Buffer.alloc(bytes.length * 2);
  const length = decodeHuffman(bytes, 0, bytes.length, target);
  return length < 0 ? undefined : target.subarray(0, length);
};

test('the Huffman code is complete and starts and ends as RFC 7541 lists it', () => {
  const total = HUFFMAN_CODE.lengths.reduce((sum, length) => sum + 2 ** -length, 0);
  assert.equal(total, 1);
  const listed = [0, 9, 10, 48, 97, 92, 127, 128, 195, 217, 220, 249, 255, 256].map((symbol) => [
    HUFFMAN_CODE.codes[symbol]?.toString(16),
    HUFFMAN_CODE.lengths[symbol],
  ]);
  assert.deepEqual(listed, [
    ['1ff8', 13],
    ['ffffea', 24],
    ['3ffffffc', 30],
    ['0', 5],
    ['3', 5],
    ['7fff0', 19],
    ['ffffffc', 28],
    ['fffe6', 20],
    ['7fff1', 19],
    ['1fffe5', 21],
    ['ffffffd', 28],
    ['ffffffe', 28],
    ['3ffffee', 26],
    ['3fffffff', 30],
  ]);
});

test('decodeHuffman() reads the examples of RFC 7541 appendix C', () => {
  const examples: readonly [string, string][] = [
    ['f1e3c2e5f23a6ba0ab90f4ff', 'www.example.com'],
    ['a8eb10649cbf', 'no-cache'],
    ['25a849e95ba97d7f', 'custom-key'],
    ['25a849e95bb8e8b4bf', 'custom-value'],
    ['6402', '302'],
    ['aec3771a4b', 'private'],
    ['d07abe941054d444a8200595040b8166e082a62d1bff', 'Mon, 21 Oct 2013 20:13:21 GMT'],
    ['9d29ad171863c78f0b97c8e9ae82ae43d3', 'https://www.example.com'],
  ];
  for (const [hex, text] of examples) assert.equal(decode(Buffer.from(hex, 'hex'))?.toString('latin1'), text);
});

test('decodeHuffman() reads back any octets', () => {
  const octets = fc.uint8Array({ maxLength: 300 });
  fc.assert(
    fc.property(octets, (bytes) => assert.deepEqual(decode(huffmanOf(bytes)), Buffer.from(bytes))),
    { seed, numRuns: 300 },
  );
});

test('decodeHuffman() refuses EOS, padding of a byte or more, and padding with zeros', () => {
  for (const hex of ['3fffffff', 'ffffffff', '1fff', 'ff', '10', 'f1e3c2e5f23a6ba0ab90f400']) {
    assert.equal(decode(Buffer.from(hex, 'hex')), undefined, hex);
  }
});

test('decodeHuffman() takes any octets without going beyond 8/5 of their number', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const length = decodeHuffman(bytes, 0, bytes.length, new Uint8Array(Math.ceil((bytes.length * 8) / 5)));
      assert.ok(length >= -1 && length <= Math.ceil((bytes.length * 8) / 5));
    }),
    { seed, numRuns: 500 },
  );
});
