import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createServer, type Server, type Socket } from 'node:net';
import { test } from 'node:test';
import { until } from '@ambit/mesh/testing';
import { listenOn } from './backend-server.ts';
import { LoadBackend } from './load-backend.ts';
import { LoadGenerator } from './load-generator.ts';
import { DEFAULT_PLAN, DEFAULT_REQUESTS, type LoadPlan, type LoadProtocol, type LoadTarget } from './load-plan.ts';
import type { LoadReport } from './load-report.ts';

const here = (command: string, args: readonly string[]) => spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
const HOST = '127.0.0.1';
const ALL_PORTS = { httpPort: 0, http2Port: 0, grpcPort: 0, tcpPort: 0, readinessPort: 0 } as const;
const PROTOCOLS: readonly LoadProtocol[] = ['http1', 'http2', 'grpc', 'websocket', 'tcp'];

function startBackend(more: { readonly lameDuckMs?: number; readonly drainMs?: number } = {}): Promise<LoadBackend> {
  return LoadBackend.start({ name: 'v1', ...ALL_PORTS, lameDuckMs: 0, drainMs: 3000, ...more }, here);
}

function targetsOf({ ports }: LoadBackend, streamMs: number): readonly LoadTarget[] {
  const streams = { host: HOST, perSecond: 50, streams: 5, streamMs } as const;
  return [
    { protocol: 'http1', host: HOST, port: ports.http ?? 0, perSecond: 50, ...DEFAULT_REQUESTS },
    { protocol: 'http2', host: HOST, port: ports.http2 ?? 0, perSecond: 50, ...DEFAULT_REQUESTS },
    { protocol: 'grpc', port: ports.grpc ?? 0, ...streams },
    { protocol: 'websocket', port: ports.http ?? 0, ...streams },
    { protocol: 'tcp', port: ports.tcp ?? 0, ...streams },
  ];
}

const planOf = (seconds: number, targets: readonly LoadTarget[]): LoadPlan => ({ ...DEFAULT_PLAN, seconds, targets });

/** Resolves when ten of every protocol are answered. */
async function answering(load: LoadGenerator): Promise<void> {
  await until('everything is answered', async () => {
    const { protocols } = await load.soFar();
    return Object.values(protocols).every(({ answered }) => answered >= 10);
  });
}

/** What the report says of each protocol, as far as it is the same in every run. */
function outline(report: LoadReport): unknown {
  return Object.fromEntries(
    Object.entries(report.protocols).map(([protocol, { sent, answered, failed, servedBy, streams }]) => [
      protocol,
      { sent, answered, failed, servedBy, cut: streams.cut },
    ]),
  );
}

test('every request and message of every protocol leaves and is answered, by the backend that says so', async () => {
  await using backend = await startBackend();
  await using load = await LoadGenerator.start(planOf(1, targetsOf(backend, 300)), here);
  const report = await load.ended();
  const whole = { sent: 50, answered: 50, failed: 0, servedBy: { v1: 50 }, cut: 0 };
  assert.deepEqual(outline(report), Object.fromEntries(PROTOCOLS.map((protocol) => [protocol, whole])));
  assert.deepEqual(report.failures, []);
  const { http1, http2, grpc, websocket, tcp } = report.protocols;
  // A fifth on connections of their own; the others share.
  assert.ok((http1?.connections.opened ?? 0) >= 11 && (http1?.connections.opened ?? 0) < 30);
  assert.equal(http2?.connections.opened, 10 + DEFAULT_REQUESTS.connections);
  for (const { streams } of [grpc, websocket, tcp].filter((found) => found !== undefined)) {
    assert.ok(streams.opened >= 15, 'streams are replaced');
    assert.equal(streams.ended, streams.opened);
  }
});

test('a report tells which connections were open at an instant and carried an answer after it', async () => {
  await using backend = await startBackend();
  await using load = await LoadGenerator.start(planOf(2, targetsOf(backend, 60_000)), here);
  await answering(load);
  await load.mark('instant');
  const { events } = await load.ended();
  const event = events.find(({ name }) => name === 'instant');
  assert.deepEqual([event?.open.grpc, event?.answeredAfter.grpc], [5, 5]);
  assert.deepEqual([event?.open.websocket, event?.answeredAfter.websocket], [5, 5]);
  assert.ok((event?.answeredAfter.http2 ?? 0) >= 4);
});

test('a backend that leaves in order while streams end in time costs nothing', async () => {
  await using stays = await startBackend();
  await using leaves = await startBackend({ lameDuckMs: 300 });
  // Not of HTTP/2: Node's server does not take requests that cross its GOAWAY, and says so; nobody here sends them again.
  const [http1] = targetsOf(leaves, 500);
  // Clients that come after it has closed would be refused: nobody here sends them elsewhere. These end before.
  const streams = targetsOf(stays, 500).slice(2);
  await using load = await LoadGenerator.start(planOf(2, streams), here);
  await using other = await LoadGenerator.start(planOf(30, http1 === undefined ? [] : [http1]), here);
  await answering(other);
  const left = leaves.leave();
  const requests = await other.stop();
  assert.equal(await left, 0);
  assert.deepEqual(requests.failures, []);
  assert.deepEqual((await load.ended()).failures, []);
});

test('a backend that is killed shows in every protocol, with reasons and times, and the run ends in time', async () => {
  await using backend = await startBackend();
  await using load = await LoadGenerator.start(planOf(1, targetsOf(backend, 60_000)), here);
  await answering(load);
  await backend[Symbol.asyncDispose]();
  const report = await load.ended();
  for (const protocol of PROTOCOLS) {
    const found = report.protocols[protocol];
    assert.ok((found?.failed ?? 0) > 0, `${protocol} fails`);
    assert.equal((found?.answered ?? 0) + (found?.failed ?? 0), found?.sent, `${protocol} accounts for everything`);
    assert.ok(report.failures.some((failure) => failure.protocol === protocol && failure.atMs > 0));
  }
  assert.deepEqual(
    [report.protocols.grpc, report.protocols.websocket, report.protocols.tcp].map(
      (found) => (found?.streams.cut ?? 0) >= 5,
    ),
    [true, true, true],
  );
});

/** A server of lines; resolves with its port. */
async function lineServer(
  onLines: (socket: Socket, lines: string) => void,
): Promise<Server & { readonly port: number }> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => onLines(socket, chunk.toString()));
    socket.on('end', () => onLines(socket, ''));
  });
  return Object.assign(server, { port: await listenOn(server, 0) });
}

test('a server that stands still makes everything planned meanwhile slow: no coordinated omission', async () => {
  let held: (() => void)[] | null = [];
  const server = await lineServer((socket, lines) => {
    const reply = (): void => void (lines === '' ? socket.end() : socket.write(lines.replaceAll('\n', ' still\n')));
    if (held === null) reply();
    else if (held.push(reply) === 1) {
      setTimeout(() => {
        for (const send of held ?? []) send();
        held = null;
      }, 600);
    }
  });
  const target = {
    protocol: 'tcp',
    host: HOST,
    port: server.port,
    perSecond: 100,
    streams: 20,
    streamMs: 60_000,
  } as const;
  await using load = await LoadGenerator.start(planOf(1, [target]), here);
  const { protocols } = await load.ended();
  server.close();
  assert.equal(protocols.tcp?.failed, 0);
  const { p50, p99 } = protocols.tcp?.latencyMs ?? { p50: 0, p99: 0 };
  // It stood for 600 ms of 1000: a closed loop of 20 would have counted 20 slow ones, and a median of nothing.
  assert.ok(p50 >= 60 && p99 >= 500, `${p50} and ${p99} ms`);
});

test('what is under way is bounded: one more than allowed fails and is not sent', async () => {
  const server = await lineServer(() => {});
  const target = {
    protocol: 'tcp',
    host: HOST,
    port: server.port,
    perSecond: 100,
    streams: 2,
    streamMs: 60_000,
  } as const;
  const plan = { ...planOf(0.5, [target]), inFlightMax: 10, timeoutMs: 1000 };
  await using load = await LoadGenerator.start(plan, here);
  const { protocols } = await load.ended();
  server.close();
  assert.deepEqual(protocols.tcp?.reasons, { 'too much under way': 40, timeout: 10 });
});

test('a plan out of bounds is refused by name', async () => {
  const target = { protocol: 'tcp', host: HOST, port: 1, perSecond: 1e9, streams: 2, streamMs: 1 } as const;
  await assert.rejects(LoadGenerator.start(planOf(1, [target]), here), /perSecond of tcp is 1000000000, expected/);
});
