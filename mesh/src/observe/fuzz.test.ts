import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anyRequests, anyResponses, mutated } from '../testing/http1-corpus.ts';
import { observe, recut, type Said } from '../testing/observed.ts';
import { randomOf } from '../testing/random.ts';
import { OBSERVE_LIMITS } from './contract.ts';
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

test('hostile headers get no larger table than is followed, whatever is announced, and no end of frames for a block', () => {
  const ignore = { onHeaders: () => {}, onEndStream: () => {}, onReset: () => {}, onTableSize: () => {} };
  const begun = (): FrameFollower => {
    const follower = new FrameFollower(ignore);
    follower.push(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]), 0, 9);
    follower.announceTable(2 ** 32 - 1);
    return follower;
  };
  const say = (follower: FrameFollower, type: number, flags: number, payload: Buffer): void => {
    const header = Buffer.from([0, payload.length >> 8, payload.length & 0xff, type, flags, 0, 0, 0, 1]);
    // Byte by byte, so that nothing is read where it lies.
    for (const bytes of [header, payload])
      for (let at = 0; at < bytes.length; at += 1) follower.push(bytes, at, at + 1);
  };
  const grow = (tableBytes: number): Buffer => {
    const rest = tableBytes - 31;
    return Buffer.from([0x3f, (rest & 0x7f) | 0x80, ((rest >> 7) & 0x7f) | 0x80, rest >> 14]);
  };
  const filled = begun();
  say(filled, 1, 4, grow(OBSERVE_LIMITS.tableMaxBytes));
  const fields = Buffer.from(Array.from({ length: 200 }, () => [0x40, 1, 0x61, 1, 0x61]).flat());
  for (let count = 0; count < 100; count += 1) say(filled, 1, 4, fields);
  assert.equal(filled.isBroken, false);
  assert.ok(filled.tableEntries <= 3 * (OBSERVE_LIMITS.tableMaxBytes / 34), String(filled.tableEntries));
  say(filled, 1, 4, grow(OBSERVE_LIMITS.tableMaxBytes + 1));
  assert.equal(filled.isBroken, true, 'a larger one is not followed');

  const endless = begun();
  say(endless, 1, 0, fields);
  let frames = 0;
  for (; !endless.isBroken && frames < 1000; frames += 1) say(endless, 9, 0, fields);
  assert.equal(frames, Math.floor(OBSERVE_LIMITS.headerBlockMaxBytes / fields.length));
});
