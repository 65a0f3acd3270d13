/**
 * The same messages to this layer and to node:http2, which is nghttp2, each on a connection of its own. What both accept they must
 * understand the same way: same fields, same bodies, same trailers. What only one of them accepts is in the list below, with its reason.
 */
import assert from 'node:assert/strict';
import http2 from 'node:http2';
import type { Duplex } from 'node:stream';
import { test } from 'node:test';
import { type FieldList, fieldsOf } from '../testing/http1-steps.ts';
import { anyHttp2Request, anyHttp2Response, type Http2Case, spoiled } from '../testing/http2-corpus.ts';
import { blockOf, frameOf, Http2Peer } from '../testing/http2-peer.ts';
import { Collector, http2Environment, respondText, ResponseCollector } from '../testing/http2-world.ts';
import { createDuplexPair } from '../testing/memory-duplex.ts';
import { randomOf } from '../testing/random.ts';
import { FrameFlag, FrameType } from '../hbone/frame-codec.ts';
import { Http2Client } from './client.ts';
import { Http2Server } from './server.ts';

const SEED = 20261128;
const RUNS = 6000;
const METHODS = ['GET', 'GET', 'POST', 'HEAD'] as const;

/** A message as one side has understood it. */
interface Seen {
  fields: FieldList;
  body: string;
  trailers: FieldList;
  complete: boolean;
  /** Why it was refused, where that is known. */
  fault?: string;
}

const empty = (): Seen => ({ fields: [], body: '', trailers: [], complete: false });

/** One normal form for what either side tells of a head: what a request is for, then its fields, Cookie joined at the end. */
function normal(pseudo: ReadonlyMap<string, string>, regular: FieldList): FieldList {
  const authority = pseudo.get(':authority') ?? regular.find(([name]) => name === 'host')?.[1] ?? '';
  const cookies = regular.filter(([name]) => name === 'cookie').map(([, value]) => value);
  const start: FieldList = [...pseudo]
    .filter(([name]) => name !== ':authority')
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  // nghttp2 takes Content-Length out of 204.
  const dropped = pseudo.get(':status') === '204' ? ['cookie', 'host', 'content-length'] : ['cookie', 'host'];
  const fields = regular.filter(([name]) => !dropped.includes(name));
  const joined: FieldList = cookies.length === 0 ? [] : [['cookie', cookies.join('; ')]];
  return [[':authority', authority.toLowerCase()], ...start, ...fields, ...joined];
}

function pairsOf(raw: readonly string[]): FieldList {
  return Array.from({ length: raw.length / 2 }, (_, i) => [raw[2 * i] ?? '', raw[2 * i + 1] ?? ''] as const);
}

function normalOfRaw(raw: readonly string[]): FieldList {
  const pairs = pairsOf(raw);
  const pseudo = new Map(pairs.filter(([name]) => name.startsWith(':')));
  if (pseudo.has(':scheme')) pseudo.set(':scheme', (pseudo.get(':scheme') ?? '').toLowerCase());
  return normal(
    pseudo,
    pairs.filter(([name]) => !name.startsWith(':')),
  );
}

/** The frames of a case on a stream. */
function framesOf({ fields, body, trailers }: Http2Case): Buffer[] {
  const headFlags = FrameFlag.endHeaders | (body === undefined && trailers === undefined ? FrameFlag.endStream : 0);
  const frames = [frameOf(FrameType.headers, headFlags, 1, blockOf(fields))];
  const pieces = body ?? [];
  for (const [index, piece] of pieces.entries()) {
    const last = index === pieces.length - 1 && trailers === undefined;
    frames.push(frameOf(FrameType.data, last ? FrameFlag.endStream : 0, 1, Buffer.from(piece)));
  }
  if (body?.length === 0 && trailers === undefined) frames.push(frameOf(FrameType.data, FrameFlag.endStream, 1));
  if (trailers !== undefined)
    frames.push(frameOf(FrameType.headers, FrameFlag.endHeaders | FrameFlag.endStream, 1, blockOf(trailers)));
  return frames;
}

/** Comes back once the case is decided: it was understood, or the peer has been told that it was not. */
async function decided(peer: Http2Peer, seen: Seen, ours: () => boolean): Promise<void> {
  for (let turn = 0; turn < 2000; turn += 1) {
    if (seen.complete || ours() || peer.ended || isRefused(peer)) return;
    await new Promise(setImmediate);
  }
  assert.fail('nothing came of it');
}

/** The request has come. */
async function asked(peer: Http2Peer): Promise<void> {
  for (let turn = 0; turn < 2000 && peer.of(FrameType.headers, 1).length === 0; turn += 1)
    await new Promise(setImmediate);
}

function isRefused(peer: Http2Peer): boolean {
  const code = (type: number, at: number): boolean =>
    peer.of(type).some(({ payload }) => payload.readUInt32BE(at) !== 0);
  return code(FrameType.rstStream, 0) || code(FrameType.goaway, 4);
}

async function oursOfRequest(one: Http2Case): Promise<Seen> {
  const [near, far] = createDuplexPair();
  const seen = empty();
  const server = new Http2Server(near, {
    ...http2Environment,
    onFault: (fault) => (seen.fault ??= fault),
    onRequest: (exchange, head) => {
      const pseudo = new Map([
        [':method', head.method],
        [':authority', head.authority],
      ]);
      if (head.form !== 'authority') pseudo.set(':scheme', head.scheme).set(':path', head.path);
      if (head.protocol !== '') pseudo.set(':protocol', head.protocol);
      seen.fields = normal(pseudo, fieldsOf(head));
      const message = new Collector(() => exchange);
      message.onDone = () => {
        seen.body = message.body.toString();
        seen.trailers = message.trailers ?? [];
        seen.complete ||= message.ended;
        if (message.ended && !exchange.closed) respondText(exchange, 200, '');
      };
      return message;
    },
  }).start();
  await using peer = new Http2Peer(far, 'client');
  peer.greet();
  peer.send(...framesOf(one));
  await decided(peer, seen, () => seen.fault !== undefined);
  server.destroy();
  return seen;
}

const nodeServer = http2.createServer({ settings: { enableConnectProtocol: true } });

async function theirsOfRequest(one: Http2Case): Promise<Seen> {
  const [near, far] = createDuplexPair();
  const seen = empty();
  const onStream = (stream: http2.ServerHttp2Stream, ...[, , raw]: [unknown, unknown, unknown]): void => {
    assert.ok(Array.isArray(raw));
    seen.fields = normalOfRaw(raw);
    stream.on('error', () => {});
    stream.on('data', (chunk: Buffer) => (seen.body += chunk.toString()));
    stream.on(
      'trailers',
      (...[, , rawTrailers]: [unknown, unknown, string[]]) => (seen.trailers = pairsOf(rawTrailers)),
    );
    stream.on('end', () => {
      seen.complete = !stream.aborted && stream.rstCode === 0;
      if (!stream.destroyed) stream.respond({ ':status': 200 }, { endStream: true });
    });
  };
  nodeServer.on('stream', onStream);
  nodeServer.emit('connection', near);
  await using peer = new Http2Peer(far, 'client');
  peer.greet();
  peer.send(...framesOf(one));
  await decided(peer, seen, () => false);
  nodeServer.off('stream', onStream);
  if (isRefused(peer)) seen.complete = false;
  return seen;
}

async function oursOfResponse(one: Http2Case, method: string): Promise<Seen> {
  const [near, far] = createDuplexPair();
  const seen = empty();
  const client = new Http2Client(near, http2Environment).start();
  await using peer = new Http2Peer(far, 'server');
  peer.greet([], false);
  client.head.begin();
  client.head.request({ method, scheme: 'http', authority: 'a', path: '/' });
  client.head.end();
  const response = new ResponseCollector(() => undefined);
  client.request(response, true);
  await asked(peer);
  peer.send(...framesOf(one));
  await decided(peer, seen, () => response.closed);
  const fault = response.error?.fault ?? response.error?.code;
  if (fault !== undefined) seen.fault = fault;
  seen.complete = response.ended && response.error === undefined;
  seen.fields = normal(new Map([[':status', String(response.status)]]), response.fields);
  seen.body = response.body.toString();
  seen.trailers = response.trailers ?? [];
  client.destroy();
  return seen;
}

async function theirsOfResponse(one: Http2Case, method: string): Promise<Seen> {
  const [near, far] = createDuplexPair();
  const seen = empty();
  await using peer = new Http2Peer(far, 'server');
  const session = http2.connect('http://a', { createConnection: (): Duplex => near });
  session.on('error', () => {});
  peer.greet([], false);
  const stream = session.request({ ':method': method, ':path': '/' }, { endStream: true });
  let closed = false;
  stream.on('error', () => {});
  stream.on('response', (...[, , raw]: [unknown, unknown, unknown]) => {
    assert.ok(Array.isArray(raw));
    seen.fields = normalOfRaw(raw);
  });
  stream.on('data', (chunk: Buffer) => (seen.body += chunk.toString()));
  stream.on('trailers', (...[, , raw]: [unknown, unknown, string[]]) => (seen.trailers = pairsOf(raw)));
  stream.on('close', () => (closed = true));
  await asked(peer);
  peer.send(...framesOf(one));
  await decided(peer, seen, () => closed);
  seen.complete = closed && stream.rstCode === 0 && !isRefused(peer);
  session.destroy();
  return seen;
}

/** What nghttp2 reads and we refuse, as our fault. */
const STRICTER: Readonly<Record<'request' | 'response', Readonly<Record<string, string>>>> = {
  request: {
    authority: 'percent-encoding and an empty port; which HTTP/1.1 would not take either',
    'field-name': 'nghttp2 leaves such fields out of the message, and goes on',
    'field-value': 'nghttp2 leaves such fields out of the message, and goes on',
    'host-mismatch': 'nghttp2 does not compare Host with :authority',
    path: 'fragments and bytes beyond ASCII',
    scheme: 'schemes that nobody proxies',
    'trailer-forbidden': 'Host in trailers',
  },
  response: {
    'content-length-invalid': 'a zero before other digits',
    'field-name': 'as in requests',
    'field-value': 'as in requests',
    'host-duplicate': 'Host, which means nothing in a response',
    'trailer-forbidden': 'as in requests',
  },
};
function compare(one: Http2Case, ours: Seen, theirs: Seen): string {
  const show = JSON.stringify(one);
  if (ours.complete && theirs.complete) {
    const seen = ({ fields, body, trailers }: Seen): unknown => ({ fields, body, trailers });
    assert.deepEqual(seen(ours), seen(theirs), show);
    return 'both accept';
  }
  if (ours.complete) return `laxer ${show}`;
  if (theirs.complete) return `stricter ${ours.fault}`;
  return 'both refuse';
}

async function compareAll(type: 'request' | 'response', run: (random: () => number) => Promise<string>): Promise<void> {
  const counts = new Map<string, number>();
  for (let i = 0; i < RUNS; i += 1) {
    const what = await run(randomOf(SEED + i));
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }
  const found = [...counts.keys()].filter((what) => !what.startsWith('both')).toSorted();
  // What nghttp2 refuses we refuse: there is no list of that.
  const listed = Object.keys(STRICTER[type]).map((fault) => `stricter ${fault}`);
  assert.deepEqual(found, listed.toSorted());
  assert.ok((counts.get('both accept') ?? 0) > RUNS / 5, 'the corpus must not be refused as a whole');
}

test('generated requests, many of them broken, are understood as nghttp2 understands them', async () => {
  await compareAll('request', async (random) => {
    const one = spoiled(random, anyHttp2Request(random), Math.floor(random() * 4));
    return compare(one, await oursOfRequest(one), await theirsOfRequest(one));
  });
});

test('generated responses, many of them broken, are understood as nghttp2 understands them', async () => {
  await compareAll('response', async (random) => {
    const method = METHODS[Math.floor(random() * METHODS.length)] ?? 'GET';
    const one = spoiled(random, anyHttp2Response(random, method), Math.floor(random() * 4));
    return compare(one, await oursOfResponse(one, method), await theirsOfResponse(one, method));
  });
});
