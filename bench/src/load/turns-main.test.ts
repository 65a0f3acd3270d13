import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { BenchError } from '../errors.ts';
import { type LineProgram, openLineProgram } from '../host/line-program.ts';
import { monotonicMs, parseTurnsResult, type TurnsTask } from './turns.ts';

const BODY = Buffer.alloc(1024, 'y');

/** A request as the server has seen it. */
interface Seen {
  readonly port: number | undefined;
  readonly head: string;
  readonly bodyBytes: number;
}

/** An HTTP server and the requests it was sent. `answer` is told how many there were before. */
async function serve(
  answer: (response: http.ServerResponse, before: number) => void,
): Promise<{ readonly address: string; readonly seen: Seen[] } & AsyncDisposable> {
  const seen: Seen[] = [];
  const server = http.createServer((request, response) => {
    let bodyBytes = 0;
    request.on('data', (chunk: Buffer) => (bodyBytes += chunk.length));
    request.on('end', () => {
      const { method = '', headers, socket } = request;
      const head = `${method} ${headers['content-type']} ${headers['content-length']} ${headers.host}`;
      answer(response, seen.length);
      seen.push({ port: socket.remotePort, head, bodyBytes });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    address: `127.0.0.1:${port}`,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function ok(response: http.ServerResponse): void {
  response.writeHead(200, { 'Content-Length': BODY.length }).end(BODY);
}

function open(address: string): Promise<LineProgram> {
  return openLineProgram({
    node: process.execPath,
    program: join(import.meta.dirname, 'turns-main.ts'),
    args: [address],
    failure: 'a program failed',
  });
}

function task(turnMs: number, turns: readonly number[]): string {
  const whole: TurnsTask = { startMs: monotonicMs() + 100, turnMs, turns };
  return JSON.stringify(whole);
}

test('programs send in their own turns only, each on its one connection, and count what is answered', async () => {
  await using server = await serve(ok);
  await using first = await open(server.address);
  await using second = await open(server.address);
  const ports = [...new Set(server.seen.map(({ port }) => port))];
  assert.equal(ports.length, 2, 'both have warmed up');
  server.seen.length = 0;
  const startMs = monotonicMs();
  // Between two turns there is one of nobody, so that being late is not being wrong.
  const lines = await Promise.all([first.ask(task(80, [0, 4])), second.ask(task(80, [2]))]);
  assert.ok(monotonicMs() - startMs >= 400, 'nothing is answered before the last turn is over');
  const turns = server.seen.map(({ port }) => port).filter((port, index, all) => port !== all[index - 1]);
  assert.deepEqual(turns, [ports[0], ports[1], ports[0]]);
  for (const [index, { requests, errors, p50Us, p99Us, seconds }] of lines.map(parseTurnsResult).entries()) {
    assert.equal(requests, server.seen.filter(({ port }) => port === ports[index]).length);
    assert.equal(errors, 0);
    assert.ok(seconds > 0.01 && seconds < (index === 0 ? 0.16 : 0.08) + 0.05, `${seconds} s`);
    // One at a time, they fill the turns, and no more than half of them can take more than twice the mean.
    assert.ok(p50Us * (requests - 10) <= 2.1 * seconds * 1e6, `${requests} of ${p50Us} us in ${seconds} s`);
    assert.ok(p50Us > 10 && p50Us <= p99Us, `${p50Us} and ${p99Us} us`);
  }
  const [any] = server.seen;
  assert.deepEqual(any, {
    port: ports[0],
    head: `POST application/octet-stream 1024 ${server.address}`,
    bodyBytes: 1024,
  });
});

test('answers of another status are errors, whatever their length', async () => {
  let isBroken = false;
  await using server = await serve((response, before) => {
    if (!isBroken || before % 3 > 0) ok(response);
    else response.writeHead(503, { 'Content-Length': 2 + (before % 5) }).end('no'.padEnd(2 + (before % 5)));
  });
  await using program = await open(server.address);
  isBroken = true;
  server.seen.length = 0;
  const { requests, errors } = parseTurnsResult(await program.ask(task(50, [0, 1])));
  assert.equal(requests, server.seen.length);
  assert.equal(errors, Math.ceil(server.seen.length / 3));
});

test('the first requests of a turn are asked, but their latencies are not counted', async () => {
  await using server = await serve((response, before) => {
    setTimeout(ok, before < 5 ? 150 : 5, response);
  });
  await using program = await open(server.address);
  server.seen.length = 0;
  // The five slow ones take most of it, so that there are not a hundred others to hide them behind.
  const { requests, p99Us } = parseTurnsResult(await program.ask(task(900, [0])));
  assert.equal(requests, server.seen.length);
  assert.ok(requests > 5 && requests < 105, `${requests} requests`);
  assert.ok(p99Us > 3000 && p99Us < 140_000, `p99 ${p99Us} us`);
});

test('a connection that is closed, or an answer that is none, ends the program with the reason', async () => {
  const table: readonly (readonly [answer: (response: http.ServerResponse) => void, reason: RegExp])[] = [
    [(response) => response.destroy(), /a kept connection was closed|ECONNRESET/],
    [
      (response) => response.writeHead(200, { 'Content-Length': 1025 }).end(Buffer.alloc(1025)),
      /longer than it should/,
    ],
    [(response) => response.writeHead(503).end('no'), /does not say its length/],
  ];
  for (const [answer, reason] of table) {
    let isBroken = false;
    await using server = await serve((response) => (isBroken ? answer : ok)(response));
    await using program = await open(server.address);
    isBroken = true;
    await assert.rejects(program.ask(task(50, [0])), (error) => {
      assert.ok(error instanceof BenchError && error.code === 'peer-failed');
      assert.match(String(error.data['said']), reason);
      assert.equal(error.data['ended'], 'exit code 1');
      return true;
    });
  }
});

test('a program that nobody answers is not ready', async () => {
  await using server = await serve((response) => response.destroy());
  await assert.rejects(open(server.address), BenchError);
});
