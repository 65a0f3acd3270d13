/** Our client against `node:http2` as the server. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2, { type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { test } from 'node:test';
import { dbSvid, environment, identityOf, targetOf, webSvid } from '../testing/tunnel-world.ts';
import { collect } from '../testing/tunnel-collector.ts';
import { until } from '../testing/until.ts';
import { secureContextOf, secureContextOptionsOf } from '../tls/secure-context.ts';
import { HboneError } from './errors.ts';
import { connectHbone } from './session.ts';
import type { HboneSession } from './tunnel.ts';

const { NGHTTP2_CANCEL } = http2.constants;

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
