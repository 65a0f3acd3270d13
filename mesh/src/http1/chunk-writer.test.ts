import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CHUNK_OVERHEAD_MAX_BYTES, writeChunk, writeChunkHead } from './chunk-writer.ts';

test('writeChunkHead() writes every size, and nothing of an empty chunk', () => {
  const sizes = [1, 9, 10, 15, 16, 17, 255, 256, 65_535, 65_536, 2 ** 31, 2 ** 32 + 5, Number.MAX_SAFE_INTEGER];
  for (const size of sizes) {
    const out = Buffer.alloc(40, '.');
    const end = writeChunkHead(out, 3, size);
    assert.equal(out.toString('latin1', 0, end), `...${size.toString(16)}\r\n`);
    assert.equal(out[end], 46);
    assert.ok(end - 3 + 2 <= CHUNK_OVERHEAD_MAX_BYTES);
  }
  assert.equal(writeChunkHead(Buffer.alloc(0), 0, 0), 0);
});

test('writeChunk() writes a range as a chunk, and nothing of an empty range', () => {
  const out = Buffer.alloc(40, '.');
  const data = Buffer.from('abcdefghijklmnopqrstuvwxyz');
  assert.equal(writeChunk(out, 1, data, 4, 4), 1);
  const end = writeChunk(out, 1, data, 1, 19);
  assert.equal(out.toString('latin1', 0, end + 1), '.12\r\nbcdefghijklmnopqrs\r\n.');
});
