import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SessionPolicy } from '@ambit/mesh/routes';
import { checkLeaks } from '@ambit/mesh/testing';
import { keyOf, SessionWorld } from './session-world.ts';

checkLeaks();

const BEGUN = 'cart=TOKEN; Path=/; HttpOnly; SameSite=Strict';
const HEADER: Partial<SessionPolicy> = { kind: 'header', name: 'X-Session' };
const ALL = ['a1', 'a2', 'b1', 'b2'];

for (const protocol of ['http1', 'http2'] as const) {
  describe(`sessions over ${protocol}`, () => {
    test('a client that brings its cookie stays with the server that it began with', async () => {
      await using world = await SessionWorld.open(protocol);
      assert.deepEqual(await world.servers({}), ALL, 'clients without one go anywhere');
      const { server, said, brings } = await world.ask();
      assert.equal(said, BEGUN);
      assert.deepEqual(await world.servers(brings), [server]);
      const again = await world.ask({ headers: { cookie: `a=b; ${brings['cookie']}; c=d` } });
      assert.deepEqual([again.server, again.said], [server, undefined], 'nothing new is to be told');
      assert.ok(again.cookie?.startsWith('a=b; cart='), 'servers see cookies as they were sent');
    });

    test('a client that brings its header stays, and is told it every time', async () => {
      await using world = await SessionWorld.open(protocol, { session: HEADER });
      world.answer = (_, __, response) => {
        response.setHeader('x-session', 'of the server');
        response.end();
      };
      const { server, said, brings } = await world.ask();
      assert.equal(said, 'TOKEN');
      assert.deepEqual(await world.servers(brings), [server]);
      const again = await world.ask({ headers: brings });
      assert.deepEqual([again.server, again.brings], [server, brings]);
    });

    test('another replica of the waypoint, and one that comes later, know the same sessions', async () => {
      await using world = await SessionWorld.open(protocol, {}, 2);
      const { server, brings } = await world.ask({}, 0);
      await world.addWaypoint();
      for (const replica of [1, 2]) assert.deepEqual(await world.servers(brings, 8, replica), [server]);
    });

    test('a session whose server cannot be reached goes on at another, and stays there', async () => {
      await using world = await SessionWorld.open(protocol);
      const { server, brings } = await world.ask();
      const dead = ALL.filter((name): name is 'a1' => name === server);
      world.tell({ dead });
      const moved = await world.ask({ headers: brings });
      assert.notEqual(moved.server, server);
      assert.equal(moved.said, BEGUN);
      assert.deepEqual(await world.servers(moved.brings), [moved.server]);
    });
  });
}

test('a session belongs to its rule', async () => {
  await using world = await SessionWorld.open('http1');
  const { brings } = await world.ask();
  const other = await world.ask({ path: '/other', headers: brings });
  assert.equal(other.said, BEGUN);
  assert.notEqual(other.brings['cookie'], brings['cookie']);
});

test('a session keeps its version while weights change, at weight 0 as long as its server is there', async () => {
  await using world = await SessionWorld.open('http1', { weights: [1, 0] });
  const { server, brings } = await world.ask();
  assert.ok(server.startsWith('a'));
  world.tell({ weights: [1, 99] });
  assert.deepEqual(await world.servers(brings), [server]);
  const ready = (['a1', 'a2', 'b1', 'b2'] as const).filter((name) => name !== server);
  world.tell({ weights: [1, 99], ready });
  const moved = await world.ask({ headers: brings });
  assert.equal(moved.server, server === 'a1' ? 'a2' : 'a1', 'another server of the same version');
  assert.equal(moved.said, BEGUN);
  world.tell({ weights: [0, 1] });
  assert.deepEqual(await world.servers(brings), [server], 'nothing new, but what there was');
  world.tell({ weights: [0, 1], ready });
  assert.ok((await world.ask({ headers: brings })).server.startsWith('b'));
});

test('a session ends with the backend of its rule, and with the rule’s sessions', async () => {
  await using world = await SessionWorld.open('http1', { weights: [1, 1] });
  const { brings } = await world.ask();
  world.tell({ weights: null });
  assert.equal((await world.ask({ headers: brings })).said, BEGUN);
  world.tell({ session: null });
  assert.equal((await world.ask({ headers: brings })).said, undefined);
  assert.deepEqual(await world.servers(brings), ALL);
});

test('a session stays with a server that is far when others are near by now', async () => {
  await using world = await SessionWorld.open('http1', { ready: ['a1'] });
  const { brings } = await world.ask();
  world.tell({ far: ['a1'] });
  assert.deepEqual(await world.servers(brings), ['a1']);
  assert.deepEqual(await world.servers({}), ['a2', 'b1', 'b2']);
});

test('what is no session of ours begins one, and is no error', async () => {
  await using world = await SessionWorld.open('http1');
  const { brings } = await world.ask();
  const cookie = brings['cookie'] ?? '';
  const bad = [
    'cart=',
    'cart',
    'cart=nonsense',
    `${cookie}A`,
    cookie.slice(0, -4),
    cookie.replace(/=./, (start) => (start === '=A' ? '=B' : '=A')),
    `cart=${'A'.repeat(10_000)}`,
    'cart=1; '.repeat(1000),
    `"${cookie}"`,
  ];
  for (const one of bad) {
    const { status, said } = await world.ask({ headers: { cookie: one } });
    assert.deepEqual([status, said], [200, BEGUN], one.slice(0, 60));
  }
  world.useKeys([keyOf(9)]);
  assert.equal((await world.ask({ headers: brings })).said, BEGUN, 'of a key that is not ours');
});

test('sessions outlive a change of the key, one at a time', async () => {
  await using world = await SessionWorld.open('http1');
  const { server, brings } = await world.ask();
  world.useKeys([keyOf(1), keyOf(2)]);
  assert.equal((await world.ask({ headers: brings })).said, undefined);
  world.useKeys([keyOf(2), keyOf(1)]);
  const renewed = await world.ask({ headers: brings });
  assert.deepEqual([renewed.server, renewed.said], [server, BEGUN]);
  world.useKeys([keyOf(2), keyOf(3)]);
  assert.deepEqual(await world.servers(renewed.brings), [server]);
  assert.equal((await world.ask({ headers: brings })).said, BEGUN, 'what was not renewed in time');
  world.useKeys([]);
  assert.equal((await world.ask({ headers: renewed.brings })).said, undefined, 'none begin without a key');
});

test('an absolute timeout ends a session wherever it is by then; a permanent cookie says so itself', async () => {
  const session: Partial<SessionPolicy> = { absoluteTimeoutMs: 10_000, permanent: true };
  await using world = await SessionWorld.open('http1', { session });
  const { server, said, brings } = await world.ask();
  assert.equal(said, `${BEGUN}; Max-Age=10`);
  world.offsetMs = 6000;
  assert.deepEqual(await world.servers(brings), [server]);
  world.tell({ session, ready: (['a1', 'a2', 'b1', 'b2'] as const).filter((name) => name !== server) });
  const moved = await world.ask({ headers: brings });
  assert.match(moved.said ?? '', /; Max-Age=[34]$/, 'what is left of it');
  world.offsetMs = 10_000;
  assert.equal((await world.ask({ headers: moved.brings })).said, `${BEGUN}; Max-Age=10`);
});

test('a client that came by TLS gets a cookie for TLS', async () => {
  await using world = await SessionWorld.open('http1');
  assert.equal((await world.ask({ headers: { 'x-forwarded-proto': 'https' } })).said, `${BEGUN}; Secure`);
});

test('a retry stays with the server of the session as long as that answers, however badly', async () => {
  const retry = { codes: [503], attempts: 3, backoffMs: 1 };
  await using world = await SessionWorld.open('http1', { retry });
  const { server, brings } = await world.ask();
  const asked: string[] = [];
  world.answer = (name, _, response) => {
    asked.push(name);
    response.statusCode = asked.length < 3 ? 503 : 200;
    response.end();
  };
  const answered = await world.ask({ headers: brings });
  assert.deepEqual([answered.status, answered.said, asked], [200, undefined, [server, server, server]]);
  asked.splice(0);
  world.answer = (name, request, response) => {
    asked.push(name);
    if (name === server) request.destroy();
    else response.end();
  };
  const moved = await world.ask({ headers: brings });
  assert.deepEqual([moved.status, moved.said], [200, BEGUN]);
  assert.deepEqual(asked.slice(0, 1), [server]);
});

test('no session begins where there is no server', async () => {
  await using world = await SessionWorld.open('http1', { dead: ['a1', 'a2', 'b1', 'b2'] });
  const { status, said } = await world.ask();
  assert.deepEqual([status, said], [503, undefined]);
});
