import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anyHttp2Request, anyHttp2Response, spoiled } from '../testing/http2-corpus.ts';
import { blockOf, frameOf, uint32 } from '../testing/http2-peer.ts';
import { Collector, http2Environment, ResponseCollector } from '../testing/http2-world.ts';
import { createDuplexPair } from '../testing/memory-duplex.ts';
import { randomOf } from '../testing/random.ts';
import { CLIENT_PREFACE, encodeSettings, FrameFlag, FrameType } from '../hbone/frame-codec.ts';
import { fieldBlockOf } from './field-text.ts';
import { Http2Client } from './client.ts';
import type { Exchange } from './exchange.ts';
import { Http2Server } from './server.ts';

const SEED = 20261129;
const RUNS = 3000;
/** What a few kilobytes of input may make a connection say. */
const OUTPUT_MAX_BYTES = 300_000;

type Random = () => number;

const upTo = (random: Random, max: number): number => Math.floor(random() * (max + 1));

/** Frames of messages, mixed with others that are legal by themselves. */
function anyFrames(random: Random, role: 'client' | 'server'): Buffer[] {
  const frames: Buffer[] = [];
  for (let count = 2 + upTo(random, 12); count > 0; count -= 1) {
    const id = 1 + 2 * upTo(random, 5);
    const any = role === 'client' ? anyHttp2Request(random) : anyHttp2Response(random, 'GET');
    const { fields, body, trailers } = spoiled(random, any, upTo(random, 2));
    const end = body === undefined || random() < 0.1 ? FrameFlag.endStream : 0;
    frames.push(frameOf(FrameType.headers, FrameFlag.endHeaders | end, id, blockOf(fields)));
    for (const piece of body ?? [])
      frames.push(frameOf(FrameType.data, random() < 0.2 ? 1 : 0, id, Buffer.from(piece)));
    if (trailers !== undefined)
      frames.push(frameOf(FrameType.headers, FrameFlag.endHeaders | FrameFlag.endStream, id, blockOf(trailers)));
    if (random() < 0.2) frames.push(frameOf(FrameType.rstStream, 0, id, uint32(upTo(random, 13))));
    if (random() < 0.2)
      frames.push(frameOf(FrameType.windowUpdate, 0, random() < 0.5 ? 0 : id, uint32(upTo(random, 9999))));
    if (random() < 0.1) frames.push(encodeSettings([[1 + upTo(random, 7), upTo(random, 70_000)]]));
    if (random() < 0.05) frames.push(frameOf(FrameType.goaway, 0, 0, uint32(upTo(random, 9), upTo(random, 13))));
  }
  return frames;
}

/** Breaks bytes here and there. */
function mutate(random: Random, source: Buffer): Buffer {
  let bytes = Buffer.from(source);
  for (let count = random() < 0.5 ? 0 : upTo(random, 4); count > 0 && bytes.length > 0; count -= 1) {
    const at = upTo(random, bytes.length - 1);
    const end = Math.min(bytes.length, at + 1 + upTo(random, 20));
    if (random() < 0.5) bytes[at] = upTo(random, 255);
    else bytes = Buffer.concat([bytes.subarray(0, random() < 0.5 ? at : end), bytes.subarray(end)]);
  }
  return bytes;
}

/** Does something with an exchange that its owner may do at any time. */
function meddle(random: Random, exchange: Exchange, respond: () => void): void {
  switch (upTo(random, 5)) {
    case 0:
      exchange.reset(upTo(random, 13));
      break;
    case 1:
      respond();
      exchange.write(Buffer.alloc(20_000), 0, upTo(random, 20_000));
      break;
    case 2:
      respond();
      exchange.write(Buffer.alloc(9000), 0, upTo(random, 9000), random() < 0.5);
      break;
    case 3:
      respond();
      exchange.trailers(fieldBlockOf([['x-t', '1']]));
      break;
    case 4:
      respond();
      exchange.end();
      break;
    default:
      exchange.release(upTo(random, 1000));
  }
}

/** Sends input in pieces and looks at what is left of the connection. */
async function feed(
  random: Random,
  role: 'client' | 'server',
  endpoint: Http2Server | Http2Client,
  far: NodeJS.ReadWriteStream,
): Promise<void> {
  let output = 0;
  far.on('data', (chunk: Buffer) => (output += chunk.length));
  far.on('error', () => {});
  const settings = encodeSettings([[3, 10]]);
  const greeting = role === 'client' ? Buffer.concat([CLIENT_PREFACE, settings]) : settings;
  const input = Buffer.concat([greeting, mutate(random, Buffer.concat(anyFrames(random, role)))]);
  for (let from = 0; from < input.length; ) {
    const to = Math.min(input.length, from + 1 + upTo(random, 700));
    far.write(input.subarray(from, to));
    from = to;
    await new Promise(setImmediate);
  }
  await new Promise(setImmediate);
  assert.ok(output <= OUTPUT_MAX_BYTES, `${output}`);
  endpoint.destroy();
  assert.equal(endpoint.state, 'closed');
  assert.equal(endpoint.streamCount, 0);
}

test(`${RUNS} broken connections of clients end with every exchange, and no more memory than is allowed`, async () => {
  for (let i = 0; i < RUNS; i += 1) {
    const random = randomOf(SEED + i);
    const [near, far] = createDuplexPair();
    const messages: { readonly message: Collector; readonly exchange: Exchange }[] = [];
    const server = new Http2Server(near, {
      ...http2Environment,
      onRequest: (exchange) => {
        const message = new Collector(() => (random() < 0.5 ? exchange : undefined));
        messages.push({ message, exchange });
        const respond = (): void => {
          if (!exchange.headSent) respondWithout(exchange.head, () => exchange.respond(false));
        };
        if (random() < 0.5) meddle(random, exchange, respond);
        message.onDone = () => meddle(random, exchange, respond);
        return message;
      },
    }).start();
    await feed(random, 'client', server, far);
    for (const { message, exchange } of messages) assert.ok(exchange.closed, JSON.stringify(message.body.toString()));
  }
});

function respondWithout(head: Exchange['head'], respond: () => void): void {
  head.begin();
  head.status(200);
  head.end();
  respond();
}

test(`${RUNS} broken connections of servers end with every exchange, and no more memory than is allowed`, async () => {
  for (let i = 0; i < RUNS; i += 1) {
    const random = randomOf(SEED - i);
    const [near, far] = createDuplexPair();
    const client = new Http2Client(near, http2Environment).start();
    const exchanges: Exchange[] = [];
    for (let count = 1 + upTo(random, 4); count > 0; count -= 1) {
      client.head.begin();
      client.head.request({ method: random() < 0.2 ? 'HEAD' : 'GET', scheme: 'http', authority: 'a', path: '/' });
      client.head.end();
      const response = new ResponseCollector(() => exchange);
      const exchange = client.request(response, random() < 0.5);
      if (exchange === undefined) continue;
      exchanges.push(exchange);
      response.onDone = () => meddle(random, exchange, () => {});
    }
    await feed(random, 'server', client, far);
    for (const exchange of exchanges) assert.ok(exchange.closed);
  }
});
