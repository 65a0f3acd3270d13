import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { type TestContext, test } from 'node:test';
import { inspect } from 'node:util';
import type { RawObject } from '../kinds/parse-object.ts';
import { Metrics } from '../runtime/metrics.ts';
import { systemClock } from '../runtime/clock.ts';
import { answerJson, KubePeer, type KubePeerBehaviour } from '../testing/kube-peer.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { until } from '../testing/until.ts';
import { createKubeClient } from './create-kube-client.ts';
import { KubeApiError } from './errors.ts';
import { KUBE_LIMITS } from './limits.ts';
import { ListWatch, type ListWatchHandler } from './list-watch.ts';
import { MESH_RESOURCES } from './mesh-resources.ts';
import type { Recovery } from './recovery.ts';
import { KUBE_SOURCE_TIMING } from './source-timing.ts';

const SECOND_MS = 1000;

/** Writes down what it is told. */
class Diary implements ListWatchHandler {
  readonly lines: string[] = [];
  incomplete = false;
  /** Lists that were whole and watches that were accepted. */
  accepted = 0;

  beginList(): void {
    this.lines.push('list');
  }
  endList(): void {
    this.lines.push('listed');
  }
  put(object: RawObject): void {
    this.lines.push(`put ${nameOf(object)}`);
  }
  remove(object: RawObject): void {
    this.lines.push(`remove ${nameOf(object)}`);
  }
  absent(proven: boolean): void {
    this.lines.push(proven ? 'absent' : 'absent?');
  }
  failing(error: unknown): void {
    if (error === null) this.accepted += 1;
    if (error !== null) this.lines.push(error instanceof KubeApiError ? error.code : inspect(error));
  }
  relisted(): void {
    this.lines.push('relist');
  }
  rewatched(): void {
    this.lines.push('rewatch');
  }
}

function nameOf(object: RawObject): string {
  return (object as { metadata: { name: string } }).metadata.name;
}

const item = (name: string): object => ({ metadata: { name } });
const page = (items: readonly object[], version: string, next?: string): object => ({
  metadata: { resourceVersion: version, continue: next },
  items,
});
const gone = (response: ServerResponse): void =>
  answerJson(response, 410, { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' });

/** Counts the pauses between attempts; watchdogs are timers, not sleeps. */
class PauseClock extends ManualClock {
  pauses = 0;

  override sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    this.pauses += 1;
    return super.sleep(delayMs, signal);
  }
}

interface Following {
  readonly peer: KubePeer;
  readonly diary: Diary;
  readonly clock: PauseClock;
  readonly recovery: Recovery;
  /** Requests as `list`, `list <continue>` and `watch <version>`. */
  asked(): readonly string[];
}

/** Follows services of a peer. The pauses are on a manual clock, the sockets' deadlines are not. */
async function follow(t: TestContext, behave: KubePeerBehaviour, responseBytesMax?: number): Promise<Following> {
  const peer = await KubePeer.start(behave);
  const access = { server: peer.server, namespace: '', credentials: async () => ({ rootsPem: peer.rootsPem }) };
  const limits = { ...KUBE_LIMITS, ...(responseBytesMax === undefined ? {} : { responseBytesMax }) };
  const client = createKubeClient({ access, limits, clock: systemClock, metrics: new Metrics(), userAgent: 'test' });
  const diary = new Diary();
  const clock = new PauseClock();
  const recovery = client.recovery ?? assert.fail();
  const stop = new AbortController();
  const listWatch = new ListWatch({
    client,
    clock,
    resource: MESH_RESOURCES.Service,
    selection: {},
    handler: diary,
    timing: KUBE_SOURCE_TIMING,
    recovery,
    random: () => 0.5,
  });
  const running = listWatch.run(stop.signal);
  t.after(async () => {
    stop.abort(new Error('the test is over'));
    await running;
    client[Symbol.dispose]();
    await peer[Symbol.asyncDispose]();
  });
  const asked = (): readonly string[] => peer.requests.map(askedOf);
  return { peer, diary, clock, recovery, asked };
}

function askedOf(request: string): string {
  const { searchParams } = new URL(request.slice('GET '.length), 'https://peer');
  if (searchParams.has('watch')) return `watch ${searchParams.get('resourceVersion')}`;
  const limit = searchParams.get('limit');
  return ['list', ...(limit === '500' ? [] : [`of ${limit}`]), searchParams.get('continue') ?? ''].join(' ').trim();
}

const isWatch = (url: string | undefined): boolean => url?.includes('watch=1') === true;

test('pages of a list follow each other, then a watch from their version', async (t) => {
  const { diary, asked } = await follow(t, (request, response) => {
    if (isWatch(request.url))
      response.write('{"type":"DELETED","object":{"metadata":{"name":"b","resourceVersion":"9"}}}\n');
    else if (request.url?.includes('continue=more') === true) answerJson(response, 200, page([item('b')], '7'));
    else answerJson(response, 200, page([item('a')], '7', 'more'));
  });
  await until('the watch', () => diary.lines.includes('remove b'));
  assert.deepEqual(diary.lines, ['list', 'put a', 'put b', 'listed', 'remove b']);
  assert.deepEqual(asked(), ['list', 'list more', 'watch 7']);
});

test('pages that are too large are asked for with fewer items, the same page again', async (t) => {
  const { diary, asked } = await follow(
    t,
    (request, response) => {
      if (isWatch(request.url)) {
        response.flushHeaders();
        return;
      }
      const url = new URL(request.url ?? '', 'https://peer');
      const limit = Number(url.searchParams.get('limit'));
      const start = Number(url.searchParams.get('continue') ?? 0);
      const items = Array.from({ length: Math.min(limit, 40 - start) }, (_, index) => ({
        metadata: { name: `s${start + index}` },
        data: 'x'.repeat(1000),
      }));
      const end = start + items.length;
      answerJson(response, 200, page(items, '7', end < 40 ? String(end) : undefined));
    },
    30_000,
  );
  await until('the watch', () => asked().includes('watch 7'));
  assert.deepEqual(asked(), ['list', 'list of 100', 'list of 20', 'list of 20 20', 'watch 7']);
  assert.equal(diary.lines.filter((line) => line.startsWith('put')).length, 40);
});

test('a watch from a version that is gone, or a page, means a new list, with growing pauses when that goes on', async (t) => {
  const { diary, clock, asked } = await follow(t, (request, response) => {
    if (isWatch(request.url)) gone(response);
    else answerJson(response, 200, page([], '7'));
  });
  for (const [pauseMs, lists] of [
    [500, 2],
    [1000, 3],
    [2000, 4],
  ] as const) {
    await until('it pauses', () => clock.pauses === lists - 1);
    await clock.advance(pauseMs - 1);
    assert.equal(asked().length, (lists - 1) * 2);
    await clock.advance(1);
    await until('it lists again', () => asked().length === lists * 2);
  }
  assert.deepEqual(diary.lines.slice(0, 5), ['list', 'listed', 'relist', 'list', 'listed']);
});

test('an API server that ends watches at once is not asked without pause', async (t) => {
  const { clock, asked } = await follow(t, (request, response) => {
    if (isWatch(request.url)) response.end();
    else answerJson(response, 200, page([], '7'));
  });
  await until('it pauses', () => clock.pauses === 1);
  await clock.advance(500);
  await until('it watches again and pauses', () => clock.pauses === 2);
  await clock.advance(999);
  assert.deepEqual(asked(), ['list', 'watch 7', 'watch 7']);
});

test('a watch that falls silent is begun again from what was heard last', async (t) => {
  const { diary, clock, asked } = await follow(t, (request, response) => {
    if (!isWatch(request.url)) answerJson(response, 200, page([], '7'));
    else if (asked().length > 2) response.flushHeaders();
    else response.write('{"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"8"}}}\n');
  });
  await until('the watch says something', () => diary.lines.includes('put a'));
  await clock.advance(KUBE_SOURCE_TIMING.silenceMs - 1);
  assert.equal(diary.lines.includes('rewatch'), false);
  await clock.advance(1);
  await until('it gives up and pauses', () => clock.pauses === 1);
  await clock.advance(SECOND_MS);
  await until('it watches again', () => asked().length === 3);
  assert.deepEqual(asked(), ['list', 'watch 7', 'watch 8']);
  assert.deepEqual(diary.lines, ['list', 'listed', 'put a', 'rewatch']);
  // However often that happens, what comes next is never kept waiting.
  for (let pauses = 2; pauses < 8; pauses++) {
    const requests = asked().length;
    await until('the watch is accepted', () => diary.accepted === requests);
    await clock.advance(KUBE_SOURCE_TIMING.silenceMs);
    await until('it pauses', () => clock.pauses === pauses);
    await clock.advance(1);
    await until('it watches again', () => asked().length === requests + 1);
  }
});

test('failures pause longer and longer, or as long as the API server asks', async (t) => {
  let retryAfter: string | null = null;
  const { diary, clock, asked } = await follow(t, (_, response) => {
    if (retryAfter !== null) response.setHeader('retry-after', retryAfter);
    answerJson(response, 503, {});
  });
  for (const [index, pauseMs] of [500, 1000, 2000, 4000, 8000, 16_000, 30_000].entries()) {
    await until('it pauses', () => clock.pauses === index + 1);
    await clock.advance(pauseMs - 1);
    assert.equal(asked().length, index + 1, `pause of ${pauseMs}`);
    await clock.advance(1);
  }
  await until('it pauses', () => clock.pauses === 8);
  retryAfter = '50';
  await clock.advance(30_000);
  await until('it pauses', () => clock.pauses === 9);
  await clock.advance(49_999);
  assert.equal(asked().length, 9);
  assert.equal(diary.lines.includes('listed'), false);
});

test('who waits for an API server that is away tries at once when it answers somebody else', async (t) => {
  let away = true;
  const { diary, clock, recovery, asked } = await follow(t, (request, response) => {
    if (away) request.socket.destroy();
    else if (isWatch(request.url)) response.flushHeaders();
    else answerJson(response, 200, page([item('a')], '7'));
  });
  await until('it pauses', () => clock.pauses === 1);
  const before = asked().length;
  away = false;
  recovery.answered();
  await until('it is listed and watched', () => diary.accepted === 2);
  assert.deepEqual(asked().slice(before), ['list', 'watch 7']);
});

test('who is answered by an API server that was away tells the others', async (t) => {
  let away = true;
  const { diary, clock, recovery } = await follow(t, (request, response) => {
    if (away) request.socket.destroy();
    else if (isWatch(request.url)) response.flushHeaders();
    else answerJson(response, 200, page([item('a')], '7'));
  });
  await until('it pauses', () => clock.pauses === 1);
  const { signal } = recovery;
  away = false;
  await clock.advance(KUBE_SOURCE_TIMING.backoff.maxMs);
  await until('it is listed and watched', () => diary.accepted === 2);
  assert.ok(signal.aborted && !recovery.signal.aborted);
});

test('an API server that has forgotten the version in an outage, or is still busy, is asked for a list soon', async (t) => {
  let state: 'away' | 'busy' | 'back' = 'away';
  const { diary, clock, asked } = await follow(t, (request, response) => {
    if (state === 'away' && diary.lines.includes('listed')) request.socket.destroy();
    else if (state === 'busy') answerJson(response, 429, {});
    else if (request.url?.includes('resourceVersion=7') === true) gone(response);
    else if (isWatch(request.url)) response.flushHeaders();
    else answerJson(response, 200, page([], diary.lines.includes('listed') ? '8' : '7'));
  });
  for (let pauses = 1; pauses <= 7; pauses++) {
    await until('it pauses', () => clock.pauses === pauses);
    if (pauses < 7) await clock.advance(30_000);
  }
  state = 'busy';
  await clock.advance(30_000);
  await until('it is told to wait', () => diary.lines.includes('too-many-requests') && clock.pauses === 8);
  state = 'back';
  await clock.advance(500);
  await until('its version is gone', () => clock.pauses === 9);
  await clock.advance(1000);
  await until('it follows again', () => asked().at(-1) === 'watch 8');
});

test('an API server that refuses is not asked again because it answers others', async (t) => {
  const { clock, recovery, asked } = await follow(t, (_, response) => answerJson(response, 503, {}));
  await until('it pauses', () => clock.pauses === 1);
  recovery.unanswered();
  recovery.answered();
  await clock.advance(499);
  assert.equal(asked().length, 1);
});

test('a kind that vanishes is gone only when it stays away', async (t) => {
  let served = true;
  const { diary, clock } = await follow(t, (request, response) => {
    if (!served) answerJson(response, 404, {});
    else if (isWatch(request.url)) response.end();
    else answerJson(response, 200, page([item('a')], '7'));
  });
  await until('the watch has ended', () => clock.pauses === 1);
  served = false;
  const began = clock.monotonic();
  for (let pauses = 2; !diary.lines.includes('absent'); pauses++) {
    await clock.advance(KUBE_SOURCE_TIMING.absenceProvenMs / 4);
    await until('it asks again and pauses', () => clock.pauses === pauses);
  }
  assert.ok(clock.monotonic() - began >= KUBE_SOURCE_TIMING.absenceProvenMs);
  served = true;
  await clock.advance(KUBE_SOURCE_TIMING.absentMs);
  await until('it is listed again', () => diary.lines.at(-1) === 'listed');
  assert.equal(diary.lines.slice(diary.lines.indexOf('absent')).includes('relist'), false);
});
