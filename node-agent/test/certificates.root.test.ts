import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { rootTestOptions, until } from '@ambit/mesh/testing';
import { AgentWorld, serveEcho } from './agent-world.ts';

const options = { ...rootTestOptions(), timeout: 90_000 };
const SERVER = '10.77.0.2:8080';

interface Attempt {
  readonly begunMs: number;
  readonly endedMs: number;
  readonly ok: boolean;
}

/** Calls without a pause, each on a connection of its own, until it is disposed of. */
class Load implements AsyncDisposable {
  readonly attempts: Attempt[] = [];
  #isOver = false;
  readonly #callers: Promise<unknown>;

  constructor(world: AgentWorld) {
    this.#callers = Promise.all([1, 2, 3, 4].map(() => this.#call(world)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await this.#callers;
  }

  async #call(world: AgentWorld): Promise<void> {
    while (!this.#isOver) {
      const begunMs = Date.now();
      const call = world.pod('client').exchange(SERVER, 'x');
      const ok = await call.then(
        (text) => text === 'x',
        () => false,
      );
      this.attempts.push({ begunMs, endedMs: Date.now(), ok });
      // Whoever is refused at once must not keep everybody else from their turn.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

describe('certificates', () => {
  test(
    'that expire under load let nobody through from then on, and everybody once there are others',
    options,
    async () => {
      await using world = await AgentWorld.create();
      const { controller } = world;
      controller.ttlMs = 6000;
      await world.startAgent();
      await world.announce();
      await serveEcho(world.pod('server'));
      await until('both are there', () => controller.issued.length >= 2);
      controller.refuseCertificates = true;
      const expiryMs = Date.now() + controller.ttlMs;
      let allowedMs = 0;
      const { attempts } = await (async () => {
        await using load = new Load(world);
        await until('they have been over for a while', () => Date.now() > expiryMs + 2000, 20_000);
        allowedMs = Date.now();
        controller.ttlMs = 3_600_000;
        controller.refuseCertificates = false;
        const isBack = (): boolean => load.attempts.some(({ begunMs, ok }) => ok && begunMs > allowedMs);
        await until('calls succeed again', isBack, 40_000);
        return load;
      })();
      const wrong = attempts.filter(({ begunMs, endedMs, ok }) => ok && begunMs > expiryMs && endedMs < allowedMs);
      // A certificate says whole seconds.
      const lost = attempts.filter(({ endedMs, ok }) => !ok && endedMs < expiryMs - 2000);
      assert.deepEqual({ wrong, lost }, { wrong: [], lost: [] });
      assert.ok(attempts.some(({ ok, endedMs }) => ok && endedMs < expiryMs));
    },
  );

  test(
    'are asked for when pods come, kept for the next pod until they expire, and forgotten then',
    options,
    async () => {
      await using world = await AgentWorld.create();
      const { controller, cni } = world;
      controller.ttlMs = 4000;
      await world.startAgent();
      await world.announce();
      // Nobody has called anybody yet.
      await until('they are prefetched', () => controller.issued.length === 2);
      assert.deepEqual([...controller.issued].sort(), [
        'spiffe://cluster.local/ns/shop/sa/client',
        'spiffe://cluster.local/ns/shop/sa/server',
      ]);
      const ofServer = (): number => controller.issued.filter((identity) => identity.endsWith('/server')).length;
      const add = (): Promise<string> =>
        cni.add(
          'uid-server',
          { name: 'server', namespace: 'shop', serviceAccount: 'server' },
          world.pod('server').netns.path,
        );
      assert.equal(await cni.send({ kind: 'delete', uid: 'uid-server' }), '');
      const held = ofServer();
      assert.equal(await add(), '');
      assert.equal(ofServer(), held);
      assert.equal(await cni.send({ kind: 'delete', uid: 'uid-server' }), '');
      const left = ofServer();
      await new Promise((resolve) => setTimeout(resolve, 5000));
      assert.equal(ofServer(), left);
      assert.equal(await add(), '');
      await until('it is asked for anew', () => ofServer() > left);
    },
  );
});
