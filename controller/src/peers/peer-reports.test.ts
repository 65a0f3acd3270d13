import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Metrics, silentLogger } from '@ambit/mesh/runtime';
import { ManualClock } from '@ambit/mesh/testing';
import type { ReplicaProgress } from '../status/mesh-progress.ts';
import type { PeerAnswer } from './ask-peer.ts';
import { PeerError } from './errors.ts';
import { PEER_LIMITS } from './limits.ts';
import type { Peer } from './own-pods.ts';
import { PeerReports } from './peer-reports.ts';

interface Question {
  readonly peer: string;
  readonly after: string;
  readonly answer: (mark: string, ...nodes: readonly string[]) => Promise<void>;
  readonly unchanged: () => Promise<void>;
  readonly fail: () => Promise<void>;
}

function peer(name: string): Peer {
  return { name, uid: `uid-${name}`, host: name };
}

function reportOf(nodes: readonly string[]): ReplicaProgress {
  return {
    id: 'process',
    version: () => undefined,
    nodes: nodes.map((node) => ({ node, settled: new Map(), refused: new Map() })),
  };
}

/** Peers that answer when the test says so. */
class World implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly metrics = new Metrics();
  readonly warnings: string[] = [];
  readonly questions: Question[] = [];
  peers: readonly Peer[] = [peer('c-2'), peer('c-3')];
  changes = 0;
  readonly reports = new PeerReports({
    peers: () => this.peers,
    ask: ({ name }, after, signal) => this.#ask(name, after, signal),
    onChange: () => this.changes++,
    clock: this.clock,
    logger: { ...silentLogger, warn: (message) => void this.warnings.push(message) },
    metrics: this.metrics,
  });
  #term = new AbortController();
  #running: Promise<void> = Promise.resolve();

  async begin(): Promise<void> {
    this.#term = new AbortController();
    this.#running = this.reports.work(this.#term.signal);
    await this.clock.advance(0);
  }

  /** The open question to that peer. */
  next(name: string): Question {
    const at = this.questions.findIndex((question) => question.peer === name);
    return this.questions.splice(at, 1)[0] ?? assert.fail(`nobody asks ${name}`);
  }

  get told(): readonly string[] {
    const { reports, silent } = this.reports.current;
    return [...reports.flatMap(({ nodes }) => nodes.map(({ node }) => node)), ...silent.map((name) => `${name}?`)];
  }

  async end(): Promise<void> {
    this.#term.abort();
    await assert.rejects(this.#running, { name: 'AbortError' });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }

  #ask(name: string, after: string, signal: AbortSignal): Promise<PeerAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<PeerAnswer>();
    signal.addEventListener('abort', () => reject(signal.reason));
    const settled = async (): Promise<void> => this.clock.advance(0);
    this.questions.push({
      peer: name,
      after,
      answer: (mark, ...nodes) => (resolve({ mark, report: reportOf(nodes) }), settled()),
      unchanged: () => (resolve({ mark: after, report: null }), settled()),
      fail: () => (reject(new PeerError('unreachable')), settled()),
    });
    return promise;
  }
}

test('PeerReports asks every replica for what it does not know yet, at most once a second', async () => {
  await using world = new World();
  await world.begin();
  assert.deepEqual(world.told, ['c-2?', 'c-3?']);
  await world.next('c-2').answer('m1', 'n1');
  assert.deepEqual(world.told, ['n1', 'c-3?']);
  await world.next('c-3').answer('x1', 'n2');
  assert.deepEqual(world.told, ['n1', 'n2']);
  assert.equal(world.questions.length, 0);
  await world.clock.advance(PEER_LIMITS.pauseMs);
  const again = world.next('c-2');
  assert.equal(again.after, 'm1');
  const { changes } = world;
  await again.unchanged();
  assert.equal(world.changes, changes, 'what is as it was wakes nobody');
  await world.clock.advance(PEER_LIMITS.pauseMs);
  await world.next('c-2').answer('m2', 'n1', 'n3');
  assert.deepEqual(world.told, ['n1', 'n3', 'n2']);
  assert.equal(world.changes, changes + 1);
});

test('PeerReports believes the last report of a replica that fails for a while, and says once that it does', async () => {
  await using world = new World();
  world.peers = [peer('c-2')];
  await world.begin();
  await world.next('c-2').answer('m1', 'n1');
  for (let failures = 0; failures * PEER_LIMITS.pauseMs < PEER_LIMITS.staleMs; failures++) {
    assert.deepEqual(world.told, ['n1']);
    await world.clock.advance(PEER_LIMITS.pauseMs);
    await world.next('c-2').fail();
  }
  assert.deepEqual(world.told, ['c-2?']);
  assert.equal(await world.metrics.value('ambit_peers_silent', []), 1);
  assert.deepEqual(world.warnings, ['replica does not tell of its node agents']);
  await world.clock.advance(PEER_LIMITS.pauseMs);
  assert.equal(world.next('c-2').after, 'm1');
});

test('PeerReports gives a replica up that does not answer, and goes on asking', async () => {
  await using world = new World();
  world.peers = [peer('c-2')];
  await world.begin();
  world.next('c-2');
  await world.clock.advance(PEER_LIMITS.answerMs);
  assert.deepEqual(world.told, ['c-2?']);
  assert.equal(await world.metrics.value('ambit_peer_questions_total', ['failed']), 1);
  await world.clock.advance(PEER_LIMITS.pauseMs);
  await world.next('c-2').answer('m1', 'n1');
  assert.deepEqual(world.told, ['n1']);
});

test('PeerReports follows replicas that come and forgets those that go, and all of them after its term', async () => {
  await using world = new World();
  world.peers = [peer('c-2')];
  await world.begin();
  await world.next('c-2').answer('m1', 'n1');
  world.peers = [peer('c-2'), peer('c-3')];
  world.reports.peersChanged();
  await world.clock.advance(0);
  assert.deepEqual(world.told, ['n1', 'c-3?']);
  await world.next('c-3').answer('x1', 'n2');
  world.peers = [peer('c-3')];
  world.reports.peersChanged();
  await world.clock.advance(0);
  assert.deepEqual(world.told, ['n2']);
  await world.end();
  assert.deepEqual(world.told, ['c-3?']);
  await world.begin();
  assert.equal(world.next('c-3').after, '');
});

test('PeerReports.firstRound() waits for one answer or failure of each, and not for ever', async () => {
  await using world = new World();
  const signal = new AbortController().signal;
  await world.begin();
  let isOver = false;
  const over = world.reports.firstRound(signal).then(() => (isOver = true));
  await world.next('c-2').answer('m1');
  assert.equal(isOver, false);
  await world.next('c-3').fail();
  await over;
  await world.end();
  await world.begin();
  isOver = false;
  void world.reports.firstRound(signal).then(() => (isOver = true));
  await world.clock.advance(PEER_LIMITS.firstRoundMs - 1);
  assert.equal(isOver, false);
  await world.clock.advance(1);
  assert.equal(isOver, true);
});

test('PeerReports asks so many replicas and counts the others as silent', async () => {
  await using world = new World();
  world.peers = Array.from({ length: PEER_LIMITS.peersMax + 1 }, (_, index) => peer(`c-${index}`));
  await world.begin();
  assert.equal(world.questions.length, PEER_LIMITS.peersMax);
  for (const { answer } of world.questions) await answer('m');
  assert.deepEqual(world.told, [`c-${PEER_LIMITS.peersMax}?`]);
});
