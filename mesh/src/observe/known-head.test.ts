import assert from 'node:assert/strict';
import { test } from 'node:test';
import { observe, type Said } from '../testing/observed.ts';
import { randomOf } from '../testing/random.ts';
import { isWorthKeeping, KnownHead, NOT_WHOLE } from './known-head.ts';

const FRAMING = { contentLength: 5, isChunked: false };

for (const bytes of [9, 15, 16, 17, 64]) {
  test(`KnownHead knows ${bytes} bytes again wherever they are, and no others`, () => {
    const text = Buffer.from(Array.from({ length: bytes }, (_, index) => 0x21 + index));
    const memory = Buffer.concat([Buffer.from('abc'), text, Buffer.from('xyz')]);
    const words = new DataView(memory.buffer, memory.byteOffset, memory.length);
    const head = new KnownHead(words, 3, 3 + bytes, FRAMING, 200, 5);
    assert.deepEqual([head.bytes, head.messageBytes, head.status], [bytes, bytes + 5, 200]);
    assert.equal(head.isAt(words, 3, memory.length), true);
    assert.equal(head.isAt(words, 3, 3 + bytes - 1), false, 'not all of it is there');
    for (let at = 0; at < bytes; at += 1) {
      for (const bit of [1, 0x80]) {
        memory[3 + at] = (memory[3 + at] ?? 0) ^ bit;
        assert.equal(head.isAt(words, 3, memory.length), false, `byte ${at}`);
        memory[3 + at] = (memory[3 + at] ?? 0) ^ bit;
      }
    }
    memory.copyWithin(0, 3);
    assert.equal(head.isAt(words, 0, memory.length), true);
    assert.equal(new KnownHead(words, 0, bytes, FRAMING, 200, NOT_WHOLE).messageBytes, NOT_WHOLE);
  });
}

test('isWorthKeeping() of a head that comes again, and now and then of those that do not', () => {
  const kept = Array.from({ length: 200 }, (_, index) => index + 1).filter((strangers) =>
    isWorthKeeping(100, strangers),
  );
  assert.deepEqual(kept, [2, 3, 4, 64, 128, 192]);
  assert.equal(isWorthKeeping(512, 2), true);
  assert.equal(isWorthKeeping(513, 2), false);
});

const REQUESTS = [
  'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: b\r\n\r\n',
  'HEAD / HTTP/1.1\r\nHost: a\r\n\r\n',
  'POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello',
  'POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nGET /',
  'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  // A body that looks like a request.
  'POST / HTTP/1.1\r\nContent-Length: 27\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n',
] as const;
const ANSWERS = [
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello',
  'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello!',
  'HTTP/1.1 404 Oh\r\nContent-Length: 5\r\n\r\nHTTP/',
  'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 38\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n',
  'HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  'HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 103 Go\r\nContent-Length: 5\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
] as const;
const TO_HEAD = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n';

/** How messages come in pieces: each alone, all at once, cut behind every head and five bytes further on, or anywhere. */
type Cut = (messages: readonly string[], random: () => number) => readonly string[];
const oneEach: Cut = (messages) => messages;
const anywhere: Cut = (messages, random) => {
  const text = messages.join('');
  const [first = 0, second = 0] = [random(), random()]
    .map((share) => Math.ceil(share * text.length))
    .sort((a, b) => a - b);
  return [text.slice(0, first), text.slice(first, second), text.slice(second)];
};
const CUTS: readonly Cut[] = [
  oneEach,
  oneEach,
  (messages) => [messages.join('')],
  (messages) => messages.join('').split(/(?<=\r\n\r\n)/),
  (messages) => messages.join('').split(/(?<=\r\n\r\n[^]{5})/),
  anywhere,
];

/** Each in its order, one behind the other or, now and then, mixed: answers begin before their requests end. */
function together(asked: readonly Said[], answered: readonly Said[], random: () => number): Said[] {
  if (random() < 0.8) return [...asked, ...answered];
  const mixed = [...asked];
  let at = 1;
  for (const said of answered) {
    at += Math.floor(random() * (mixed.length - at + 1));
    mixed.splice(at, 0, said);
    at += 1;
  }
  return mixed;
}

/** Changes a byte, mostly one of a head, into one that means something elsewhere. */
function damage(said: readonly Said[], random: () => number): void {
  const bytes = said[Math.floor(random() * said.length)]?.bytes;
  if (bytes === undefined || bytes.length === 0) return;
  bytes.write(' \r\n:0C\0'.charAt(Math.floor(random() * 7)), Math.floor(random() ** 2 * bytes.length));
}

/** Exchanges out of a few, so that most heads have been there before; sometimes requests come before answers to others. */
function conversationOf(random: () => number): Said[] {
  const pick = <Item>(items: readonly [Item, ...Item[]]): Item =>
    items[Math.floor(random() ** 2 * items.length)] ?? items[0];
  const said: Said[] = [];
  for (let turn = 0; turn < 12; turn += 1) {
    const asked = Array.from({ length: random() < 0.8 ? 1 : 3 }, () => pick(REQUESTS));
    const answers = asked.map((request) => (request.startsWith('HEAD') ? TO_HEAD : pick(ANSWERS)));
    const cut = CUTS[Math.floor(random() * CUTS.length)] ?? oneEach;
    const pieces = (by: Said['by'], messages: readonly string[]): Said[] =>
      cut(messages, random).map((text) => ({ by, bytes: Buffer.from(text) }));
    said.push(...together(pieces('client', asked), pieces('server', answers), random));
    // A server that speaks unasked, once in a while.
    if (random() < 0.01) said.push({ by: 'server', bytes: Buffer.from(ANSWERS[0]) });
  }
  if (random() < 0.3) damage(said, random);
  return said;
}

test('messages whose heads are known count as when they are read byte by byte', () => {
  let stoppedCount = 0;
  for (let run = 0; run < 1000; run += 1) {
    const said = conversationOf(randomOf(20261127 + run));
    const bytewise = said.flatMap(({ by, bytes }) =>
      Array.from(bytes, (byte): Said => ({ by, bytes: Buffer.of(byte) })),
    );
    const { exchanges, stopped } = observe(bytewise);
    const whole = observe(said);
    assert.deepEqual([whole.exchanges, whole.stopped], [exchanges, stopped], `run ${run}`);
    if (stopped !== null) stoppedCount += 1;
  }
  assert.ok(stoppedCount > 10 && stoppedCount < 500, `${stoppedCount} were stopped`);
});
