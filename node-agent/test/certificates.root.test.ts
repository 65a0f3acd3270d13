import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
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
      controller.ttlMs = 6000;
      await world.startAgent();
      await world.announce();
      await serveEcho(world.pod('server'));
      // Nobody has called anybody yet.
      const areThere = async (): Promise<boolean> => {
        const { text } = await world.get('admin', '/config_dump');
        const { certificates }: { certificates: readonly { readonly state: string }[] } = JSON.parse(text);
        return certificates.length === 2 && certificates.every(({ state }) => state === 'Available');
      };
      await until('they are prefetched', areThere);
      assert.deepEqual([...new Set(controller.issued)].sort(), [
        'spiffe://cluster.local/ns/shop/sa/client',
        'spiffe://cluster.local/ns/shop/sa/server',
      ]);
      const names = { name: 'server', namespace: 'shop', serviceAccount: 'server' };
      const add = (): Promise<string> => cni.add('uid-server', names, world.pod('server').netns.path);
      controller.refuseCertificates = true;
      assert.equal(await cni.send({ kind: 'delete', uid: 'uid-server' }), '');
      assert.equal(await add(), '');
      assert.equal(await world.pod('client').exchange(SERVER, 'kept'), 'kept');
      assert.equal(await cni.send({ kind: 'delete', uid: 'uid-server' }), '');
      controller.refuseCertificates = false;
      await new Promise((resolve) => setTimeout(resolve, controller.ttlMs ?? 0));
      const ofServer = (): number => controller.issued.filter((identity) => identity.endsWith('/server')).length;
      const left = ofServer();
      assert.equal(await add(), '');
      await until('it is asked for anew', () => ofServer() > left);
      assert.equal(await world.pod('client').exchange(SERVER, 'anew'), 'anew');
    },
  );

  test('that could not be had are asked for as soon as the controller is there again', options, async () => {
    await using world = await AgentWorld.create();
    const { controller } = world;
    controller.refuseCertificates = true;
    await world.startAgent();
    await world.announce();
    const refused = (): number => world.log.filter((line) => line.includes('could not be obtained')).length;
    await until('both were refused five times', () => refused() >= 10, 30_000);
    await controller.stop();
    controller.refuseCertificates = false;
    await controller.start();
    // By themselves they would be asked for after another 6.4 s at least.
    await until('both are there', () => controller.issued.length >= 2, 5000);
  });

  test('that a file comes to withdraw end what they carry, and the file is watched and counted', options, async () => {
    await using world = await AgentWorld.create();
    const file = join(world.directory, 'ca-crl.pem');
    writeFileSync(file, world.controller.ca.revocationList([]));
    await world.startAgent({ AMBIT_CRL_FILE: file });
    await world.announce();
    await serveEcho(world.pod('server'));
    const held = world.pod('client').dial(SERVER);
    held.write('held');
    await once(held, 'data');
    const broken = new Promise((resolve) => held.once('close', resolve));
    // Everything that the intermediate has signed ends with it.
    writeFileSync(file, world.controller.ca.rootRevocationList([world.controller.ca.intermediate]));
    await broken;
    await assert.rejects(world.pod('client').exchange(SERVER, 'x'), { code: 'ECONNRESET' });
    const { text } = await world.get('metrics', '/metrics');
    assert.match(text, /^ambit_crl_entries 1$/m);
    assert.match(text, /^ambit_crl_failing 0$/m);
    assert.match(text, /^istio_crl_policy_rejections_total\{reporter="source"\} [1-9]/m);
    writeFileSync(file, 'not a list');
    await until('the file is named', () =>
      world.log.some((line) => line.includes('cannot be used: the last that could')),
    );
    await assert.rejects(world.pod('client').exchange(SERVER, 'x'), { code: 'ECONNRESET' });
    writeFileSync(file, '');
    await until('it withdraws nothing any more', async () => {
      const answer = world.pod('client').exchange(SERVER, 'again');
      return (await answer.catch(() => '')) === 'again';
    });
  });
});
