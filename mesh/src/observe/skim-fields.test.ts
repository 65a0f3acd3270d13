import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NOT_SKIMMED, skimFields } from './skim-fields.ts';

const SKIMMED: readonly (readonly [string, number, boolean])[] = [
  ['', -1, false],
  ['Host: a\r\n', -1, false],
  ['Content-Length: 1024\r\n', 1024, false],
  ['content-length:0\r\nx: y\r\n', 0, false],
  [`X: ${'y'.repeat(300)}\r\nContent-Length: 7\r\n`, 7, false],
  ['Transfer-Encoding: chunked\r\n', -1, true],
  ['transfer-encoding: chunked\r\nContent-Length: 3\r\n', 3, true],
  ['Content-Lengthy: 3\r\nContent-Type: a\r\nTrailer: b\r\n folded: c\r\n', -1, false],
];

const LEFT: readonly string[] = [
  'CONTENT-LENGTH: 1\r\n',
  'Content\rLength: 1\r\n',
  'Content-Length: 1\r\nContent-Length: 1\r\n',
  'Content-Length:  1\r\n',
  'Content-Length: 1 \r\n',
  'Content-Length: \r\n',
  'Content-Length: 1a\r\n',
  'Content-Length: 1\n',
  `Content-Length: ${'1'.repeat(16)}\r\n`,
  'Transfer-Encoding: gzip, chunked\r\n',
  'Transfer-Encoding: Chunked\r\n',
  'Transfer-Encoding: chunkedd\r\n',
  'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n',
  '\n',
  '\rX: y\r\n',
];

test('skimFields() reads fields that are whole and plain, wherever they lie, and leaves those that are not whole', () => {
  for (const [fields, contentLength, isChunked] of SKIMMED) {
    for (let offset = 0; offset < 8; offset += 1) {
      const memory = Buffer.from(`${'\n'.repeat(offset)}${fields}\r\n\r\n\r\n`);
      const end = offset + fields.length + 2;
      const framing = { contentLength: 99, isChunked: true };
      assert.equal(skimFields(memory, offset, end, framing), end, fields);
      assert.deepEqual(framing, { contentLength, isChunked }, fields);
      for (let cut = offset; cut < end; cut += 1) {
        assert.equal(skimFields(memory, offset, cut, framing), NOT_SKIMMED, `${fields} up to ${cut}`);
      }
    }
  }
});

test('skimFields() leaves what says more of the body, or says it in another way, to who reads byte by byte', () => {
  for (const fields of LEFT) {
    const memory = Buffer.from(`${fields}\r\n`);
    const framing = { contentLength: 0, isChunked: false };
    assert.equal(skimFields(memory, 0, memory.length, framing), NOT_SKIMMED, JSON.stringify(fields));
  }
});
