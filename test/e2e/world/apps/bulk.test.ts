import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pattern, PatternChecker } from './bulk.ts';

function stream(sender: 'client' | 'server', bytes: number): Buffer {
  const pattern = new Pattern(sender);
  const pieces: Buffer[] = [];
  for (let left = bytes; left > 0; left -= pieces.at(-1)?.length ?? 0) pieces.push(Buffer.from(pattern.next(left)));
  return Buffer.concat(pieces);
}

const BYTES = 300_000;

function check(bytes: Buffer, piece: number): { readonly receivedBytes: number; readonly isBroken: boolean } {
  const checker = new PatternChecker('client');
  for (let at = 0; at < bytes.length; at += piece) checker.add(bytes.subarray(at, at + piece));
  return { receivedBytes: checker.receivedBytes, isBroken: checker.brokenAt !== null };
}

test('PatternChecker accepts the stream in any pieces', () => {
  for (const piece of [999, 16_384, 65_521, 100_000]) {
    assert.deepEqual(check(stream('client', BYTES), piece), { receivedBytes: BYTES, isBroken: false });
  }
});

test('PatternChecker sees one byte changed, lost, doubled, blocks moved, and the other direction', () => {
  const good = stream('client', BYTES);
  const changed = Buffer.from(good);
  changed[200_000] = (changed[200_000] ?? 0) ^ 1;
  const block = 65_521;
  const cases: readonly (readonly [string, Buffer])[] = [
    ['changed', changed],
    ['lost', Buffer.concat([good.subarray(0, 100), good.subarray(101)])],
    ['doubled', Buffer.concat([good.subarray(0, 70_001), good.subarray(70_000)])],
    ['moved', Buffer.concat([good.subarray(block, 2 * block), good.subarray(0, block), good.subarray(2 * block)])],
    ['a block lost', Buffer.concat([good.subarray(0, block), good.subarray(2 * block)])],
    ['the other direction', stream('server', BYTES)],
  ];
  for (const [what, bytes] of cases) assert.equal(check(bytes, 10_000).isBroken, true, what);
});
