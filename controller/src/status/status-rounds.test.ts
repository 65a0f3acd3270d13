import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KubeApiError, type KubeApiErrorCode, type KubeResource } from '@ambit/mesh/kube';
import { silentLogger } from '@ambit/mesh/runtime';
import { ManualClock } from '@ambit/mesh/testing';
import { MemoryKubeClient } from '../../test/memory-kube-client.ts';
import { jsonText } from '../json.ts';
import { STATUS_LIMITS } from './limits.ts';
import { StatusRounds } from './status-rounds.ts';

const RESOURCE: KubeResource = { group: 'x.dev', version: 'v1', plural: 'things', kind: 'Thing', scope: 'namespaced' };

/** Rounds over things that a test puts, each with the text that is to be said of it. */
class World implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly kube = new MemoryKubeClient();
  readonly things = new Map<string, string | null>();
  /** How the next write of a thing ends. */
  readonly failures = new Map<string, KubeApiErrorCode>();
  readonly written: string[] = [];
  readonly #stop = new AbortController();
  readonly rounds: StatusRounds;
  #ended: Promise<unknown> = Promise.resolve();

  constructor() {
    const items = (): readonly object[] => [...this.kube.objects.values()];
    this.rounds = new StatusRounds({
      client: {
        ...this.kube.client,
        listPage: async () => ({ items: items(), resourceVersion: '1', continueToken: null }),
      },
      kinds: [
        {
          resource: RESOURCE,
          objects: this.things,
          decide: (key) => {
            const text = this.things.get(key);
            if (text === undefined) return null;
            return { uid: key, text, write: async (object) => this.#write(key, text, object) };
          },
        },
      ],
      clock: this.clock,
      logger: silentLogger,
    });
  }

  /** Also at the API server, with what its status says. */
  put(name: string, text: string | null, status = ''): void {
    const key = `shop/${name}`;
    this.things.set(key, text);
    this.kube.put(RESOURCE.plural, 'shop', name, { metadata: { namespace: 'shop', name, uid: key }, status });
  }

  /** Ends as the work does. */
  async begin(): Promise<{ readonly ended: Promise<unknown> }> {
    const ended = this.rounds.work(this.#stop.signal).catch((error: unknown) => error);
    this.#ended = ended;
    await this.clock.advance(STATUS_LIMITS.passMs);
    return { ended };
  }

  /** What was written meanwhile. */
  async after(ms: number): Promise<readonly string[]> {
    this.written.length = 0;
    await this.clock.advance(ms);
    return this.written;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new DOMException('test ends', 'AbortError'));
    await this.#ended;
  }

  async #write(key: string, text: string | null, object: unknown): Promise<boolean> {
    const wanted = text ?? '';
    if (jsonText(object, 'status') === wanted) return false;
    const failure = this.failures.get(key);
    if (failure !== undefined) {
      this.written.push(`${key} ${failure}`);
      throw new KubeApiError(failure);
    }
    Object(object).status = wanted;
    this.written.push(`${key} ${wanted}`);
    return true;
  }
}

test('a term begins with a look at every object, and takes back what is no more to be said', async () => {
  await using world = new World();
  world.put('new', 'fine');
  world.put('said', 'fine', 'fine');
  world.put('over', null, 'fine');
  await world.begin();
  assert.deepEqual(world.written, ['shop/new fine', 'shop/over ']);
  assert.equal(world.kube.reads, 0);
});

test('between looks only what is decided anew is read and written', async () => {
  await using world = new World();
  for (const name of ['a', 'b', 'silent']) world.put(name, name === 'silent' ? null : 'fine');
  await world.begin();
  world.things.set('shop/b', 'broken');
  world.rounds.poke();
  assert.deepEqual(await world.after(2 * STATUS_LIMITS.passMs), ['shop/b broken']);
  assert.equal(world.kube.reads, 1);
});

test('an object whose status is refused keeps no other waiting, and is tried again', async () => {
  await using world = new World();
  world.failures.set('shop/a', 'invalid');
  for (const name of ['a', 'b', 'c']) world.put(name, 'fine');
  await world.begin();
  assert.deepEqual(world.written, ['shop/a invalid', 'shop/b fine', 'shop/c fine']);
  world.rounds.poke();
  assert.deepEqual(await world.after(2 * STATUS_LIMITS.passMs), []);
  world.failures.clear();
  assert.deepEqual(await world.after(STATUS_LIMITS.retryMs), ['shop/a fine']);
  assert.deepEqual(await world.after(2 * STATUS_LIMITS.retryMs), []);
});

test('a status that is to be taken back and cannot be is tried again as well', async () => {
  await using world = new World();
  world.failures.set('shop/a', 'server-error');
  world.put('a', null, 'fine');
  await world.begin();
  world.failures.clear();
  assert.deepEqual(await world.after(STATUS_LIMITS.retryMs), ['shop/a ']);
});

test('an object that somebody else has written meanwhile is read and written anew', async () => {
  await using world = new World();
  world.failures.set('shop/a', 'conflict');
  world.put('a', 'fine');
  await world.begin();
  world.failures.clear();
  assert.deepEqual(await world.after(2 * STATUS_LIMITS.passMs), ['shop/a fine']);
});

test('an API server that is away ends the work, to be begun again', async () => {
  await using world = new World();
  world.failures.set('shop/a', 'unreachable');
  world.put('a', 'fine');
  const { ended } = await world.begin();
  assert.equal(Object(await ended).code, 'unreachable');
});
