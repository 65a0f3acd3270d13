import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2, {
  type ClientHttp2Session,
  type Http2Stream,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import { test } from 'node:test';
import tls from 'node:tls';
import { dbSvid, dial, environment, identityOf, listenHbone, targetOf, webSvid } from '../testing/tunnel-world.ts';
import { until } from '../testing/until.ts';
import { secureContextOf, secureContextOptionsOf } from '../tls/secure-context.ts';
import type { AcceptOptions } from './contract.ts';
import { HboneError } from './errors.ts';
import { connectHbone } from './session.ts';
import type { CarrierReader, CarrierResult } from './carrier.ts';
import type { HboneSession, TunnelRequest, TunnelStream } from './tunnel.ts';

const {
  HTTP2_HEADER_METHOD: METHOD,
  HTTP2_HEADER_AUTHORITY: AUTHORITY,
  NGHTTP2_CANCEL,
  NGHTTP2_NO_ERROR,
} = http2.constants;

/** Reads a tunnel to its end. */
class Collector implements CarrierReader {
  readonly chunks: Buffer[] = [];
  ended = false;
  drains = 0;
  readonly closed: Promise<CarrierResult>;
  readonly onClose: (result: CarrierResult) => void;
  constructor() {
    const { promise, resolve } = Promise.withResolvers<CarrierResult>();
    this.closed = promise;
    this.onClose = resolve;
  }
  get text(): string {
    return Buffer.concat(this.chunks).toString();
  }
  get bytes(): number {
    return this.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  }
  onBytes(memory: Buffer, start: number, end: number): void {
    this.chunks.push(Buffer.from(memory.subarray(start, end)));
  }
  onEnd(): void {
    this.ended = true;
  }
  onDrain(): void {
    this.drains += 1;
  }
}

function collect(stream: TunnelStream): Collector {
  const collector = new Collector();
  stream.read(collector);
  return collector;
}

// --- node:http2 as the client of our server

async function withNodeClient(
  onTunnel: (request: TunnelRequest<string>) => void,
  run: (client: ClientHttp2Session) => Promise<void>,
  options: Partial<AcceptOptions<string>> = {},
  settings: http2.Settings = {},
): Promise<void> {
  await using server = await listenHbone(onTunnel, options);
  const client = http2.connect('https://mesh.test', {
    settings,
    createConnection: () =>
      tls.connect({
        socket: dial(server.port),
        secureContext: secureContextOf(webSvid),
        servername: '',
        ALPNProtocols: ['h2'],
        checkServerIdentity: () => undefined,
      }),
  });
  client.on('error', () => {});
  try {
    await run(client);
  } finally {
    client.destroy();
  }
}

function connect(client: ClientHttp2Session, headers: http2.OutgoingHttpHeaders = {}): http2.ClientHttp2Stream {
  return client.request({ [METHOD]: 'CONNECT', [AUTHORITY]: '10.0.0.1:80', ...headers }).on('error', () => {});
}

async function textOf(stream: Http2Stream): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

test('node:http2 tunnels through our server with half-close both ways', async () => {
  const collectors: Collector[] = [];
  await withNodeClient(
    (request) => {
      assert.equal(request.authority, '10.0.0.1:80');
      assert.equal(request.header('baggage'), 'k8s.namespace.name=shop');
      const stream = request.accept([['baggage', 'back']]);
      collectors.push(collect(stream));
      stream.write(Buffer.from('to '));
      stream.write(Buffer.from('client'));
      stream.end();
    },
    async (client) => {
      const stream = connect(client, { baggage: 'k8s.namespace.name=shop' });
      const [headers] = await once(stream, 'response');
      assert.deepEqual([headers[':status'], headers['baggage']], [200, 'back']);
      assert.equal(await textOf(stream), 'to client');
      stream.end('to server');
      await until('the server read all', () => collectors[0]?.ended);
      assert.equal(collectors[0]?.text, 'to server');
      assert.deepEqual(await collectors[0]?.closed, { bytesSent: 9, bytesReceived: 9 });
    },
  );
});

test('node:http2 gets 400 for another method and for an empty authority, and the status of a rejection', async () => {
  await withNodeClient(
    (request) => request.reject(401, [['x-why', 'policy']]),
    async (client) => {
      const get = client.request({ ':path': '/' }).on('error', () => {});
      const [answer] = await once(get, 'response');
      assert.equal(answer[':status'], 400);
      const refused = connect(client);
      const [denied] = await once(refused, 'response');
      assert.deepEqual([denied[':status'], denied['x-why']], [401, 'policy']);
      assert.equal(await textOf(refused), '');
    },
  );
});

test('trailers of node:http2 end the stream and are otherwise ignored', async () => {
  const collectors: Collector[] = [];
  await withNodeClient(
    (request) => {
      const stream = request.accept();
      collectors.push(collect(stream));
      stream.end();
    },
    async (client) => {
      const stream = client
        .request({ [METHOD]: 'CONNECT', [AUTHORITY]: 'a:1' }, { waitForTrailers: true })
        .on('error', () => {});
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '1' }));
      stream.end('body');
      await until('the tunnel ended', () => collectors[0]?.ended);
      assert.equal(collectors[0]?.text, 'body');
      assert.deepEqual(await collectors[0]?.closed, { bytesSent: 0, bytesReceived: 4 });
    },
  );
});

test('a reset by node:http2 reaches the tunnel with its code', async () => {
  const collectors: Collector[] = [];
  await withNodeClient(
    (request) => void collectors.push(collect(request.accept())),
    async (client) => {
      for (const code of [NGHTTP2_CANCEL, NGHTTP2_NO_ERROR, 2]) {
        const stream = connect(client);
        await once(stream, 'response');
        stream.close(code);
        const { error } = (await collectors.at(-1)?.closed) ?? {};
        assert.deepEqual([error?.code, error?.data['http2Code'], error?.data['quiet']], ['reset', code, code !== 2]);
      }
    },
  );
});

test('a request given up by node:http2 is aborted before its answer', async () => {
  const aborted = Promise.withResolvers<void>();
  await withNodeClient(
    (request) =>
      request.onAborted(() => {
        assert.equal(request.aborted, true);
        const stream = request.accept();
        assert.equal(stream.closed, true);
        aborted.resolve();
      }),
    async (client) => {
      const stream = connect(client);
      await once(stream, 'ready');
      stream.close(NGHTTP2_CANCEL);
      await aborted.promise;
    },
  );
});

test('our server keeps to the windows of a node:http2 client that reads late', async () => {
  const bytes = 3_000_000;
  await withNodeClient(
    (request) => {
      const stream = request.accept();
      const collector = collect(stream);
      const full = stream.write(Buffer.alloc(bytes, 7));
      assert.equal(full, false);
      stream.end();
      void collector.closed;
    },
    async (client) => {
      const stream = connect(client);
      await once(stream, 'response');
      await new Promise((resolve) => setTimeout(resolve, 30));
      let received = 0;
      stream.on('data', (chunk: Buffer) => {
        received += chunk.length;
        assert.ok(chunk.every((byte) => byte === 7));
      });
      await once(stream, 'end');
      assert.equal(received, bytes);
    },
    {},
    { initialWindowSize: 20_000, maxFrameSize: 16_384 },
  );
});

// --- our client against node:http2 as the server

async function withNodeServer(
  onStream: (stream: ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void,
  run: (session: HboneSession<string>, server: ServerHttp2Session) => Promise<void>,
  settings: http2.Settings = {},
): Promise<void> {
  const sessions: ServerHttp2Session[] = [];
  const listener = http2.createSecureServer({
    ...secureContextOptionsOf(secureContextOf(dbSvid)),
    requestCert: true,
    settings,
  });
  listener.on('session', (session) => sessions.push(session.on('error', () => {})));
  listener.on('stream', (stream, headers) =>
    onStream(
      stream.on('error', () => {}),
      headers,
    ),
  );
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  assert.ok(address !== null && typeof address === 'object');
  const session = await connectHbone<string>({
    ...environment,
    ...targetOf(address.port),
    secureContext: secureContextOf(webSvid),
    verifyPeer: identityOf,
  });
  assert.equal(session.peer, dbSvid.id);
  const server = await until('the session of node:http2', () => sessions[0]);
  try {
    await run(session, server);
  } finally {
    session.destroy(new HboneError('aborted'));
    server.destroy();
    listener.close();
  }
}

const opening = { authority: '10.0.0.1:80', headers: [['baggage', 'a=b']] } as const;

test('our client tunnels through node:http2 with half-close both ways, 1xx and trailers passed over', async () => {
  await withNodeServer(
    (stream, headers) => {
      assert.deepEqual(
        [headers[':method'], headers[':authority'], headers['baggage']],
        ['CONNECT', '10.0.0.1:80', 'a=b'],
      );
      assert.equal(headers[':path'], undefined);
      stream.additionalHeaders({ ':status': 103 });
      stream.respond({ ':status': 200, baggage: 'c=d' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '1' }));
      stream.pipe(stream);
    },
    async (session) => {
      const { stream, headers } = await session.openTunnel(opening);
      assert.equal(headers.find(([name]) => name === 'baggage')?.[1], 'c=d');
      const collector = collect(stream);
      stream.write(Buffer.from('hello'));
      stream.end();
      assert.deepEqual(await collector.closed, { bytesSent: 5, bytesReceived: 5 });
      assert.equal(collector.text, 'hello');
    },
  );
});

test('our client reports another status, a reset before the answer and one after it', async () => {
  let count = 0;
  await withNodeServer(
    (stream) => {
      count += 1;
      if (count === 1) stream.respond({ ':status': 503 }, { endStream: true });
      else if (count === 2) stream.close(7);
      else {
        stream.respond({ ':status': 200 });
        stream.close(10);
      }
    },
    async (session) => {
      await assert.rejects(session.openTunnel(opening), { code: 'refused-status', data: { status: 503 } });
      await assert.rejects(session.openTunnel(opening), { code: 'reset', data: { http2Code: 7, quiet: false } });
      const { stream } = await session.openTunnel(opening);
      const { error } = await collect(stream).closed;
      assert.deepEqual([error?.code, error?.data['http2Code']], ['reset', 10]);
      assert.equal(session.streamCount, 0);
    },
  );
});

test('our client moves megabytes both ways through small windows and frames of node:http2', async () => {
  const bytes = 5_000_000;
  await withNodeServer(
    (stream) => {
      stream.respond({ ':status': 200 });
      stream.pipe(stream);
    },
    async (session) => {
      const { stream } = await session.openTunnel(opening);
      const collector = collect(stream);
      const chunk = Buffer.alloc(50_000);
      for (let sent = 0; sent < bytes; sent += chunk.length) {
        chunk.fill(sent / chunk.length);
        if (!stream.write(chunk)) {
          const before = collector.drains;
          await until('room to write', () => collector.drains > before);
        }
      }
      stream.end();
      await collector.closed;
      assert.equal(collector.bytes, bytes);
      const all = Buffer.concat(collector.chunks);
      for (let at = 0; at < bytes; at += 50_000) assert.equal(all[at + 49_999], (at / 50_000) % 256);
    },
    { initialWindowSize: 65_535, maxFrameSize: 16_384 },
  );
});

test('a reader that pauses stops the peer within one window, and resuming lets the rest come', async () => {
  const bytes = 9_000_000;
  await withNodeServer(
    (stream) => {
      stream.respond({ ':status': 200 });
      stream.end(Buffer.alloc(bytes));
    },
    async (session) => {
      const { stream } = await session.openTunnel(opening);
      stream.pause();
      const collector = collect(stream);
      stream.pause();
      await until('a window full', () => collector.bytes >= 4 * 1024 * 1024);
      await new Promise((resolve) => setTimeout(resolve, 50));
      assert.equal(collector.bytes, 4 * 1024 * 1024);
      assert.equal(stream.bytesReceived, 4 * 1024 * 1024);
      stream.resume();
      await until('everything', () => collector.ended);
      assert.equal(collector.bytes, bytes);
      stream.end();
      await collector.closed;
    },
  );
});

test('our client keeps to MAX_CONCURRENT_STREAMS of node:http2', async () => {
  await withNodeServer(
    (stream) => {
      stream.respond({ ':status': 200 });
      stream.pipe(stream);
    },
    async (session) => {
      await until('the settings of the peer', () => session.freeStreamCount === 3);
      const tunnels = await Promise.all([1, 2, 3].map(() => session.openTunnel(opening)));
      assert.equal(session.freeStreamCount, 0);
      await assert.rejects(session.openTunnel(opening), { code: 'draining' });
      const first = tunnels[0]?.stream ?? assert.fail();
      first.end();
      await collect(first).closed;
      assert.equal(session.freeStreamCount, 1);
      assert.equal((await session.openTunnel(opening)).peer, dbSvid.id);
    },
    { maxConcurrentStreams: 3 },
  );
});

test('a GOAWAY of node:http2 lets streams end and refuses new ones', async () => {
  await withNodeServer(
    (stream) => {
      stream.respond({ ':status': 200 });
      stream.pipe(stream);
    },
    async (session, server) => {
      const { stream } = await session.openTunnel(opening);
      const collector = collect(stream);
      server.goaway(0, 1);
      await until('draining', () => session.state === 'draining');
      await assert.rejects(session.openTunnel(opening), { code: 'draining' });
      stream.write(Buffer.from('still'));
      stream.end();
      await collector.closed;
      assert.equal(collector.text, 'still');
      await until('closed after the last stream', () => session.state === 'closed');
    },
  );
});

test('an aborted signal takes back a request that waits, and one that never began', async () => {
  const seen = Promise.withResolvers<ServerHttp2Stream>();
  await withNodeServer(
    (stream) => seen.resolve(stream),
    async (session) => {
      const abort = new AbortController();
      const request = session.openTunnel(opening, abort.signal);
      const stream = await seen.promise;
      abort.abort(new Error('changed my mind'));
      await assert.rejects(request, { code: 'aborted' });
      await until('the reset', () => stream.closed);
      assert.equal(stream.rstCode, NGHTTP2_CANCEL);
      await assert.rejects(session.openTunnel(opening, abort.signal), { code: 'aborted' });
    },
  );
});
