import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FieldList } from '../testing/http1-steps.ts';
import { blockOf, frameOf, Http2Peer, statusBlock, uint32 } from '../testing/http2-peer.ts';
import { answering, ask, http2Environment, respondText } from '../testing/http2-world.ts';
import { createDuplexPair } from '../testing/memory-duplex.ts';
import { until } from '../testing/until.ts';
import { FrameFlag, FrameType, Http2Code, readUint32 } from '../hbone/frame-codec.ts';
import { Http2Client } from './client.ts';
import type { ServerOptions } from './contract.ts';
import type { FaultCode } from './errors.ts';
import type { Http2Error } from './http2-error.ts';
import { FieldDecoder } from './field-decoder.ts';
import { Http2ResponseHead } from './head.ts';
import { interpretResponse } from './interpret-response.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { Http2Server } from './server.ts';

const { data, headers, rstStream, windowUpdate, goaway } = FrameType;
const { none, endHeaders, endStream } = FrameFlag;
const WHOLE = endHeaders | endStream;

const GET: FieldList = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':authority', 'a'],
  [':path', '/'],
];
const POST: FieldList = [[':method', 'POST'], ...GET.slice(1)];
const plus = (list: FieldList, ...fields: FieldList): Buffer => blockOf([...list, ...fields]);
const open = (block: Buffer, id = 1): Buffer => frameOf(headers, endHeaders, id, block);
const body = (text: string, flags: number = none, id = 1): Buffer => frameOf(data, flags, id, Buffer.from(text));

interface Visit {
  readonly peer: Http2Peer;
  readonly server: Http2Server;
  readonly faults: FaultCode[];
  readonly ends: (Http2Error | undefined)[];
}

/** A server that answers "ok" to what is complete, and what it has heard of requests that were not. */
async function visit(run: (visit: Visit) => Promise<void>, options: Partial<ServerOptions> = {}): Promise<void> {
  const [near, far] = createDuplexPair();
  const faults: FaultCode[] = [];
  const ends: (Http2Error | undefined)[] = [];
  const server = new Http2Server(near, {
    ...answering(({ exchange, message }) => {
      ends.push(message.error);
      if (message.error === undefined) respondText(exchange, 200, 'ok');
    }),
    onFault: (fault) => void faults.push(fault),
    ...options,
  }).start();
  await using peer = new Http2Peer(far, 'client');
  peer.greet();
  await run({ peer, server, faults, ends });
}

/** Status of the response on a stream. */
async function statusOf(peer: Http2Peer, streamId: number): Promise<number> {
  await peer.receive(headers, streamId);
  const decoder = new FieldDecoder(new Http2ResponseHead(), DEFAULT_LIMITS);
  // All of them, since the later ones lean on the earlier ones.
  for (const frame of peer.of(headers)) {
    decoder.decode(frame.payload);
    assert.equal(interpretResponse(decoder, false, 'GET'), undefined);
    if (frame.streamId === streamId) return decoder.head.status;
  }
  return assert.fail();
}

const MALFORMED: readonly (readonly [name: string, frames: readonly Buffer[], fault: FaultCode])[] = [
  ['a bad name', [open(plus(GET, ['X', '']))], 'field-name'],
  ['CRLF in a value', [open(plus(GET, ['x', 'a\r\nb: c']))], 'field-value'],
  ['a pseudo-header late', [open(plus([['x', '']], ...GET))], 'pseudo-late'],
  ['transfer-encoding', [open(plus(POST, ['transfer-encoding', 'chunked']))], 'connection-field'],
  ['two lengths', [open(plus(POST, ['content-length', '1'], ['content-length', '1']))], 'content-length-duplicate'],
  ['a length but no body', [frameOf(headers, WHOLE, 1, plus(POST, ['content-length', '1']))], 'body-length'],
  ['a body that is too short', [open(plus(POST, ['content-length', '3'])), body('ab', endStream)], 'body-length'],
  ['a body that is too long', [open(plus(POST, ['content-length', '3'])), body('ab'), body('cd')], 'body-length'],
  ['a body of length 0', [open(plus(POST, ['content-length', '0'])), body('a')], 'body-unexpected'],
  ['open trailers', [open(blockOf(POST)), open(blockOf([['x', '1']]))], 'trailers-open'],
  [
    'trailers with a pseudo-header',
    [open(blockOf(POST)), frameOf(headers, WHOLE, 1, blockOf([[':path', '/']]))],
    'pseudo-forbidden',
  ],
  [
    'trailers that frame',
    [open(blockOf(POST)), frameOf(headers, WHOLE, 1, blockOf([['content-length', '0']]))],
    'trailer-forbidden',
  ],
  [
    'trailers and a body that is too short',
    [open(plus(POST, ['content-length', '3'])), body('a'), frameOf(headers, WHOLE, 1, blockOf([['x', '1']]))],
    'body-length',
  ],
];

for (const [name, frames, fault] of MALFORMED) {
  test(`a server resets a request with ${name}, and nothing else`, async () => {
    await visit(async ({ peer, faults }) => {
      peer.send(...frames, frameOf(headers, WHOLE, 3, blockOf(GET)));
      assert.equal(await peer.resetCode(1), Http2Code.protocolError);
      assert.equal(await statusOf(peer, 3), 200);
      assert.deepEqual(faults, [fault]);
      assert.deepEqual(peer.of(headers, 1), []);
    });
  });
}

test('a server answers requests that are legal and too much for it, and wants no more of them', async () => {
  await visit(async ({ peer, faults }) => {
    const long = plus(GET.slice(0, 3), [':path', `/${'a'.repeat(9000)}`]);
    const method = blockOf([[':method', 'M'.repeat(40)], ...GET.slice(1)]);
    const many = plus(GET, ...Array.from({ length: 130 }, () => ['x', ''] as const));
    peer.send(frameOf(headers, WHOLE, 1, long), open(method, 3), frameOf(headers, WHOLE, 5, many));
    assert.deepEqual([await statusOf(peer, 1), await statusOf(peer, 3), await statusOf(peer, 5)], [414, 501, 431]);
    assert.equal(await peer.resetCode(3), Http2Code.noError);
    assert.deepEqual(faults, ['path-length', 'method-length', 'section-length']);
    peer.send(frameOf(headers, WHOLE, 7, blockOf(GET)));
    assert.equal(await statusOf(peer, 7), 200);
    assert.deepEqual(
      peer.of(rstStream).map(({ streamId }) => streamId),
      [3],
    );
  });
});

test('a server takes bodies, trailers and a length of 0 as they may come', async () => {
  const good: readonly (readonly Buffer[])[] = [
    [frameOf(headers, WHOLE, 1, blockOf(GET))],
    [open(plus(POST, ['content-length', '0'])), body('', endStream)],
    [open(plus(POST, ['content-length', '3'])), body('a'), body('bc'), body('', endStream)],
    [open(blockOf(POST)), body('abc'), frameOf(headers, WHOLE, 1, blockOf([['x', '1']]))],
    [open(blockOf(POST)), frameOf(headers, WHOLE, 1, blockOf([]))],
    [open(plus(POST, ['te', 'trailers'], ['expect', '100-continue'])), body('', endStream)],
  ];
  for (const frames of good) {
    await visit(async ({ peer, faults }) => {
      peer.send(...frames);
      assert.equal(await statusOf(peer, 1), 200);
      assert.deepEqual(faults, []);
    });
  }
});

const FLOODS: readonly (readonly [name: string, frames: (id: number) => readonly Buffer[]])[] = [
  ['streams opened and reset at once', (id) => [open(blockOf(POST), id), frameOf(rstStream, none, id, uint32(8))]],
  ['malformed requests', (id) => [open(blockOf([]), id)]],
  ['requests that are too long', (id) => [open(plus(GET.slice(0, 3), [':path', `/${'a'.repeat(9000)}`]), id)]],
  ['streams that make us reset them', (id) => [open(blockOf(POST), id), frameOf(windowUpdate, none, id, uint32(0))]],
  ['bodies that make us reset them', (id) => [open(plus(POST, ['content-length', '0']), id), body('a', none, id)]],
];

for (const [name, frames] of FLOODS) {
  test(`a server ends a connection that floods it with ${name}`, async () => {
    const limits = { resetsMax: 20, abuseWindowMs: 60_000 };
    await visit(
      async ({ peer, server }) => {
        peer.send(...Array.from({ length: 40 }, (_, i) => frames(2 * i + 1)).flat());
        assert.equal(await peer.goawayCode(), Http2Code.enhanceYourCalm);
        await until('the end', () => server.state === 'closed');
      },
      { limits },
    );
  });
}

test('a server refuses requests of a client that does not read', async () => {
  const [near, far] = createDuplexPair({ highWaterMarkBytes: 1024 });
  const big = 'x'.repeat(30_000);
  let answered = 0;
  const server = new Http2Server(near, {
    ...answering(({ exchange }) => {
      answered += 1;
      respondText(exchange, 200, big);
    }),
    limits: { unsentMaxBytes: 200_000, resetsMax: 50, abuseWindowMs: 60_000 },
  }).start();
  // It never reads.
  far.write(
    Buffer.concat([
      Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
      frameOf(4, 0, 0, Buffer.concat([Buffer.from([0, 4]), uint32(2 ** 31 - 1)])),
    ]),
  );
  far.write(frameOf(windowUpdate, none, 0, uint32(2 ** 30)));
  for (let i = 0; i < 200 && server.state !== 'closed'; i += 1) {
    far.write(frameOf(headers, WHOLE, 2 * i + 1, blockOf(GET)));
    await new Promise(setImmediate);
  }
  assert.ok(answered < 20, `${answered}`);
  server.destroy();
  far.destroy();
});

interface ClientVisit {
  readonly peer: Http2Peer;
  readonly client: Http2Client;
}

async function visitClient(run: (visit: ClientVisit) => Promise<void>): Promise<void> {
  const [near, far] = createDuplexPair();
  const client = new Http2Client(near, http2Environment).start();
  await using peer = new Http2Peer(far, 'server');
  peer.greet([], false);
  await run({ peer, client });
}

const ok = (flags: number, ...fields: FieldList): Buffer =>
  frameOf(headers, flags | endHeaders, 1, blockOf([[':status', '200'], ...fields]));

const BAD_RESPONSES: readonly (readonly [name: string, frames: readonly Buffer[], fault: string, method?: string])[] = [
  ['no status', [frameOf(headers, WHOLE, 1, blockOf([]))], 'pseudo-missing'],
  ['a body and no head', [body('x')], 'response-missing'],
  ['an end and no head', [body('', endStream)], 'response-missing'],
  ['101', [frameOf(headers, endHeaders, 1, statusBlock(101))], 'status-code'],
  ['an interim end', [frameOf(headers, WHOLE, 1, statusBlock(103))], 'interim-end'],
  [
    'interims without end',
    Array.from({ length: 40 }, () => frameOf(headers, endHeaders, 1, statusBlock(103))),
    'interim-count',
  ],
  ['a body that is too short', [ok(none, ['content-length', '3']), body('a', endStream)], 'body-length'],
  ['a body that is too long', [ok(none, ['content-length', '3']), body('abcd')], 'body-length'],
  ['a body to HEAD', [ok(none, ['content-length', '3']), body('abc')], 'body-unexpected', 'HEAD'],
  ['a body of 204', [frameOf(headers, endHeaders, 1, statusBlock(204)), body('a')], 'body-unexpected'],
  ['a body of 304', [frameOf(headers, endHeaders, 1, statusBlock(304)), body('a')], 'body-unexpected'],
  ['a second head', [ok(none), ok(none)], 'pseudo-forbidden'],
  ['connection', [ok(none, ['connection', 'close'])], 'connection-field'],
];

for (const [name, frames, fault, method] of BAD_RESPONSES) {
  test(`a client resets a response with ${name}`, async () => {
    await visitClient(async ({ peer, client }) => {
      const asked = ask(client, method === undefined ? {} : { method });
      await peer.receive(headers, 1);
      peer.send(...frames);
      assert.equal(await peer.resetCode(1), Http2Code.protocolError);
      assert.equal(asked?.response.error?.code, 'malformed');
      assert.equal(asked?.response.error?.data['fault'], fault);
      assert.equal(asked?.response.error?.isUnprocessed, false);
      assert.equal(client.state, 'open');
    });
  });
}

test('a client learns how its requests ended, and which of them nobody has looked at', async () => {
  await visitClient(async ({ peer, client }) => {
    const asked = [1, 2, 3, 4].map(() => ask(client, { body: 'x' })?.response);
    await peer.receive(headers, 7);
    peer.send(frameOf(rstStream, none, 1, uint32(Http2Code.refusedStream)));
    peer.send(frameOf(rstStream, none, 3, uint32(Http2Code.internalError)));
    peer.send(frameOf(goaway, none, 0, uint32(5, Http2Code.noError)));
    await until('ends', () => asked.filter((each) => each?.closed === true).length === 3);
    assert.equal(client.state, 'draining');
    assert.equal(client.freeStreamCount, 0);
    assert.equal(ask(client, {}), undefined);
    peer.socket.destroy();
    await until('the last', () => asked.every((each) => each?.closed === true));
    assert.deepEqual(
      asked.map((each) => [each?.error?.code, each?.error?.isUnprocessed, each?.error?.data['http2Code']]),
      [
        ['reset', true, Http2Code.refusedStream],
        ['reset', false, Http2Code.internalError],
        ['closed', false, undefined],
        ['goaway', true, Http2Code.noError],
      ],
    );
    assert.equal(client.state, 'closed');
  });
});

test('a client resets what a server begins by itself', async () => {
  await visitClient(async ({ peer, client }) => {
    peer.send(frameOf(headers, WHOLE, 2, statusBlock(200)));
    assert.equal(await peer.goawayCode(), Http2Code.protocolError);
    assert.equal(client.state, 'closed');
  });
});

test('a draining server takes the requests that are on their way, and names the last one', async () => {
  await visit(async ({ peer, server }) => {
    peer.send(open(blockOf(POST)));
    await until('the request', () => server.streamCount === 1);
    server.drain();
    const first = await peer.receive(goaway);
    assert.equal(readUint32(first.payload, 0), 2 ** 31 - 1);
    const ping = await peer.receive(FrameType.ping);
    // It was on its way.
    peer.send(open(blockOf(POST), 3), frameOf(FrameType.ping, FrameFlag.ack, 0, ping.payload));
    await until('the second GOAWAY', () => peer.of(goaway).length === 2);
    assert.equal(readUint32(peer.of(goaway)[1]?.payload ?? Buffer.alloc(4), 0), 3);
    peer.send(open(blockOf(POST), 5));
    assert.equal(await peer.resetCode(5), Http2Code.refusedStream);
    peer.send(body('', endStream), body('', endStream, 3));
    assert.deepEqual([await statusOf(peer, 1), await statusOf(peer, 3)], [200, 200]);
    await until('the end', () => peer.ended);
  });
});
