import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import { test } from 'node:test';
import { observe, recut, type Said } from '../testing/observed.ts';
import { randomOf } from '../testing/random.ts';
import { portOf, RecordingProxy } from '../testing/recorded.ts';

const SEED = 20261126;
const CUTS = 40;

/** What a client made of one exchange: as `Observed.exchanges`. */
async function exchange(
  session: http2.ClientHttp2Session,
  headers: http2.OutgoingHttpHeaders,
  body: Buffer,
): Promise<string> {
  const stream = session.request(headers);
  stream.on('error', () => {});
  let status = 0;
  let grpcStatus = -1;
  stream.on('response', (response) => {
    status = Number(response[':status']);
    grpcStatus = Number(response['grpc-status'] ?? -1);
  });
  stream.on('trailers', (trailers) => {
    grpcStatus = Number(trailers['grpc-status'] ?? -1);
  });
  stream.end(body);
  stream.resume();
  await once(stream, 'close');
  return headers['content-type'] === 'application/grpc+proto' ? `${status} ${grpcStatus}` : String(status);
}

/** Answers as the path says: `/status?body=bytes&grpc=status&hints=1`. */
function answer(stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders): void {
  // Not before: Node forgets to give credit for what comes after an answer without a body.
  stream
    .on('error', () => {})
    .resume()
    .once('end', () => answerWhole(stream, headers));
}

function answerWhole(stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders): void {
  const url = new URL(headers[':path'] ?? '/', 'http://a');
  const status = Number(url.pathname.slice(1));
  const grpc = url.searchParams.get('grpc');
  const body = Buffer.alloc(Number(url.searchParams.get('body')), 'x');
  if (url.searchParams.has('hints')) stream.additionalHeaders({ ':status': 103, link: '</a>' });
  const head = { ':status': status, 'x-once': String(Math.random()), 'x-same': 'always', server: 'node' };
  if (grpc !== null && body.length === 0) {
    stream.respond({ ...head, 'content-type': 'application/grpc', 'grpc-status': grpc }, { endStream: true });
    return;
  }
  const waitForTrailers = grpc !== null;
  stream.respond({ ...head, ...(grpc === null ? {} : { 'content-type': 'application/grpc' }) }, { waitForTrailers });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': grpc ?? '', 'grpc-message': 'a b' }));
  stream.end(body);
}

function anyRequest(random: () => number): [http2.OutgoingHttpHeaders, Buffer] {
  const grpc = random() < 0.5 ? `&grpc=${Math.floor(random() * 17)}` : '';
  const status = grpc === '' ? ([200, 204, 404, 503, 418][Math.floor(random() * 5)] ?? 200) : 200;
  const bytes = status === 204 ? 0 : Math.floor(random() ** 4 * 100_000);
  const hints = random() < 0.2 ? '&hints=1' : '';
  return [
    {
      ':method': 'POST',
      ':path': `/${status}?body=${bytes}${grpc}${hints}`,
      ...(grpc === '' ? {} : { 'content-type': 'application/grpc+proto', te: 'trailers' }),
      'x-id': String(random()),
      ...(random() < 0.1 ? { 'x-long': 'y'.repeat(20_000) } : {}),
    },
    Buffer.alloc(Math.floor(random() ** 4 * 100_000)),
  ];
}

async function recorded(
  settings: http2.Settings,
  use: (session: http2.ClientHttp2Session) => Promise<readonly string[]>,
): Promise<{ readonly told: readonly string[]; readonly conversations: readonly Said[][] }> {
  const server = http2.createServer({ settings, maxSessionMemory: 100 }).on('stream', answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy = await RecordingProxy.start(portOf(server));
  const session = http2.connect(`http://127.0.0.1:${proxy.port}`, { settings });
  session.on('error', () => {});
  const told = await use(session);
  session.close();
  await once(session, 'close');
  server.close();
  await proxy[Symbol.asyncDispose]();
  return { told, conversations: proxy.conversations };
}

for (const headerTableSize of [0, 4096, 65_536]) {
  test(`what node:http2 exchanges is counted, however it is cut, with tables of ${headerTableSize} bytes`, async () => {
    const random = randomOf(SEED);
    const { told, conversations } = await recorded({ headerTableSize, maxHeaderListSize: 100_000 }, async (session) => {
      const all: string[] = [];
      for (let batch = 0; batch < 12; batch += 1) {
        const requests = Array.from({ length: 8 }, () => exchange(session, ...anyRequest(random)));
        all.push(...(await Promise.all(requests)));
      }
      return all;
    });
    const [conversation = []] = conversations;
    const expected = told.toSorted();
    for (let cut = 0; cut <= CUTS; cut += 1) {
      const { exchanges, stopped } = observe(cut === 0 ? conversation : recut(conversation, random));
      assert.equal(stopped, null);
      assert.deepEqual(exchanges.toSorted(), expected);
    }
  });
}

test('a reset ends a request with what was said so far', async () => {
  const { conversations } = await recorded({}, async (session) => {
    const stream = session.request({ ':path': '/200?body=100000000' });
    stream.on('error', () => {});
    await once(stream, 'response');
    stream.close(http2.constants.NGHTTP2_CANCEL);
    await once(stream, 'close');
    return [];
  });
  const { exchanges, stopped } = observe(conversations[0] ?? [], false);
  assert.deepEqual([exchanges, stopped], [['200'], null]);
});

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

/** A frame; `payload` as bytes. */
function frame(type: number, flags: number, streamId: number, payload: readonly number[] | Buffer = []): Buffer {
  const bytes = Buffer.from(payload);
  const header = Buffer.alloc(9);
  header.writeUIntBE(bytes.length, 0, 3);
  header.writeUInt8(type, 3);
  header.writeUInt8(flags, 4);
  header.writeUInt32BE(streamId, 5);
  return Buffer.concat([header, bytes]);
}

const SETTINGS = frame(4, 0, 0);
const client = (...frames: Buffer[]): Said => ({ by: 'client', bytes: Buffer.concat(frames) });
const server = (...frames: Buffer[]): Said => ({ by: 'server', bytes: Buffer.concat(frames) });
/** `:method: GET` and the like by their indices. */
const REQUEST = [0x82, 0x86, 0x84];
const STATUS_200 = [0x88];

const CASES: readonly (readonly [string, readonly Said[], readonly string[], string | null])[] = [
  [
    'a server that speaks first, as those of gRPC in Go do',
    [server(SETTINGS), client(PREFACE, SETTINGS, frame(1, 5, 1, REQUEST)), server(frame(1, 5, 1, STATUS_200))],
    ['200'],
    null,
  ],
  [
    'padding and priorities',
    [
      client(PREFACE, SETTINGS, frame(1, 0x2d, 1, [2, 0, 0, 0, 0, 7, ...REQUEST, 0, 0])),
      server(SETTINGS, frame(1, 0xd, 1, [1, ...STATUS_200, 0])),
    ],
    ['200'],
    null,
  ],
  [
    'a block in three frames',
    [
      client(PREFACE, SETTINGS, frame(1, 1, 1, [0x82]), frame(9, 0, 1, [0x86]), frame(9, 4, 1, [0x84])),
      server(SETTINGS, frame(1, 5, 1, STATUS_200)),
    ],
    ['200'],
    null,
  ],
  [
    'a promise, whose fields are in the table',
    [
      client(PREFACE, SETTINGS, frame(1, 5, 1, REQUEST)),
      // `grpc-status: 7` by a literal that is kept; then it is meant by its index.
      server(SETTINGS, frame(5, 4, 1, [0, 0, 0, 2, 0x40, 3, ...Buffer.from('x-a'), 1, 0x62])),
      server(frame(1, 4, 2, STATUS_200), frame(1, 5, 1, [0x48, 3, ...Buffer.from('503'), 0xbf])),
    ],
    ['503'],
    null,
  ],
  [
    'a stream that is over',
    [
      client(PREFACE, SETTINGS, frame(1, 5, 1, REQUEST), frame(3, 0, 1, [0, 0, 0, 8])),
      server(SETTINGS, frame(1, 5, 1, STATUS_200)),
    ],
    ['0'],
    null,
  ],
  ['no answer', [client(PREFACE, SETTINGS, frame(1, 5, 1, REQUEST))], ['0'], null],
  [
    'a status of gRPC that is none',
    [
      client(PREFACE, SETTINGS, frame(1, 5, 1, [...REQUEST, 0x0f, 0x10, 16, ...Buffer.from('application/grpc')])),
      server(SETTINGS, frame(1, 4, 1, STATUS_200)),
      server(frame(1, 5, 1, [0, 11, ...Buffer.from('grpc-status'), 2, ...Buffer.from('xx')])),
    ],
    ['200 2'],
    null,
  ],
  ['a first frame that is not SETTINGS', [client(PREFACE, frame(6, 0, 0, Buffer.alloc(8)))], [], 'unknown-protocol'],
  ['a preface that is not whole', [client(PREFACE.subarray(0, 20), Buffer.from('x'))], [], 'unknown-protocol'],
  [
    'something between the frames of a block',
    [client(PREFACE, SETTINGS, frame(1, 1, 1, [0x82]), frame(6, 0, 0, Buffer.alloc(8)))],
    [],
    'unreadable',
  ],
  ['a block without its beginning', [client(PREFACE, SETTINGS, frame(9, 4, 1, REQUEST))], [], 'unreadable'],
  ['an index beyond the tables', [client(PREFACE, SETTINGS, frame(1, 5, 1, [0xff, 0x10]))], [], 'unreadable'],
  ['a text beyond its block', [client(PREFACE, SETTINGS, frame(1, 5, 1, [0x40, 9, 1]))], [], 'unreadable'],
  [
    'a table beyond what was announced',
    [client(PREFACE, SETTINGS, frame(1, 5, 1, [0x3f, 0xff, 0xff, 0x7f]))],
    [],
    'unreadable',
  ],
  ['padding beyond its frame', [client(PREFACE, SETTINGS, frame(1, 0xd, 1, [9, 0x82]))], [], 'unreadable'],
  [
    'a header block beyond all measure',
    [
      client(PREFACE, SETTINGS, frame(1, 0, 1, Buffer.alloc(60_000, 0x82))),
      client(frame(9, 0, 1, Buffer.alloc(60_000))),
    ],
    [],
    'unreadable',
  ],
];

for (const [name, conversation, exchanges, stopped] of CASES) {
  test(`ConnectionObserver reads HTTP/2: ${name}`, () => {
    const random = randomOf(SEED);
    for (let cut = 0; cut <= CUTS; cut += 1) {
      const observed = observe(cut === 0 ? conversation : recut(conversation, random));
      assert.deepEqual([observed.exchanges, observed.stopped], [exchanges, stopped]);
    }
  });
}

test('more streams at a time than are followed end the reading', () => {
  const streams = Array.from({ length: 1025 }, (_, at) => frame(1, 5, 2 * at + 1, REQUEST));
  assert.equal(observe([client(PREFACE, SETTINGS, ...streams)]).stopped, 'too-many-requests');
  const first = observe([client(PREFACE, SETTINGS, ...streams.slice(1))]);
  assert.deepEqual([first.exchanges.length, first.stopped], [1024, null]);
});
