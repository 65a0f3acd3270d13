import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { receiveOnConnection, ReceiveWindow, SendWindow } from './flow-control.ts';
import { Http2Violation, WINDOW_MAX_BYTES } from './frame-codec.ts';

const seed = 20261121;
const SIZE = 1000;
const STEP = 250;

test('a sender and a receiver agree on the window whatever is sent, received, released and announced', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('send' as const), bytes: fc.nat(600) }),
    fc.record({ kind: fc.constant('arrive' as const), bytes: fc.nat(600) }),
    fc.record({ kind: fc.constant('release' as const), bytes: fc.nat(600) }),
    fc.record({ kind: fc.constant('announce' as const), bytes: fc.constant(0) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const sender = new SendWindow(SIZE);
      const receiver = new ReceiveWindow(SIZE, STEP);
      // The model: where each of the SIZE bytes of credit is.
      let inFlight = 0;
      let held = 0;
      let released = 0;
      let announcing = 0;
      for (const { kind, bytes } of steps) {
        if (kind === 'send') {
          const take = Math.min(bytes, sender.availableBytes);
          sender.consume(take);
          inFlight += take;
        } else if (kind === 'arrive') {
          const take = Math.min(bytes, inFlight);
          inFlight -= take;
          held += take;
          assert.ok(receiver.receive(take), 'a sender within its window never overruns the receiver');
        } else if (kind === 'release') {
          const take = Math.min(bytes, held);
          held -= take;
          released += take;
          const increment = receiver.release(take);
          assert.ok(increment === 0 || increment >= STEP, 'credit comes in steps');
          released -= increment;
          announcing += increment;
        } else {
          assert.ok(sender.grant(announcing));
          announcing = 0;
        }
        assert.equal(sender.availableBytes + inFlight + held + released + announcing, SIZE);
        assert.equal(receiver.availableBytes, sender.availableBytes + inFlight + announcing);
        assert.ok(released < STEP, 'less than a step is ever kept back');
      }
    }),
    { seed, numRuns: 500 },
  );
});

test('a receiver notices one byte too many', () => {
  const window = new ReceiveWindow(10, 5);
  assert.equal(window.receive(10), true);
  assert.equal(window.receive(1), false);
  assert.throws(() => receiveOnConnection(new ReceiveWindow(10, 5), 11), Http2Violation);
});

test('a send window may become negative and not overflow', () => {
  const window = new SendWindow(100);
  window.consume(80);
  assert.equal(window.grant(-50), true);
  assert.equal(window.availableBytes, -30);
  assert.equal(window.grant(WINDOW_MAX_BYTES), true);
  assert.equal(window.grant(31), false);
  assert.equal(window.grant(30), true);
  assert.equal(window.availableBytes, WINDOW_MAX_BYTES);
});

test('a receiver announces what was released once, never again', () => {
  const window = new ReceiveWindow(10, 5);
  assert.equal(window.receive(10), true);
  assert.deepEqual([window.release(5), window.release(4), window.release(1)], [5, 0, 5]);
});
