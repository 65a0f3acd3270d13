import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { BenchError } from '../errors.ts';
import type { PeerName } from './peer.ts';
import { runTurns, type TurnsEntrant, type TurnsRun } from './run-turns.ts';

type Answer = (response: http.ServerResponse) => void;

const ok: Answer = (response) => void response.writeHead(200, { 'Content-Length': 4 }).end('fine');
const sorry: Answer = (response) => void response.writeHead(503, { 'Content-Length': 5 }).end('sorry');
const gone: Answer = (response) => void response.destroy();

/** A server on loopback that stands for a peer; this process is its proxy. After so many answers it gives others. */
async function openEntrant(
  scope: AsyncDisposableStack,
  name: PeerName,
  later: { readonly after: number; readonly answer: Answer } = { after: 0, answer: ok },
): Promise<TurnsEntrant> {
  let before = 0;
  const server = http.createServer((request, response) => {
    request.resume().on('end', () => (before++ < later.after ? ok : later.answer)(response));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  scope.defer(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return {
    peer: { name },
    running: { clientPids: [process.pid], serverPids: [], assertAlive: () => {} },
    destination: `127.0.0.1:${(server.address() as AddressInfo).port}`,
  };
}

function runOf(entrants: readonly TurnsEntrant[], more: Partial<TurnsRun> = {}): TurnsRun {
  return {
    entrants,
    load: { kind: 'turns', name: 'c1', connections: 1, hosts: 'silent' },
    hosts: [],
    round: 3,
    seconds: 0.4,
    ownPid: process.pid,
    node: process.execPath,
    signal: new AbortController().signal,
    ...more,
  };
}

test('runTurns() returns a sample of every peer over its own turns', async () => {
  await using scope = new AsyncDisposableStack();
  const entrants = [await openEntrant(scope, 'envoy'), await openEntrant(scope, 'ambit')];
  const samples = await runTurns(runOf(entrants));
  assert.deepEqual(
    samples.map(({ kind, load, peer, round, errors }) => ({ kind, load, peer, round, errors })),
    (['envoy', 'ambit'] as const).map((peer) => ({ kind: 'requests', load: 'c1', peer, round: 3, errors: 0 })),
  );
  for (const { requests, seconds, p50Us, clientCpuSeconds, serverCpuSeconds } of samples) {
    assert.ok(requests > 20 && p50Us > 10, `${requests} of ${p50Us} us`);
    assert.ok(seconds > 0.1 && seconds < 0.45, `${seconds} s of turns`);
    // What answered both was this process, which is the client's proxy of both.
    assert.ok(clientCpuSeconds > 0.05 && clientCpuSeconds < 2, `${clientCpuSeconds} s of CPU`);
    assert.equal(serverCpuSeconds, 0);
  }
  assert.equal(samples[0]?.foreignCpuSeconds, samples[1]?.foreignCpuSeconds);
});

test('runTurns() names the peer that lost its connection, and does not wait for the turns of the others', async () => {
  await using scope = new AsyncDisposableStack();
  const entrants = [
    await openEntrant(scope, 'envoy'),
    await openEntrant(scope, 'nginx', { after: 10_000, answer: gone }),
    await openEntrant(scope, 'ambit'),
  ];
  const startMs = performance.now();
  await assert.rejects(runTurns(runOf(entrants, { seconds: 60 })), isFailureOf('nginx', 'a load could not be carried'));
  assert.ok(performance.now() - startMs < 60_000);
});

test('runTurns() ends what lives on the hosts with the load, and lets nothing live on silent ones', async () => {
  await using scope = new AsyncDisposableStack();
  const entrant = await openEntrant(scope, 'envoy');
  for (const [hosts, count] of [
    ['lived-in', 2],
    ['silent', 0],
  ] as const) {
    const load = { kind: 'turns', name: 'c1', connections: 1, hosts } as const;
    let most = 0;
    const watch = setInterval(() => (most = Math.max(most, choresRunning())), 20);
    await runTurns(runOf([entrant], { load, hosts: [{}, {}] }));
    clearInterval(watch);
    assert.equal(most, count, hosts);
    assert.equal(choresRunning(), 0, hosts);
  }
});

test('runTurns() refuses a sample with too many errors, or of a proxy that died', async () => {
  await using scope = new AsyncDisposableStack();
  const entrant = await openEntrant(scope, 'envoy', { after: 100, answer: sorry });
  await assert.rejects(runTurns(runOf([entrant])), isFailureOf('envoy', 'a peer lost requests'));
  const other = await openEntrant(scope, 'ambit');
  let calls = 0;
  const assertAlive = (): void => {
    if (calls++ > 0) throw new BenchError('process-died', 'a program of the bench died');
  };
  const mortal = { ...other, running: { ...other.running, assertAlive } };
  await assert.rejects(runTurns(runOf([mortal])), { code: 'process-died' });
});

test('runTurns() ends when it is aborted, with the reason', async () => {
  await using scope = new AsyncDisposableStack();
  const reason = new Error('interrupted');
  const aborted = new AbortController();
  const entrant = await openEntrant(scope, 'envoy');
  const startMs = performance.now();
  const running = runTurns(runOf([entrant], { seconds: 60, signal: aborted.signal }));
  setTimeout(() => aborted.abort(reason), 1500);
  await assert.rejects(running, reason);
  assert.ok(performance.now() - startMs < 30_000);
});

/** Programs of ours that live on hosts. */
function choresRunning(): number {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim().split(' ');
  return children.filter((pid) => pid !== '' && commandOf(pid).includes('chores-main')).length;
}

/** Empty for one that is gone. */
function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

function isFailureOf(peer: string, message: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof BenchError);
    assert.deepEqual([error.code, error.message, error.data['peer']], ['peer-failed', message, peer]);
    return true;
  };
}
