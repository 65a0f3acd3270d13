import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { giveStage, takeBulkStage } from './read-memory.ts';
import { WaitingPayload } from './waiting-payload.ts';

const seed = 20261126;

test('payload leaves as it came, whatever the sizes in which it comes and goes', () => {
  const size = fc.oneof(fc.nat(200), fc.nat(20_000), fc.nat(300_000));
  const step = fc.record({ appends: fc.boolean(), bytes: size });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const waiting = new WaitingPayload();
      let [came, left] = [0, 0];
      for (const { appends, bytes } of steps) {
        const first = waiting.peek();
        if (appends) {
          const memory = Buffer.from(Uint8Array.from({ length: bytes + 1 }, (_, i) => (came + i + 250) % 251));
          waiting.append(memory, 1, 1 + bytes);
          memory.fill(0xff);
          came += bytes;
        } else if (first !== undefined) {
          const taken = Math.min(bytes, first.end - first.start);
          for (let i = 0; i < taken; i += 1) assert.equal(first.memory[first.start + i], (left + i) % 251);
          waiting.drop(taken);
          left += taken;
        }
        assert.equal(waiting.bytes, came - left);
        assert.equal(waiting.peek() === undefined, came === left);
      }
      waiting.clear();
      assert.deepEqual([waiting.bytes, waiting.peek()], [0, undefined]);
    }),
    { seed, numRuns: 40 },
  );
});

test('payload of many small pieces shares memory, and much of it lies in stages that go back', () => {
  const waiting = new WaitingPayload();
  for (let i = 0; i < 1000; i += 1) waiting.append(Buffer.from('x'), 0, 1);
  const first = waiting.peek();
  assert.deepEqual([first?.start, first?.end], [0, 1000]);
  waiting.clear();
  const stage = takeBulkStage();
  giveStage(stage);
  waiting.append(Buffer.alloc(100_000), 0, 100_000);
  assert.equal(waiting.peek()?.memory, stage);
  waiting.drop(99_999);
  assert.notEqual(takeBulkStage(), stage);
  waiting.drop(1);
  assert.equal(takeBulkStage(), stage);
});
