import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { listen, until } from '@ambit/mesh/testing';
import { AppHandle } from './app-handle.ts';

const here = (command: string, args: readonly string[]) => spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

test('an app serves HTTP and lines, calls others, and both record the same addresses', async () => {
  const [httpPort, linePort] = [await freePort(), await freePort()];
  await using server = await AppHandle.start({ name: 'server', httpPort, linePort }, here);
  await using client = await AppHandle.start({ name: 'client' }, here);

  const http = await client.run({
    op: 'http',
    ip: '127.0.0.1',
    port: httpPort,
    path: '/a',
    body: 'x',
    bodyBytes: 2048,
    timeoutMs: 2000,
  });
  assert.deepEqual(
    { ok: http.ok, status: http.status, servedBy: http.servedBy, sameSource: http.seenSource === http.localAddress },
    { ok: true, status: 200, servedBy: 'server', sameSource: true },
  );
  const line = await client.run({ op: 'line', ip: '127.0.0.1', port: linePort, line: 'hello', timeoutMs: 2000 });
  assert.deepEqual({ ok: line.ok, servedBy: line.servedBy }, { ok: true, servedBy: 'server' });
  // Two processes tell of it, each when its turn comes.
  await until('the server reports', () => server.served.length >= 2);
  assert.deepEqual(
    server.served.map((event) => [event.kind, event.source, event.what]),
    [
      ['http', http.localAddress, 'POST /a'],
      ['line', line.localAddress, 'hello'],
    ],
  );
});

test('a call that is reset before anything is told of it knows where it came from', async () => {
  const sources: string[] = [];
  const server = createServer((socket) => {
    sources.push(`${socket.remoteAddress}:${socket.remotePort}`);
    socket.resetAndDestroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // listens on an address
  await using client = await AppHandle.start({ name: 'client' }, here);
  const call = { ip: '127.0.0.1', port, timeoutMs: 2000 };
  const results = [
    await client.run({ op: 'line', ...call, line: 'x' }),
    await client.run({ op: 'http', ...call, path: '/' }),
    await client.run({ op: 'bulk', ...call, bytes: 10 }),
  ];
  server.close();
  assert.deepEqual(
    results.map(({ ok, localAddress }) => [ok, localAddress]),
    sources.map((source) => [false, source]),
  );
});

test('a held connection reports how it ended', async () => {
  const linePort = await freePort();
  const server = await AppHandle.start({ name: 'server', linePort }, here);
  await using client = await AppHandle.start({ name: 'client' }, here);
  const request = { ip: '127.0.0.1', port: linePort, intervalMs: 5, timeoutMs: 2000 };

  const released = client.hold(request);
  assert.equal((await released.opened).ok, true);
  assert.equal((await client.run({ op: 'release', hold: released.id })).ok, true);
  assert.equal((await released.ended).error, undefined);

  const cut = client.hold(request);
  assert.equal((await cut.opened).ok, true);
  await server[Symbol.asyncDispose]();
  assert.notEqual((await cut.ended).error, undefined);
});

test('a held connection that the other side ends in order was not whole', async () => {
  await using listener = await listen((socket) => {
    socket.write('{}\n');
    socket.once('data', () => socket.end()).resume();
  });
  await using client = await AppHandle.start({ name: 'client' }, here);
  const held = client.hold({ ip: '127.0.0.1', port: listener.port, intervalMs: 5, timeoutMs: 2000 });
  assert.equal((await held.opened).ok, true);
  assert.equal((await held.ended).error, 'closed by the other side');
});

test('a call nobody answers says why', async () => {
  await using client = await AppHandle.start({ name: 'client' }, here);
  const port = await freePort();
  const refused = await client.run({ op: 'http', ip: '127.0.0.1', port, path: '/', timeoutMs: 2000 });
  assert.deepEqual({ ok: refused.ok, error: refused.error }, { ok: false, error: 'ECONNREFUSED' });
});

test('a bulk exchange checks every byte both ways, and churn counts what was greeted', async () => {
  const [bulkPort, linePort] = [await freePort(), await freePort()];
  await using server = await AppHandle.start({ name: 'server', bulkPort, linePort }, here);
  await using client = await AppHandle.start({ name: 'client' }, here);
  const bytes = (3 << 20) + 17;
  const bulk = await client.run({ op: 'bulk', ip: '127.0.0.1', port: bulkPort, bytes, timeoutMs: 5000 });
  assert.deepEqual({ ok: bulk.ok, receivedBytes: bulk.receivedBytes }, { ok: true, receivedBytes: bytes });
  await until('the server reports', () => server.served.length === 1);
  assert.deepEqual(server.served, [
    { event: 'served', kind: 'bulk', source: bulk.localAddress, what: `${bytes} intact` },
  ]);
  const churn = { op: 'churn', ip: '127.0.0.1', count: 50, concurrency: 5, timeoutMs: 2000 } as const;
  const greeted = await client.run({ ...churn, port: linePort });
  assert.deepEqual({ ok: greeted.ok, completed: greeted.completed }, { ok: true, completed: 50 });
  const refused = await client.run({ ...churn, port: await freePort() });
  assert.deepEqual(
    { ok: refused.ok, completed: refused.completed, error: refused.error },
    { ok: false, completed: 0, error: 'ECONNREFUSED' },
  );
});
