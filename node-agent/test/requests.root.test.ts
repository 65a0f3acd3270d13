import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { rootTestOptions } from '@ambit/mesh/testing';
import { countsOf, HISTOGRAM_COLUMNS, histogramsIn } from '@ambit/mesh/runtime';
import { REQUEST_LABELS } from '../src/requests/request-metrics.ts';
import { PodWorld, readAll, type TestNode, type TestPod, until } from './pod-world.ts';
import { twoPods } from './same-node-world.ts';

const options = { ...rootTestOptions(), timeout: 60_000 };

/** `reporter source>destination security protocol code grpc count`, sorted. */
function requestsOf(node: TestNode): readonly string[] {
  const { requests } = node.metrics();
  if (requests === null) return [];
  return countsOf(histogramsIn([requests], HISTOGRAM_COLUMNS, 0))
    .map(({ labels, value }) => {
      const of = (name: string): string => labels[REQUEST_LABELS.indexOf(name)] ?? '';
      const parties = `${of('source_workload')}>${of('destination_workload')}`;
      const outcome = `${of('request_protocol')} ${of('response_code')} ${of('grpc_response_status')}`;
      return `${of('reporter')} ${parties} ${of('connection_security_policy')} ${outcome} ${value}`;
    })
    .toSorted();
}

function unreadOf(node: TestNode): readonly string[] {
  return node.metrics().unread.map((counted) => counted.join(' '));
}

/** An application that answers as the path says. */
async function serveHttp(pod: TestPod): Promise<http.Server> {
  const server = http.createServer((request, response) => {
    response.statusCode = Number(request.url?.slice(1));
    request.pipe(response);
  });
  server.on('upgrade', (_, socket: Socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n');
    socket.on('error', () => {}).pipe(socket);
  });
  await pod.serve(8080, (socket) => server.emit('connection', socket));
  return server;
}

/** Connections of a pod that are kept alive. */
function agentOf(pod: TestPod): http.Agent {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  return Object.assign(agent, { createConnection: () => pod.dial('10.77.0.2:8080') });
}

async function ask(agent: http.Agent, path: string, body: Buffer): Promise<string> {
  const request = http.request({ agent, host: '10.77.0.2', port: 8080, path, method: 'POST' });
  request.end(body);
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  const hash = createHash('sha256');
  for await (const chunk of response) hash.update(chunk as Buffer); // A response without encoding gives buffers.
  return `${response.statusCode} ${hash.digest('hex')}`;
}

const SMALL = Buffer.from('hello');
const LARGE = Buffer.alloc(8 * 1024 * 1024, 'GET / HTTP/1.1\r\n\r\n');
const told = (status: number, body: Buffer): string => `${status} ${createHash('sha256').update(body).digest('hex')}`;

for (const [capture, security, clientEnrolled] of [
  ['through HBONE', 'mutual_tls', true],
  ['in plaintext from outside the mesh', 'unknown', false],
] as const) {
  test(`requests of HTTP/1.1 are counted on both sides ${capture}`, options, async () => {
    await using world = await PodWorld.create([
      { name: 'client', captured: clientEnrolled, ...(clientEnrolled ? {} : { tunnelProtocol: 'none' as const }) },
      { name: 'server' },
    ]);
    const [client, server] = [world.pod('client'), world.pod('server')];
    await serveHttp(server);
    const agent = agentOf(client);
    for (const [path, body] of [
      ['/200', SMALL],
      ['/201', LARGE],
      ['/503', SMALL],
      ['/599', SMALL],
      ['/200', SMALL],
    ] as const) {
      assert.equal(await ask(agent, path, body), told(Number(path.slice(1)), body));
    }
    agent.destroy();
    const expected = (reporter: string): string[] =>
      ['200 - 2', '201 - 1', '503 - 1', '5xx - 1'].map(
        (outcome) => `${reporter} client>server ${security} http ${outcome}`,
      );
    await until(() => requestsOf(world.nodeOf('server')).length === 4);
    assert.deepEqual(requestsOf(world.nodeOf('server')), expected('destination'));
    assert.deepEqual(requestsOf(world.nodeOf('client')), clientEnrolled ? expected('source') : []);
    assert.deepEqual(unreadOf(world.nodeOf('server')), []);
  });
}

test(
  'requests between two pods of a node are counted once for each of them, also past the tunnel',
  options,
  async () => {
    await using world = await twoPods();
    await serveHttp(world.pod('server'));
    for (let connection = 0; connection < 3; connection += 1) {
      const agent = agentOf(world.pod('client'));
      assert.equal(await ask(agent, '/200', LARGE), told(200, LARGE));
      assert.equal(await ask(agent, '/404', SMALL), told(404, SMALL));
      agent.destroy();
    }
    const node = world.nodeOf('client');
    await until(() => requestsOf(node).length === 4);
    assert.deepEqual(
      requestsOf(node).map((line) => line.replace(/ (?:mutual_tls|unknown|none) /, ' ')),
      ['destination', 'source'].flatMap((reporter) =>
        ['200', '404'].map((code) => `${reporter} client>server http ${code} - 3`),
      ),
    );
  },
);

test('a pod outside the mesh that is called is counted at the caller', options, async () => {
  await using world = await PodWorld.create([
    { name: 'client' },
    { name: 'server', captured: false, tunnelProtocol: 'none' },
  ]);
  await serveHttp(world.pod('server'));
  const agent = agentOf(world.pod('client'));
  assert.equal(await ask(agent, '/404', SMALL), told(404, SMALL));
  agent.destroy();
  await until(() => requestsOf(world.nodeOf('client')).length === 1);
  assert.deepEqual(requestsOf(world.nodeOf('client')), ['source client>server unknown http 404 - 1']);
});

test('calls of gRPC are counted with their status, many at a time', options, async () => {
  await using world = await PodWorld.create([{ name: 'client' }, { name: 'server' }]);
  const server = http2.createServer().on('stream', (stream, headers) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': headers[':path']?.slice(1) ?? '' }));
    stream.on('error', () => {}).pipe(stream);
  });
  await world.pod('server').serve(8080, (socket) => server.emit('connection', socket));
  const session = http2.connect('http://10.77.0.2:8080', {
    createConnection: () => world.pod('client').dial('10.77.0.2:8080'),
  });
  const call = async (status: number): Promise<void> => {
    const stream = session.request({
      ':method': 'POST',
      ':path': `/${status}`,
      'content-type': 'application/grpc',
    });
    stream.resume().end(SMALL);
    await once(stream, 'close');
  };
  await Promise.all(Array.from({ length: 60 }, (_, at) => call(at % 3)));
  session.close();
  for (const [name, reporter] of [
    ['client', 'source'],
    ['server', 'destination'],
  ] as const) {
    await until(() => requestsOf(world.nodeOf(name)).length === 3);
    assert.deepEqual(
      requestsOf(world.nodeOf(name)),
      [0, 1, 2].map((status) => `${reporter} client>server mutual_tls grpc 200 ${status} 20`),
    );
  }
});

test('what is upgraded, encrypted or something else passes unread, and is counted as that', options, async () => {
  await using world = await PodWorld.create([{ name: 'client' }, { name: 'server' }]);
  const client = world.pod('client');
  await serveHttp(world.pod('server'));
  const socket = client.dial('10.77.0.2:8080');
  socket.write('GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
  await once(socket, 'data');
  socket.end(LARGE);
  assert.equal((await readAll(socket)).length, LARGE.length);
  await world.pod('server').serve(9090, (echo) => void echo.pipe(echo));
  for (const text of ['\u0016\u0003\u0001 hello', 'SSH-2.0-x\r\n', 'GET']) {
    assert.equal(await client.exchange('10.77.0.2:9090', text), text);
  }
  const bytewise = client.dial('10.77.0.2:8080').setNoDelay(true);
  for (const byte of 'GET /204 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n') {
    bytewise.write(byte);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.match(await readAll(bytewise), /^HTTP\/1\.1 204 /);
  for (const [name, reporter] of [
    ['client', 'source'],
    ['server', 'destination'],
  ] as const) {
    const node = world.nodeOf(name);
    await until(() => requestsOf(node).length === 2);
    assert.deepEqual(
      requestsOf(node),
      ['101', '204'].map((code) => `${reporter} client>server mutual_tls http ${code} - 1`),
    );
    assert.deepEqual(unreadOf(node).toSorted(), [
      `${reporter} tls 1`,
      `${reporter} unknown-protocol 1`,
      `${reporter} unreadable 1`,
      `${reporter} upgraded 1`,
    ]);
  }
});

test('nothing is read when requests are not to be counted', options, async () => {
  await using world = await PodWorld.create([{ name: 'client' }, { name: 'server' }], {
    settings: { httpMetrics: false },
  });
  await serveHttp(world.pod('server'));
  const agent = agentOf(world.pod('client'));
  assert.equal(await ask(agent, '/200', SMALL), told(200, SMALL));
  agent.destroy();
  assert.equal(world.nodeOf('client').metrics().requests, null);
});
