import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { dial, environment, listen, listenHbone, targetOf } from '../testing/tunnel-world.ts';
import { until } from '../testing/until.ts';
import type { CarrierResult } from './carrier.ts';
import { HboneError } from './errors.ts';
import { openLocalTunnel } from './local-tunnel.ts';
import { createHbonePool } from './pool.ts';
import type { HboneConnection, HboneSession, TunnelEnd, TunnelRequest } from './tunnel.ts';

type Request = TunnelRequest<string, TunnelEnd>;
const opening = { authority: '10.0.0.1:80', headers: [['forwarded', 'for=a']] } as const;

/** Both applications, our sockets to them joined by a tunnel, and how each of its ends ended. */
interface Scene {
  readonly client: Socket;
  readonly server: Socket;
  readonly clientEnd: TunnelEnd;
  readonly serverEnd: TunnelEnd;
  readonly session: HboneSession<string>;
  readonly clientDone: Promise<CarrierResult>;
  readonly serverDone: Promise<CarrierResult>;
}

type Way = 'connect' | 'local' | 'local (public API)';
const WAYS: readonly Way[] = ['connect', 'local', 'local (public API)'];

async function scene(way: Way, run: (scene: Scene) => Promise<void>): Promise<void> {
  const apps = { client: Promise.withResolvers<Socket>(), server: Promise.withResolvers<Socket>() };
  await using clients = await listen(apps.client.resolve);
  await using servers = await listen(apps.server.resolve);
  const served = Promise.withResolvers<{ end: TunnelEnd; done: Promise<CarrierResult> }>();
  const onTunnel = (request: Request): void => {
    const socket = dial(servers.port).pause();
    socket.once('connect', () => {
      const end = request.accept([['baggage', 'b']]);
      served.resolve({ end, done: new Promise((resolve) => end.splice(socket, resolve)) });
    });
  };
  const connected = Promise.withResolvers<HboneConnection<string>>();
  await using server = await listenHbone(onTunnel, { onConnection: connected.resolve });
  await using pool = createHbonePool<string>(environment);
  const target = targetOf(server.port);
  const session = await pool.session(target);
  const opened =
    way === 'connect'
      ? await pool.openTunnel(target, opening)
      : await openLocalTunnel({
          session,
          connection: await connected.promise,
          opening,
          onTunnel,
          publicApiOnly: way !== 'local',
        });
  assert.deepEqual(opened.headers, [['baggage', 'b']]);
  assert.equal(opened.peer, session.peer);
  const socket = dial(clients.port).pause();
  await once(socket, 'connect');
  const clientDone = new Promise<CarrierResult>((resolve) => opened.stream.splice(socket, resolve));
  const { end, done } = await served.promise;
  await run({
    client: await apps.client.promise,
    server: await apps.server.promise,
    clientEnd: opened.stream,
    serverEnd: end,
    session,
    clientDone,
    serverDone: done,
  });
  await until('nothing holds the session', () => !session.isUsed);
}

const endOf = async (done: Promise<CarrierResult>): Promise<readonly unknown[]> => {
  const { bytesSent, bytesReceived, error } = await done;
  return [bytesSent, bytesReceived, error?.code];
};

/** Says `text` and waits until the other application has it all. */
async function say(from: Socket, to: Socket, text: string): Promise<void> {
  let heard = '';
  const onData = (chunk: Buffer): void => void (heard += chunk.toString());
  to.on('data', onData).resume();
  from.write(text);
  await until(text, () => heard === text);
  to.off('data', onData);
}

// What the two ends find of one life of a tunnel, whichever way it was opened: [sent, received, error].
const LIVES: readonly (readonly [string, (scene: Scene) => Promise<void> | void, unknown, unknown])[] = [
  [
    'both sides end, the client first',
    async ({ client, server }) => {
      client.end();
      await once(server.resume(), 'end');
      await say(server, client, 'more');
      server.end();
    },
    [5, 7, undefined],
    [7, 5, undefined],
  ],
  [
    'both sides end, the server first',
    async ({ client, server }) => {
      server.end();
      await once(client.resume(), 'end');
      client.end();
    },
    [5, 3, undefined],
    [3, 5, undefined],
  ],
  ['the client resets', ({ client }) => void client.resetAndDestroy(), [5, 3, 'socket'], [3, 5, 'reset']],
  ['the server resets', ({ server }) => void server.resetAndDestroy(), [5, 3, 'reset'], [3, 5, 'socket']],
  ['the client side cuts', ({ clientEnd }) => clientEnd.cut('x'), [5, 3, 'cut'], [3, 5, 'reset']],
  ['the server side cuts', ({ serverEnd }) => serverEnd.cut('x'), [5, 3, 'reset'], [3, 5, 'cut']],
  [
    'the session is lost',
    ({ session }) => session.destroy(new HboneError('keepalive')),
    [5, 3, 'keepalive'],
    [3, 5, undefined],
  ],
];

for (const way of WAYS) {
  for (const [name, act, client, server] of LIVES) {
    test(`${way}: ${name}`, async () => {
      await scene(way, async (world) => {
        await say(world.client, world.server, 'hello');
        await say(world.server, world.client, 'hi!');
        await act(world);
        assert.deepEqual(await endOf(world.clientDone), client);
        const atServer = await endOf(world.serverDone);
        // In memory both ends lose the session for one reason; over the wire the server's only sees it close.
        if (name === 'the session is lost') assert.ok(['keepalive', 'closed'].includes(String(atServer[2])));
        else assert.deepEqual(atServer, server);
        await until('both applications to be let go', () => world.client.destroyed && world.server.destroyed);
      });
    });
  }

  test(`${way}: megabytes pass both ways at once while the readers are slow, byte for byte`, async () => {
    await scene(way, async ({ client, server, clientDone, serverDone }) => {
      const payload = Buffer.alloc(6 * 1024 * 1024);
      for (let i = 0; i < payload.length; i += 4) payload.writeUInt32LE((i * 2_654_435_761) >>> 0, i);
      const wanted = createHash('sha256').update(payload).digest('hex');
      const digest = async (socket: Socket): Promise<string> => {
        const hash = createHash('sha256');
        let chunks = 0;
        // By itself the loop would destroy a socket that it has read to its end, with what that one has still to send.
        for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
          hash.update(chunk as Buffer); // A socket without encoding gives buffers.
          if (++chunks % 16 === 0) await new Promise((resolve) => setImmediate(resolve));
        }
        return hash.digest('hex');
      };
      client.end(payload);
      server.end(payload);
      assert.deepEqual(await Promise.all([digest(client), digest(server)]), [wanted, wanted]);
      const all = [payload.length, payload.length, undefined];
      assert.deepEqual([await endOf(clientDone), await endOf(serverDone)], [all, all]);
    });
  });

  test(`${way}: a reader that stops stops the writer`, async () => {
    await scene(way, async ({ client, server, clientEnd, serverEnd, clientDone }) => {
      const chunk = Buffer.alloc(1024 * 1024, 1);
      let taken = 0;
      const write = (): void => {
        while (taken < 256 && client.write(chunk, () => void (taken += 1))) {}
      };
      client.on('drain', write);
      write();
      let before = -1;
      await until('the flow to stand still', () => {
        const stands = clientEnd.bytesSent > 0 && clientEnd.bytesSent === before;
        before = clientEnd.bytesSent;
        return stands;
      });
      assert.ok(clientEnd.bytesSent < 128 * chunk.length, `${clientEnd.bytesSent} bytes were taken`);
      assert.ok(serverEnd.bytesReceived <= clientEnd.bytesSent);
      server.resetAndDestroy();
      await clientDone;
    });
  });
}

test('a refusal is the status of an answer, and holds nothing', async () => {
  await using server = await listenHbone((request) => request.reject(503));
  await using pool = createHbonePool<string>(environment);
  const session = await pool.session(targetOf(server.port));
  const refused = openLocalTunnel({
    session,
    connection: session,
    opening,
    onTunnel: (request) => {
      assert.deepEqual([request.authority, request.header('forwarded')], ['10.0.0.1:80', 'for=a']);
      assert.equal(session.isUsed, true);
      request.reject(401);
      assert.throws(() => request.accept(), /bug/);
    },
  });
  await assert.rejects(refused, { code: 'refused-status', data: { status: 401, isLocal: true } });
  assert.equal(session.isUsed, false);
});

test('a request whose session fails is given up, and an answer that comes too late leads nowhere', async () => {
  await using apps = await listen((socket) => void socket.resume());
  await using server = await listenHbone((request) => request.reject(503));
  await using pool = createHbonePool<string>(environment);
  const session = await pool.session(targetOf(server.port));
  let request: Request | undefined;
  let aborts = 0;
  const opened = openLocalTunnel({
    session,
    connection: session,
    opening,
    onTunnel: (given) => {
      request = given;
      given.onAborted(() => void (aborts += 1));
    },
  });
  session.destroy(new HboneError('keepalive'));
  await assert.rejects(opened, { code: 'keepalive' });
  assert.deepEqual([request?.aborted, aborts], [true, 1]);
  const socket = dial(apps.port);
  await once(socket, 'connect');
  const result = await new Promise<CarrierResult>((resolve) => request?.accept().splice(socket, resolve));
  assert.equal(result.error?.code, 'closed');
  assert.equal(socket.destroyed, true);
});

test('an end that is let go before it was spliced takes the other one with it', async () => {
  await using apps = await listen((socket) => void socket.resume());
  await using server = await listenHbone((request) => request.reject(503));
  await using pool = createHbonePool<string>(environment);
  const session = await pool.session(targetOf(server.port));
  const socket = dial(apps.port);
  await once(socket, 'connect');
  const done = Promise.withResolvers<CarrierResult>();
  const { stream } = await openLocalTunnel({
    session,
    connection: session,
    opening,
    onTunnel: (request) => request.accept().splice(socket, done.resolve),
  });
  stream.reset();
  assert.equal((await done.promise).error?.code, 'reset');
  assert.equal(session.isUsed, false);
});
