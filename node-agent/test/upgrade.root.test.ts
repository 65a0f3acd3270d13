import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, test } from 'node:test';
import { isListenedOn } from '@ambit/mesh/linux';
import { rootTestOptions, until } from '@ambit/mesh/testing';
import { Calls } from './calls.ts';
import { type LocalAgent, LocalWorld } from './local-world.ts';

const options = { ...rootTestOptions(), timeout: 120_000 };
const SERVER = '10.77.0.2:8080';

async function serveEcho(world: LocalWorld): Promise<void> {
  await world
    .pod('server')
    .serve(8080, (socket) => void socket.on('end', () => socket.end()).pipe(socket, { end: false }));
}

function callsOf(world: LocalWorld): Calls {
  return new Calls((text) => world.pod('client').exchange(SERVER, text));
}

async function say(socket: Socket, text: string): Promise<void> {
  socket.write(text);
  const [heard]: Buffer[] = await once(socket, 'data', { signal: AbortSignal.timeout(10_000) });
  assert.equal(String(heard), text);
}

/** Neither does a descriptor that somebody forgot. */
function assertNobodyListens(world: LocalWorld): void {
  for (const name of ['client', 'server'] as const) {
    for (const port of [15001, 15006, 15008]) assert.equal(isListenedOn(world.pod(name).handle, port), false);
  }
}

async function opens(agent: LocalAgent): Promise<number> {
  const { text } = await agent.get('metrics', '/metrics');
  const lines = text.split('\n').filter((line) => line.startsWith('istio_tcp_connections_opened_total{'));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

const opened = (agent: LocalAgent, count: number): Promise<true> =>
  until('connections are counted', async () => (await opens(agent)) === count);

describe('an upgrade', () => {
  for (const [before, after] of [
    ['1', '1'],
    ['2', '1'],
    ['1', '2'],
  ] as const) {
    test(`from ${before} worker to ${after}: sockets go over, connections stay where they are`, options, async () => {
      await using world = await LocalWorld.create();
      await serveEcho(world);
      const first = await world.startAgent({ AMBIT_WORKERS: before, AMBIT_TERMINATION_DEADLINE: '60s' });
      const held = world.pod('client').dial(SERVER);
      await say(held, 'before');

      const second = await world.startAgent({ AMBIT_WORKERS: after });
      await until('all is taken over', async () => (await second.get('readiness', '/healthz/ready')).status === 200);
      assert.deepEqual(
        [await second.metric('ambit_pods_taken_over_total'), await first.metric('ambit_pods_handed_over_total')],
        [2, 2],
      );
      assert.equal(await first.metric('ambit_pods_lent'), 2);
      for (let i = 0; i < 20; i++) assert.equal(await world.pod('client').exchange(SERVER, `call ${i}`), `call ${i}`);
      // Each is seen on both sides. The one before has what it had and no more.
      await opened(first, 2);
      await opened(second, 40);
      await say(held, 'in between');

      const stopped = first.agent.stop();
      await until(
        'the first is not ready',
        async () => (await first.get('readiness', '/healthz/ready')).status === 500,
      );
      for (let i = 0; i < 20; i++) assert.equal(await world.pod('client').exchange(SERVER, `more ${i}`), `more ${i}`);
      await say(held, 'after');
      assert.ok(first.has('anotherAgentAccepts=true deadlineMs=60000'), first.log.join(''));
      held.end();
      await stopped;
      assert.equal(await world.pod('client').exchange(SERVER, 'alone'), 'alone');
      await second.agent.stop();
      assertNobodyListens(world);
    });
  }

  test('loses no connection that waits to be accepted', options, async () => {
    await using world = await LocalWorld.create();
    await serveEcho(world);
    const first = await world.startAgent();
    await using calls = callsOf(world);
    await calls.more(50);
    const second = await world.startAgent();
    await until('all is taken over', async () => (await second.get('readiness', '/healthz/ready')).status === 200);
    await calls.more(50);
    await first.agent.stop();
    await calls.more(50);
    assert.deepEqual(calls.failures, []);
  });

  test('whose new agent fails goes back to the old one, which keeps the sockets', options, async () => {
    await using world = await LocalWorld.create();
    await serveEcho(world);
    const first = await world.startAgent();
    const second = await world.startAgent();
    await until('all is taken over', async () => (await second.get('readiness', '/healthz/ready')).status === 200);
    await using calls = callsOf(world);
    await calls.more(20);
    // As when it is killed: nothing is drained. What it carries itself is lost, what waits is not.
    calls.tolerant = true;
    await second.agent[Symbol.asyncDispose]();
    await until('the first one serves again', () => first.has('this one serves all pods again'));
    await until('it has its sockets', async () => (await first.metric('ambit_pods_lent')) === 0);
    calls.tolerant = false;
    await calls.more(40);
    const third = await world.startAgent();
    await until('all is taken over', async () => (await third.get('readiness', '/healthz/ready')).status === 200);
    assert.equal(await third.metric('ambit_pods_taken_over_total'), 2);
    await calls.more(40);
    assert.deepEqual(calls.failures, []);
  });

  test('from an agent that knows nothing of hand-overs, and to one, goes side by side', options, async () => {
    await using world = await LocalWorld.create();
    await serveEcho(world);
    for (const name of ['client', 'server'] as const) {
      world.pod(name).netns.run('sh', '-c', 'echo 1 > /proc/sys/net/ipv4/tcp_migrate_req');
    }
    const old = await world.startAgent({ AMBIT_HANDOVER_DIR: '', AMBIT_TERMINATION_DEADLINE: '50s' });
    await using calls = callsOf(world);
    await calls.more(20);
    const next = await world.startAgent();
    await calls.more(20);
    await old.agent.stop();
    assert.ok(old.has('anotherAgentAccepts=true deadlineMs=50000'));
    await calls.more(20);
    assert.equal(await next.metric('ambit_pods_taken_over_total'), 0);
    const back = await world.startAgent({ AMBIT_HANDOVER_DIR: '' });
    await next.agent.stop();
    await calls.more(20);
    assert.deepEqual(calls.failures, []);
    const held = world.pod('client').dial(SERVER);
    await say(held, 'alone now');
    held.on('error', () => {});
    await back.agent.stop();
    assert.ok(
      back.has('anotherAgentAccepts=false deadlineMs=5000'),
      'no agent is waited for by one that is kept waiting',
    );
    assertNobodyListens(world);
  });

  test(
    'gives the addresses of admin, metrics and readiness to the new agent, and gets them back',
    options,
    async () => {
      await using world = await LocalWorld.create();
      const first = await world.startAgent();
      const same = Object.fromEntries(
        (['admin', 'metrics', 'readiness'] as const).map((name) => {
          const { host, port } = first.agent.addresses[name];
          return [`AMBIT_${name.toUpperCase()}_ADDRESS`, `${host}:${port}`];
        }),
      );
      // Ports of the first are chosen by the kernel: it does not get the same again.
      const second = await world.startAgent(same);
      assert.equal(second.agent.addresses.admin.port, first.agent.addresses.admin.port);
      await until('all is taken over', async () => (await second.get('readiness', '/healthz/ready')).status === 200);
      assert.equal(await second.metric('ambit_pods_taken_over_total'), 2);
      const third = await world.startAgent(same);
      await until('all is taken over', async () => (await third.metric('ambit_pods_taken_over_total')) === 2);
      await third.agent[Symbol.asyncDispose]();
      await until('the second one has them again', async () =>
        second.metric('ambit_pods_handed_over_total').then(
          (count) => count === 2,
          () => false,
        ),
      );
    },
  );
});

test('of two agents one that is killed loses what it carries and no more, and comes back', options, async () => {
  await using world = await LocalWorld.create();
  await serveEcho(world);
  for (const name of ['client', 'server'] as const) {
    world.pod(name).netns.run('sh', '-c', 'echo 1 > /proc/sys/net/ipv4/tcp_migrate_req');
  }
  const stays = await world.startAgent({ AMBIT_SLOT: 'a' });
  const dies = await world.startAgent({ AMBIT_SLOT: 'b' });
  assert.equal(await dies.metric('ambit_pods_taken_over_total'), 0);
  const held = Array.from({ length: 40 }, () => world.pod('client').dial(SERVER));
  for (const socket of held) await say(socket, 'held');
  const carriedBy = async (agent: LocalAgent): Promise<number> =>
    (JSON.parse((await agent.get('admin', '/connections')).text) as { direction: string }[]).filter(
      ({ direction }) => direction === 'outbound',
    ).length;
  const [ofStaying, ofDying] = [await carriedBy(stays), await carriedBy(dies)];
  assert.ok(ofStaying > 0 && ofDying > 0, `${ofStaying} and ${ofDying}`);
  assert.equal(ofStaying + ofDying, held.length);

  await dies.agent[Symbol.asyncDispose]();
  for (let i = 0; i < 20; i++) assert.equal(await world.pod('client').exchange(SERVER, `call ${i}`), `call ${i}`);
  const back = await world.startAgent({ AMBIT_SLOT: 'b' });
  await using calls = callsOf(world);
  await calls.more(60);
  assert.deepEqual(calls.failures, []);
  await until('the one that is back serves', async () => (await opens(back)) > 0);
});
