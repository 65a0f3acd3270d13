import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DatagramBatch, DatagramExchange, DatagramListener, type NetnsHandle } from '@ambit/mesh/linux';
import { parseSocketAddress } from '@ambit/mesh/model';
import { rootTestOptions } from '@ambit/mesh/testing';
import { Link, refuseRules } from '../../test/netns-link.ts';
import { nftables } from './nftables.ts';
import { DEFAULT_REDIRECT_OPTIONS } from './ruleset.ts';

const options = rootTestOptions();
const captured = { ...DEFAULT_REDIRECT_OPTIONS, dnsCapture: true };
const families = ['10.9.0.2:53', '[fd00:9::2]:53'] as const;
const AGENT = { mark: 0x539 };
/** Longest an answer is waited for. */
const ANSWER_MS = 10_000;

/** Answers every datagram with its name. */
function serve(handle: NetnsHandle, name: string, address: string, more: { readonly mark?: number } = {}): Disposable {
  const batch = new DatagramBatch(512);
  const listener: DatagramListener = new DatagramListener(
    handle,
    { address: parseSocketAddress(address), ...more },
    () => {
      for (let i = batch.receive(listener); i-- > 0; ) batch.reply(i, batch.replyBuffer().write(name));
      batch.flush(listener);
    },
  );
  return listener;
}

/** A client that keeps its port. */
class Client implements Disposable {
  readonly #exchange: DatagramExchange;
  #heard: PromiseWithResolvers<string> = Promise.withResolvers();

  constructor(handle: NetnsHandle, to: string, more: { readonly mark?: number } = {}) {
    const into = Buffer.alloc(512);
    this.#exchange = new DatagramExchange(handle, { destination: parseSocketAddress(to), ...more }, () => {
      const length = this.#exchange.receive(into);
      if (length !== 'none') this.#heard.resolve(length === 'refused' ? length : into.toString('utf8', 0, length));
    });
  }

  say(): void {
    this.#heard = Promise.withResolvers();
    this.#exchange.send(Buffer.from('?'));
  }

  async ask(): Promise<string> {
    this.say();
    const timer = setTimeout(() => this.#heard.resolve('silence'), ANSWER_MS);
    return this.#heard.promise.finally(() => clearTimeout(timer));
  }

  [Symbol.dispose](): void {
    this.#exchange[Symbol.dispose]();
  }
}

async function openDns(): Promise<{ readonly link: Link; readonly servers: Disposable } & AsyncDisposable> {
  const link = await Link.open();
  const servers = new DisposableStack();
  for (const address of families) servers.use(serve(link.neighbourHandle, 'name server', address));
  for (const address of ['127.0.0.1:15053', '[::1]:15053']) servers.use(serve(link.podHandle, 'agent', address, AGENT));
  return {
    link,
    servers,
    [Symbol.asyncDispose]: async () => {
      servers.dispose();
      await link[Symbol.asyncDispose]();
    },
  };
}

for (const to of families) {
  test(`DNS of the app to ${to} is captured, that of the agent and on loopback is not`, options, async () => {
    await using world = await openDns();
    const { podHandle } = world.link;
    await nftables.apply(podHandle, captured);
    for (let i = 0; i < 2; i++) {
      using app = new Client(podHandle, to);
      using agent = new Client(podHandle, to, AGENT);
      assert.deepEqual([await app.ask(), await agent.ask(), await app.ask()], ['agent', 'name server', 'agent']);
    }
    using _own = serve(podHandle, 'own', '127.0.0.1:53');
    using onLoopback = new Client(podHandle, '127.0.0.1:53');
    assert.equal(await onLoopback.ask(), 'own');
    await world.link.serve('pod', 'agent', 15053);
    await world.link.serve('neighbour', 'name server', 53);
    const own = to.startsWith('[') ? 'fd00:9::1' : '10.9.0.1';
    assert.equal(await world.link.call('pod', to), `agent|${to}|${own}`);
    assert.equal(await world.link.call('pod', to, AGENT), `name server|${to}|${own}`);
  });

  test(
    `an app that keeps its port for ${to} is heard by whoever is to hear it, as capture comes and goes`,
    options,
    async () => {
      await using world = await openDns();
      const { podHandle } = world.link;
      using app = new Client(podHandle, to);
      assert.equal(await app.ask(), 'name server');
      await nftables.apply(podHandle, DEFAULT_REDIRECT_OPTIONS);
      for (let i = 0; i < 3; i++) {
        assert.equal(await app.ask(), 'name server');
        await nftables.apply(podHandle, captured);
        assert.equal(await app.ask(), 'agent');
        await nftables.apply(podHandle, DEFAULT_REDIRECT_OPTIONS);
      }
      // Also when nobody listened in between.
      await nftables.apply(podHandle, captured);
      assert.equal(await app.ask(), 'agent');
      world.servers[Symbol.dispose]();
      app.say();
      using _server = serve(world.link.neighbourHandle, 'name server', to);
      await nftables.apply(podHandle, DEFAULT_REDIRECT_OPTIONS);
      assert.equal(await app.ask(), 'name server');
    },
  );
}

test('a kernel without zones does not capture DNS, and says so', options, async () => {
  await using world = await openDns();
  using _kernel = refuseRules('ct original zone');
  const { lacks } = await nftables.apply(world.link.podHandle, captured);
  assert.ok(lacks.includes('DNS is captured'));
  using app = new Client(world.link.podHandle, '10.9.0.2:53');
  assert.equal(await app.ask(), 'name server');
});
