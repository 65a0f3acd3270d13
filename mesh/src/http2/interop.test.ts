import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2, { type ClientHttp2Session, type Http2Server as NodeServer, type ServerHttp2Stream } from 'node:http2';
import { test } from 'node:test';
import {
  answering,
  ask,
  type CompleteRequest,
  connectHttp2,
  http2Environment,
  listenHttp2,
  respondText,
} from '../testing/http2-world.ts';
import { dial, dbSvid, listen, webSvid } from '../testing/tunnel-world.ts';
import { until } from '../testing/until.ts';
import { Http2Code } from '../hbone/frame-codec.ts';
import { handshakes } from '../tls/handshake.ts';
import { secureContextOf } from '../tls/secure-context.ts';
import { Http2Client } from './client.ts';
import { fieldBlockOf } from './field-text.ts';
import { Http2Server } from './server.ts';

// The other end is node:http2, on real sockets.

const BIG = Buffer.from(Uint8Array.from({ length: 3_000_000 }, (_, i) => i % 251));

async function withNodeClient(
  answer: (request: CompleteRequest) => void,
  run: (session: ClientHttp2Session, port: number) => Promise<void>,
): Promise<void> {
  await using server = await listenHttp2(answering(answer));
  const session = http2.connect(`http://127.0.0.1:${server.port}`);
  await run(session, server.port);
  session.close();
  await once(session, 'close');
}

async function withNodeServer(
  onStream: (stream: ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void,
  run: (client: Http2Client, server: NodeServer) => Promise<void>,
): Promise<void> {
  const server = http2.createServer().on('stream', onStream);
  server.listen(0);
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const client = await connectHttp2(address.port);
  await run(client, server);
  client.drain();
  server.close();
  await once(server, 'close');
}

test('node:http2 asks us again and again over one connection', async () => {
  const answer = ({ exchange, head, message }: CompleteRequest): void =>
    respondText(exchange, 200, `${head.method} ${head.authority} ${head.path} ${message.body.length}`, [['x-a', 'b']]);
  await withNodeClient(answer, async (session, port) => {
    for (let i = 0; i < 5; i += 1) {
      const stream = session.request({ ':method': 'POST', ':path': '/x?y', 'x-b': 'c', cookie: ['a=b', 'c=d'] });
      stream.end('hello');
      const [headers] = await once(stream, 'response');
      assert.deepEqual([headers[':status'], headers['x-a']], [200, 'b']);
      assert.equal(Buffer.concat(await stream.toArray()).toString(), `POST 127.0.0.1:${port} /x?y 5`);
    }
  });
});

test('node:http2 gets interim responses, large bodies and trailers of us, and sends them', async () => {
  const answer = ({ exchange, message }: CompleteRequest): void => {
    const { head } = exchange;
    head.begin();
    head.status(103);
    head.field('link', '</a>');
    head.end();
    exchange.interim();
    head.begin();
    head.status(200);
    head.end();
    exchange.respond(false);
    exchange.write(message.body, 0, message.body.length);
    exchange.trailers(fieldBlockOf([['x-sum', message.trailers?.[0]?.[1] ?? 'none']]));
  };
  await withNodeClient(answer, async (session) => {
    const stream = session.request({ ':method': 'POST' }, { waitForTrailers: true, endStream: false });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-t': 'sum' }));
    const seen: unknown[] = [];
    stream.on('headers', (headers) => seen.push(headers[':status'], headers['link']));
    stream.on('trailers', (headers) => seen.push(headers['x-sum']));
    stream.end(BIG);
    assert.ok(Buffer.concat(await stream.toArray()).equals(BIG));
    assert.deepEqual(seen, [103, '</a>', 'sum']);
  });
});

test('node:http2 is told of resets, and tells us', async () => {
  const errors: unknown[] = [];
  const answer = ({ exchange, head, message }: CompleteRequest): void => {
    // Node ends a stream before it resets it.
    if (head.path === '/hold') message.onDone = () => errors.push(message.error?.data['http2Code']);
    else if (head.path === '/reset') exchange.reset(Http2Code.enhanceYourCalm);
    else respondText(exchange, 200, 'ok');
  };
  await withNodeClient(answer, async (session) => {
    const refused = session.request({ ':path': '/reset' });
    await assert.rejects(once(refused, 'response'), /NGHTTP2_ENHANCE_YOUR_CALM/);
    const given = session.request({ ':method': 'POST', ':path': '/hold' }, { endStream: false });
    given.on('error', () => {});
    given.write('x');
    await new Promise((resolve) => setTimeout(resolve, 20));
    given.close(Http2Code.internalError);
    await until('the reset', () => errors.length === 1);
    assert.deepEqual(errors, [Http2Code.internalError]);
    const fine = session.request();
    assert.equal(Buffer.concat(await fine.toArray()).toString(), 'ok');
  });
});

test('we ask node:http2 again and again over one connection', async () => {
  const onStream = (stream: ServerHttp2Stream, headers: http2.IncomingHttpHeaders): void => {
    stream.respond({
      ':status': 201,
      'x-method': headers[':method'],
      'x-path': headers[':path'],
      'x-cookie': headers.cookie,
    });
    stream.pipe(stream);
  };
  await withNodeServer(onStream, async (client) => {
    for (let i = 0; i < 5; i += 1) {
      const asked = ask(client, { method: 'PUT', path: '/a?b', body: 'echo', fields: [['cookie', 'a=b; c=d']] });
      await until('the response', () => asked?.response.closed);
      const { response } = asked ?? assert.fail();
      assert.deepEqual([response.error, response.status, response.body.toString()], [undefined, 201, 'echo']);
      const fields = new Map(response.fields);
      assert.deepEqual(
        [fields.get('x-method'), fields.get('x-path'), fields.get('x-cookie')],
        ['PUT', '/a?b', 'a=b; c=d'],
      );
    }
  });
});

test('we get interim responses, large bodies and trailers of node:http2, and HEAD has none', async () => {
  const onStream = (stream: ServerHttp2Stream, headers: http2.IncomingHttpHeaders): void => {
    if (headers[':method'] === 'HEAD') {
      stream.respond({ ':status': 200, 'content-length': 9 }, { endStream: true });
      return;
    }
    stream.additionalHeaders({ ':status': 103 });
    stream.respond({ ':status': 200 }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-t': '1' }));
    stream.end(BIG);
  };
  await withNodeServer(onStream, async (client) => {
    const asked = ask(client, {});
    await until('the response', () => asked?.response.closed);
    const { response } = asked ?? assert.fail();
    assert.ok(response.body.equals(BIG));
    assert.deepEqual([response.interims, response.trailers, response.error], [[103], [['x-t', '1']], undefined]);
    const head = ask(client, { method: 'HEAD' });
    await until('the head', () => head?.response.closed);
    assert.deepEqual([head?.response.framing, head?.response.error], ['none', undefined]);
  });
});

test('a session of node:http2 that goes away takes our last requests', async () => {
  const streams: ServerHttp2Stream[] = [];
  await withNodeServer(
    (stream) => void streams.push(stream),
    async (client) => {
      const asked = ask(client, {});
      await until('the request', () => streams.length === 1);
      streams[0]?.session?.close();
      await until('GOAWAY', () => client.state === 'draining');
      streams[0]?.respond({ ':status': 200 });
      streams[0]?.end('last');
      await until('the response', () => asked?.response.closed);
      assert.equal(asked?.response.body.toString(), 'last');
      await until('the end', () => client.state === 'closed');
    },
  );
});

test('both our ends speak over TLS sockets', async () => {
  await using server = await listen((raw) => {
    handshakes.serve(raw, secureContextOf(dbSvid), (outcome) => {
      if (outcome.kind === 'failed') assert.fail(outcome.error);
      const options = answering(({ exchange, message }) => respondText(exchange, 200, message.body.toString()));
      new Http2Server(outcome.socket, options).start();
    });
  });
  const raw = dial(server.port);
  const { promise, resolve, reject } = Promise.withResolvers<Http2Client>();
  handshakes.start(raw, secureContextOf(webSvid), (outcome) => {
    if (outcome.kind === 'failed') reject(outcome.error);
    else resolve(new Http2Client(outcome.socket, http2Environment).start());
  });
  const client = await promise;
  const body = 'b'.repeat(1_000_000);
  const asked = [1, 2, 3].map(() => ask(client, { method: 'POST', body }));
  await until('responses', () => asked.every((each) => each?.response.closed));
  for (const each of asked) assert.equal(each?.response.body.toString(), body);
  client.drain();
  await until('the end', () => client.state === 'closed');
});
