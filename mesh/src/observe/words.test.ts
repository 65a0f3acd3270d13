import assert from 'node:assert/strict';
import { test } from 'node:test';
import { passLine, wordsOf } from './words.ts';

test('wordsOf() are those of the memory that is asked about, whichever was before it', () => {
  const whole = Buffer.alloc(64 * 1024);
  // Within the same memory, beginning alike, and on both sides of the size from which views are kept.
  const memories = [whole, whole.subarray(0, 100), whole.subarray(8), whole.subarray(8, 100), Buffer.alloc(64 * 1024)];
  for (const first of memories) {
    for (const second of memories) {
      for (const memory of [first, second, first, first, second]) {
        const words = wordsOf(memory);
        assert.deepEqual(
          [words.buffer, words.byteOffset, words.byteLength],
          [memory.buffer, memory.byteOffset, memory.length],
        );
      }
    }
  }
});

test('passLine() stops behind the first line feed, and nowhere else', () => {
  for (const other of [0, 0x09, 0x0b, 0x0d, 0x61, 0x8a, 0xff]) {
    const memory = Buffer.alloc(100, other);
    const words = wordsOf(memory);
    for (const start of [0, 1, 2, 3, 30]) {
      for (let at = 0; at < 95; at += 1) {
        memory[at] = memory[at + 2] = 0x0a;
        const next = at >= start ? at + 1 : at + 2 >= start ? at + 3 : 95;
        assert.equal(passLine(memory, words, start, 95), Math.min(next, 95), `${other} from ${start}, at ${at}`);
        memory[at] = memory[at + 2] = other;
      }
    }
  }
});
