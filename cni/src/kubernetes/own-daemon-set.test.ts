import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KubeApiError, type KubeWatchEvent } from '@ambit/mesh/kube';
import { silentLogger } from '@ambit/mesh/runtime';
import { ManualClock, until } from '@ambit/mesh/testing';
import { OwnDaemonSet } from './own-daemon-set.ts';

const THERE = { metadata: { name: 'ambit-cni', resourceVersion: '7' } };
const DELETING = { metadata: { name: 'ambit-cni', resourceVersion: '8', deletionTimestamp: '2030-01-01T00:00:00Z' } };

/** An API server that answers a read with `answer`, and whose watch shows what a test pushes. */
class World implements AsyncDisposable {
  answer: object | null | KubeApiError = THERE;
  listVersion = '17';
  readonly watched: unknown[] = [];
  readonly clock: ManualClock = new ManualClock();
  readonly daemonSet: OwnDaemonSet;
  #push: (event: KubeWatchEvent | null) => void = () => {};
  readonly #stop: AbortController = new AbortController();
  readonly #running: Promise<void>;

  constructor() {
    const next = (): Promise<KubeWatchEvent | null> => new Promise((resolve) => (this.#push = resolve));
    const { clock, watched } = this;
    this.daemonSet = new OwnDaemonSet({
      client: {
        get: async () => {
          if (this.answer instanceof KubeApiError) throw this.answer;
          return this.answer;
        },
        listPage: async () => {
          if (this.answer instanceof KubeApiError) throw this.answer;
          const items = this.answer === null ? [] : [this.answer];
          return { items, resourceVersion: this.listVersion, continueToken: null };
        },
        async *watch(_resource, selection, resourceVersion) {
          watched.push({ ...selection, resourceVersion });
          for (let event = await next(); event !== null; event = await next()) yield event;
        },
      },
      namespace: 'mesh',
      name: 'ambit-cni',
      clock,
      logger: silentLogger,
    });
    this.#running = this.daemonSet.run(this.#stop.signal);
  }

  async show(event: KubeWatchEvent | null): Promise<void> {
    await until('it watches', () => this.watched.length > 0);
    this.#push(event);
    await new Promise((resolve) => setImmediate(resolve));
  }

  async isGone(): Promise<boolean> {
    const asked = this.daemonSet.isGone();
    await this.clock.advance(2000);
    return asked;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#push(null);
    await this.clock.advance(60_000);
    await this.#running;
  }
}

test('a DaemonSet that is there means an upgrade, one that is gone or going an uninstallation', async () => {
  await using world = new World();
  assert.equal(await world.isGone(), false);
  world.answer = DELETING;
  assert.equal(await world.isGone(), true);
  world.answer = null;
  assert.equal(await world.isGone(), true);
});

for (const code of ['forbidden', 'unauthenticated', 'unreachable'] as const) {
  test(`when the API server answers with ${code}, what the watch has shown counts`, async () => {
    await using world = new World();
    await world.show({ kind: 'put', object: THERE, resourceVersion: '8' });
    world.answer = new KubeApiError(code);
    assert.equal(await world.isGone(), false);
    await world.show({ kind: 'put', object: DELETING, resourceVersion: '9' });
    assert.equal(await world.isGone(), true);
    await world.show({ kind: 'delete', object: DELETING, resourceVersion: '10' });
    assert.equal(await world.isGone(), true);
    assert.deepEqual(world.watched, [
      { namespace: 'mesh', fieldSelector: 'metadata.name=ambit-cni', resourceVersion: '17' },
    ]);
  });
}

test('a watch that ends is opened again, from a fresh list', async () => {
  await using world = new World();
  await world.show(null);
  world.listVersion = '20';
  await world.clock.advance(60_000);
  assert.equal(Object(world.watched[1])['resourceVersion'], '20');
});
