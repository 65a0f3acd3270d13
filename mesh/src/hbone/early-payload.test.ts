import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { frameOf, type Http2Peer, statusBlock, uint32 } from '../testing/http2-peer.ts';
import { dial, environment, listen, listenHbone, targetOf, withPeers } from '../testing/tunnel-world.ts';
import { until } from '../testing/until.ts';
import { encodeGoaway, FrameFlag, FrameType, Http2Code } from './frame-codec.ts';
import { createHbonePool } from './pool.ts';
import type { HbonePool } from './contract.ts';
import type { CarrierResult } from './carrier.ts';
import type { OpenedTunnel } from './tunnel.ts';

const { data, headers, rstStream } = FrameType;
const { none, endHeaders, endStream } = FrameFlag;
const answer = (id: number, status = 200): Buffer => frameOf(headers, endHeaders, id, statusBlock(status));
const refusal = (id: number, status: number): Buffer =>
  frameOf(headers, endHeaders | endStream, id, statusBlock(status));

/** An application's connection: its own end, and ours, which the tunnel is for. */
async function withApplication(run: (application: Socket, source: Socket) => Promise<void>): Promise<void> {
  const accepted = Promise.withResolvers<Socket>();
  await using captured = await listen(accepted.resolve);
  const application = dial(captured.port);
  await run(application, await accepted.promise);
  application.destroy();
}

function open(pool: HbonePool<string>, port: number, source: Socket): Promise<OpenedTunnel<string>> {
  return pool.openTunnel(targetOf(port), { authority: '10.0.0.1:80', headers: [], source });
}

function splice({ stream }: OpenedTunnel<string>, source: Socket): Promise<CarrierResult> {
  return new Promise((resolve) => stream.splice(source, resolve));
}

function text(peer: Http2Peer, id: number): string {
  return Buffer.concat(peer.of(data, id).map(({ payload }) => payload)).toString();
}

const peerAt = (peers: readonly Http2Peer[], index: number): Promise<Http2Peer> =>
  until(`session ${index}`, () => peers[index]);

test('the first words of an application arrive before its request is answered, the rest after', async () => {
  await withPeers(async (port, peers, pool) => {
    await withApplication(async (application, source) => {
      application.write('hello');
      const request = open(pool, port, source);
      const peer = await peerAt(peers, 0);
      await until('the payload', () => text(peer, 1) === 'hello');
      application.write(' and more');
      peer.send(answer(1), frameOf(data, none, 1, Buffer.from('welcome')));
      const done = splice(await request, source);
      assert.equal(String((await once(application, 'data'))[0]), 'welcome');
      await until('the rest', () => text(peer, 1) === 'hello and more');
      application.end();
      await until('the end', () => peer.of(data, 1).some(({ flags }) => (flags & endStream) !== 0));
      peer.send(frameOf(data, endStream, 1));
      assert.deepEqual(await done, { bytesSent: 14, bytesReceived: 7 });
    });
  });
});

test('an application that speaks and ends before the answer is heard whole', async () => {
  await withPeers(async (port, peers, pool) => {
    await withApplication(async (application, source) => {
      const request = open(pool, port, source);
      const peer = await peerAt(peers, 0);
      await peer.receive(headers, 1);
      application.end('all I have to say');
      await until('the payload', () => text(peer, 1) === 'all I have to say');
      peer.send(answer(1));
      const done = splice(await request, source);
      await until('the end', () => peer.of(data, 1).some(({ flags }) => (flags & endStream) !== 0));
      peer.send(frameOf(data, endStream, 1, Buffer.from('bye')));
      assert.equal(String((await once(application, 'data'))[0]), 'bye');
      assert.deepEqual(await done, { bytesSent: 17, bytesReceived: 3 });
    });
  });
});

const unprocessed: readonly { readonly name: string; readonly act: (peer: Http2Peer) => void }[] = [
  { name: 'GOAWAY before the request', act: (peer) => peer.send(encodeGoaway(0, 0)) },
  {
    name: 'that it refused the stream',
    act: (peer) => peer.send(frameOf(rstStream, none, 1, uint32(Http2Code.refusedStream))),
  },
];

for (const { name, act } of unprocessed) {
  test(`what was said is said again on another session when the peer says ${name}`, async () => {
    await withPeers(async (port, peers, pool) => {
      await withApplication(async (application, source) => {
        application.write('once');
        const request = open(pool, port, source);
        const first = await peerAt(peers, 0);
        await until('the payload', () => text(first, 1) === 'once');
        act(first);
        const second = await peerAt(peers, 1);
        await until('the payload again', () => text(second, 1) === 'once');
        second.send(answer(1));
        const done = splice(await request, source);
        application.end(' upon a time');
        await until('the rest', () => text(second, 1) === 'once upon a time');
        second.send(frameOf(data, endStream, 1));
        assert.equal((await done).bytesSent, 16);
      });
    });
  });
}

test('what was said to nobody who heard it is said by a later attempt of the caller', async () => {
  await using gone = await listen(() => {});
  const { port: nobody } = gone;
  await gone[Symbol.asyncDispose]();
  await withPeers(async (port, peers, pool) => {
    await withApplication(async (application, source) => {
      application.write('once');
      const opening = { authority: '10.0.0.1:80', headers: [], source };
      const ports = [port, nobody];
      const leaves = pool.openTunnel({ ...targetOf(port), openSocket: () => dial(ports.shift() ?? nobody) }, opening);
      const first = await peerAt(peers, 0);
      await until('the payload', () => text(first, 1) === 'once');
      first.send(encodeGoaway(0, 0));
      first.socket.end();
      await assert.rejects(leaves, { code: 'connect' });
      const request = pool.openTunnel(targetOf(port, 'another'), opening);
      const second = await peerAt(peers, 1);
      await until('the payload again', () => text(second, 1) === 'once');
      second.send(answer(1));
      const done = splice(await request, source);
      application.end(' upon a time');
      await until('the rest', () => text(second, 1) === 'once upon a time');
      second.send(frameOf(data, endStream, 1));
      assert.equal((await done).bytesSent, 16);
    });
  });
});

test('nothing is said twice when the session died and an application may have heard it', async () => {
  await withPeers(async (port, peers, pool) => {
    await withApplication(async (application, source) => {
      application.write('pay 100');
      const request = open(pool, port, source);
      const peer = await peerAt(peers, 0);
      await until('the payload', () => text(peer, 1) === 'pay 100');
      peer.socket.destroy();
      await assert.rejects(request, { code: 'closed' });
      assert.equal(peers.length, 1);
      assert.equal(source.destroyed, false, 'the socket stays the caller’s');
    });
  });
});

test('a silent application is no reason not to repeat a request whose session died', async () => {
  await withPeers(async (port, peers, pool) => {
    await withApplication(async (application, source) => {
      const request = open(pool, port, source);
      const first = await peerAt(peers, 0);
      await first.receive(headers, 1);
      first.socket.destroy();
      const second = await peerAt(peers, 1);
      await second.receive(headers, 1);
      application.write('late');
      await until('the payload', () => text(second, 1) === 'late');
      second.send(answer(1));
      const done = splice(await request, source);
      application.end();
      second.send(frameOf(data, endStream, 1));
      assert.deepEqual(await done, { bytesSent: 4, bytesReceived: 0 });
    });
  });
});

test('a refused tunnel leaves the socket to the caller', async () => {
  await withPeers(async (port, peers, pool) => {
    await withApplication(async (application, source) => {
      application.write('may I?');
      const request = open(pool, port, source);
      const peer = await peerAt(peers, 0);
      await until('the payload', () => text(peer, 1) === 'may I?');
      peer.send(refusal(1, 401));
      await assert.rejects(request, { code: 'refused-status' });
      assert.equal(source.destroyed, false);
      source.resetAndDestroy();
      await until('the application is told', () => application.destroyed);
    });
  });
});

test('an application that is gone before the answer ends its tunnel', async () => {
  await withPeers(async (port, peers, pool) => {
    await withApplication(async (application, source) => {
      application.write('never mind');
      const request = open(pool, port, source);
      const peer = await peerAt(peers, 0);
      await until('the payload', () => text(peer, 1) === 'never mind');
      application.resetAndDestroy();
      await until('it is gone', () => application.destroyed);
      peer.send(answer(1));
      const result = await splice(await request, source);
      assert.equal(result.error?.code, 'socket');
      assert.equal(await peer.resetCode(1), Http2Code.connectError);
    });
  });
});

for (const publicApiOnly of [false, true]) {
  test(`a large first write arrives whole, in order (${publicApiOnly ? 'public API' : 'internals'})`, async () => {
    const received: Buffer[] = [];
    const ended = Promise.withResolvers<void>();
    await using server = await listenHbone((request) => {
      // Answered late, so that the windows of a session that has heard no settings yet are in play.
      setTimeout(() => {
        const stream = request.accept();
        stream.read({
          onBytes: (memory, start, end) => void received.push(Buffer.from(memory.subarray(start, end))),
          onEnd: () => stream.end(),
          onClose: () => ended.resolve(),
        });
      }, 20);
    });
    await using pool = createHbonePool<string>({ ...environment, publicApiOnly });
    await withApplication(async (application, source) => {
      const sent = Buffer.alloc(3_000_000, 'abcdefg');
      application.end(sent);
      application.resume();
      const done = splice(await open(pool, server.port, source), source);
      await ended.promise;
      assert.ok(Buffer.concat(received).equals(sent));
      assert.deepEqual(await done, { bytesSent: sent.length, bytesReceived: 0 });
    });
  });
}

test('what waits for answers is bounded; beyond that it is sent all the same, but not twice', async () => {
  const connections = 80;
  const bytes = 128 * 1024;
  await withPeers(
    async (port, peers, pool) => {
      await using captured = await listen((source) => {
        open(pool, port, source).then(
          () => assert.fail('nobody answers'),
          (error) => errors.push(error.code),
        );
      });
      const errors: string[] = [];
      const applications = Array.from({ length: connections }, () => dial(captured.port));
      for (const application of applications) application.write(Buffer.alloc(bytes));
      const peer = await peerAt(peers, 0);
      await until('all have spoken', () => peer.of(headers).length === connections);
      await peer.settle();
      peer.send(encodeGoaway(0, 0));
      const second = await peerAt(peers, 1);
      await until('the kept ones come again', () => second.of(headers).length + errors.length === connections);
      assert.ok(second.of(headers).length >= 8, 'most fit');
      peer.socket.destroy();
      second.socket.destroy();
      await until('all have heard', () => errors.length === connections);
      for (const application of applications) application.destroy();
    },
    { settings: [[4, 1024 * 1024]], limits: { clientStreamsMax: connections } },
  );
});
