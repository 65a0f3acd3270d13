/** `node:http2` as the client of our server. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2, { type ClientHttp2Session } from 'node:http2';
import { test } from 'node:test';
import tls from 'node:tls';
import { dial, listenHbone, webSvid } from '../testing/tunnel-world.ts';
import { collect, type Collector, textOf } from '../testing/tunnel-collector.ts';
import { until } from '../testing/until.ts';
import { secureContextOf } from '../tls/secure-context.ts';
import type { AcceptOptions } from './contract.ts';
import type { TunnelRequest } from './tunnel.ts';

const {
  HTTP2_HEADER_METHOD: METHOD,
  HTTP2_HEADER_AUTHORITY: AUTHORITY,
  NGHTTP2_CANCEL,
  NGHTTP2_NO_ERROR,
} = http2.constants;

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
