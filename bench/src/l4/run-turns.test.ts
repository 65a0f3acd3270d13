import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { BenchError } from '../errors.ts';
import type { PeerName } from './peer.ts';
import { until } from '@ambit/mesh/testing';
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
    const watch = setInterval(() => (most = Math.max(most, choresRunning().length)), 20);
    await runTurns(runOf([entrant], { load, hosts: [{}, {}] }));
    clearInterval(watch);
    assert.equal(most, count, hosts);
    assert.deepEqual(choresRunning(), [], hosts);
  }
});

test('runTurns() has no figures of hosts that were not lived in', async () => {
  await using scope = new AsyncDisposableStack();
  const load = { kind: 'turns', name: 'c1', connections: 1, hosts: 'lived-in' } as const;
  for (const signal of ['SIGKILL', 'SIGSTOP'] as const) {
    let isAsked = false;
    const answer: Answer = (response) => {
      isAsked = true;
      ok(response);
    };
    const entrant = await openEntrant(scope, 'envoy', { after: 0, answer });
    const running = runTurns(runOf([entrant], { load, hosts: [{}, {}], seconds: 3 }));
    const failed = assert.rejects(running, {
      message: signal === 'SIGKILL' ? 'what lives on a host has died' : 'a host was not lived in while the load ran',
    });
    // Its requests begin with 0.3 s that nobody counts.
    await until('the connection is used', () => isAsked);
    await new Promise((resolve) => setTimeout(resolve, 700));
    const [pid = 0] = choresRunning();
    process.kill(pid, signal);
    // One that is stopped cannot say what it has done.
    if (signal === 'SIGSTOP') setTimeout(() => process.kill(pid, 'SIGCONT'), 3500);
    await failed;
    assert.deepEqual(choresRunning(), []);
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

test('runTurns() names the peer whose processes are gone when their CPU is read', async () => {
  await using scope = new AsyncDisposableStack();
  const other = await openEntrant(scope, 'ambit');
  const gone = { ...other, running: { ...other.running, clientPids: [2 ** 22 + 1] } };
  await assert.rejects(runTurns(runOf([gone])), isFailureOf('ambit', 'a load could not be carried'));
});

test('runTurns() ends when it is aborted, with the reason, also before it has begun', async () => {
  for (const afterMs of [0, 60, 150]) {
    const reason = new Error('interrupted');
    const aborted = new AbortController();
    const load = { kind: 'turns', name: 'c1', connections: 1, hosts: 'lived-in' } as const;
    const running = runTurns(runOf([], { load, hosts: [{}], signal: aborted.signal, seconds: 60 }));
    setTimeout(() => aborted.abort(reason), afterMs);
    if (afterMs < 100) await assert.rejects(running, reason);
    else await running.catch((error: unknown) => assert.equal(error, reason));
  }
});

test('runTurns() ends when it is aborted in its midst', async () => {
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
function choresRunning(): readonly number[] {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim().split(' ');
  return children.filter((pid) => pid !== '' && commandOf(pid).includes('chores-main')).map(Number);
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
