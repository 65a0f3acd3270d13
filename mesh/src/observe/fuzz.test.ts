import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anyRequests, anyResponses, mutated } from '../testing/http1-corpus.ts';
import { observe, recut, type Said } from '../testing/observed.ts';
import { randomOf } from '../testing/random.ts';
import { FrameFollower } from './frame-follower.ts';

const SEED = 20261126;
const RUNS = 6000;
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

function anyBytes(random: () => number, max: number): Buffer {
  return Buffer.from(Array.from({ length: Math.floor(random() * max) }, () => Math.floor(random() * 256)));
}

/** Frames whose headers mostly make sense, with anything in them. */
function anyFrames(random: () => number): Buffer {
  const parts: Buffer[] = [Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])];
  for (let count = Math.floor(random() * 20); count > 0; count -= 1) {
    const payload = random() < 0.5 ? anyBytes(random, 40) : Buffer.from([0x82, 0x88, 0x40, 1, 0x61, 1, 0x62, 0xbe]);
    const header = Buffer.alloc(9);
    header.writeUIntBE(random() < 0.97 ? payload.length : Math.floor(random() * 2 ** 24), 0, 3);
    header.writeUInt8(Math.floor(random() * 11), 3);
    header.writeUInt8(random() < 0.5 ? 5 : Math.floor(random() * 256), 4);
    header.writeUInt32BE(1 + 2 * Math.floor(random() * 20), 5);
    parts.push(header, payload);
  }
  return Buffer.concat(parts);
}

function anyConversation(random: () => number): Said[] {
  const kind = random();
  const [requests, responses] =
    kind < 0.3
      ? [anyBytes(random, 200), anyBytes(random, 200)]
      : kind < 0.6
        ? [mutated(random, anyRequests(random), 3), mutated(random, anyResponses(random).bytes, 3)]
        : [Buffer.concat([PREFACE, anyFrames(random)]), anyFrames(random)];
  const one = recut([{ by: 'client', bytes: requests }], random);
  const other = recut([{ by: 'server', bytes: responses }], random);
  const said: Said[] = [];
  while (one.length > 0 || other.length > 0) {
    const next = (random() < 0.5 ? one : other).shift() ?? one.shift() ?? other.shift();
    if (next !== undefined) said.push(next);
  }
  return said;
}

test('ConnectionObserver takes whatever is said, and bugs are no reasons to stop', () => {
  const stops = new Map<string, number>();
  for (let run = 0; run < RUNS; run += 1) {
    const { stopped, durations } = observe(anyConversation(randomOf(SEED + run)));
    assert.notEqual(stopped, 'failed', `run ${run}`);
    assert.ok(durations.every((duration) => duration >= 0));
    stops.set(stopped ?? 'none', (stops.get(stopped ?? 'none') ?? 0) + 1);
  }
  for (const reason of ['none', 'tls', 'unknown-protocol', 'unreadable', 'upgraded'])
    assert.ok(stops.has(reason), reason);
});

test('what a header follower keeps of a table is bounded by the table', () => {
  const ignore = { onHeaders: () => {}, onEndStream: () => {}, onReset: () => {}, onTableSize: () => {} };
  const follower = new FrameFollower(ignore);
  // Each field is new and kept: `a: a` with an entry of 34 bytes, 64 to a block.
  const block = Buffer.from(Array.from({ length: 64 }, () => [0x40, 1, 0x61, 1, 0x61]).flat());
  const frame = Buffer.concat([Buffer.from([0, block.length >> 8, block.length & 0xff, 1, 4, 0, 0, 0, 1]), block]);
  follower.push(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]), 0, 9);
  for (let count = 0; count < 2000; count += 1) follower.push(frame, 0, frame.length);
  assert.equal(follower.isBroken, false);
  assert.ok(follower.tableEntries <= 3 * (4096 / 34), String(follower.tableEntries));
});
