import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { until } from '@ambit/mesh/testing';
import { requireSandbox } from '../world/sandbox.ts';
import { AgentWithPeer, CLIENT_ID, PEER_IP, SERVER_ID, SERVER_IP } from './agent-with-peer.ts';
import { askRole, exchangeBytes, startRole, tlsArguments } from './peers.ts';

const PORT = 9200;

/** What `odd-client` reports of one case (go/odd_client.go). */
interface OddOutcome {
  readonly name: string;
  readonly outcome: string;
  /** A usual tunnel on the same connection went well afterwards. */
  readonly lives: boolean;
}

/** Each case, what comes of it, and whether the connection lives on. */
const CLIENT_CASES: readonly OddOutcome[] = [
  { name: 'data with the request', outcome: 'echoed', lives: true },
  { name: 'priorities and unknown frames', outcome: 'echoed', lives: true },
  { name: 'an indexed header table that changes its size', outcome: 'echoed', lives: true },
  { name: 'sixty unknown headers over CONTINUATION frames', outcome: 'echoed', lives: true },
  { name: 'a header list over the limit', outcome: '431', lives: true },
  { name: 'a header block over the limit', outcome: 'GOAWAY ENHANCE_YOUR_CALM', lives: false },
  { name: 'two hundred headers', outcome: '431', lives: true },
  { name: 'requests given up at once', outcome: 'echoed', lives: true },
  { name: 'a tunnel reset while it lives', outcome: 'reset', lives: true },
  { name: 'trailers', outcome: 'echoed', lives: true },
  { name: 'padding', outcome: 'echoed', lives: true },
  { name: 'nothing to say', outcome: 'echoed', lives: true },
  { name: 'a window of one byte that grows', outcome: 'echoed', lives: true },
  { name: 'settings that change on the way', outcome: 'echoed', lives: true },
  { name: 'PING', outcome: 'answered', lives: true },
  { name: 'GOAWAY while a tunnel lives', outcome: 'echoed', lives: true },
  { name: 'GET', outcome: '400', lives: true },
  { name: 'CONNECT with scheme and path', outcome: 'PROTOCOL_ERROR', lives: true },
  { name: 'CONNECT for WebSockets', outcome: 'PROTOCOL_ERROR', lives: true },
  { name: 'no authority', outcome: '400', lives: true },
  { name: 'an authority that is no address', outcome: '400', lives: true },
  { name: 'an authority of somebody else', outcome: '400', lives: true },
  { name: 'a port of the node agent', outcome: '503', lives: true },
  { name: 'an upper-case header', outcome: 'PROTOCOL_ERROR', lives: true },
  { name: 'a header of HTTP/1', outcome: 'PROTOCOL_ERROR', lives: true },
  { name: 'HTTP/1 in place of frames', outcome: 'GOAWAY FRAME_SIZE_ERROR', lives: false },
];

/** Each case of `odd-server`, how many of the captured connections (six unless it says otherwise) come through, and over how many to the server. */
const SERVER_CASES: readonly {
  readonly name: string;
  readonly count?: number;
  readonly good: number;
  readonly connections?: number;
}[] = [
  { name: 'settings come late', good: 6, connections: 1 },
  { name: 'interim answers', good: 6, connections: 1 },
  { name: 'trailers', good: 6, connections: 1 },
  { name: 'priorities and unknown frames', good: 6, connections: 1 },
  { name: 'an indexed header table that changes its size', good: 6, connections: 1 },
  { name: 'a window of one byte that grows', good: 6, connections: 1 },
  { name: 'one byte a frame, padded', good: 6, connections: 1 },
  { name: 'the first stream is refused', good: 6 },
  { name: 'a graceful GOAWAY under way', good: 6 },
  { name: 'GOAWAY that takes the first stream only', count: 2, good: 2, connections: 2 },
  { name: 'reset without an error after the end', good: 6, connections: 1 },
  { name: 'reset with an error', good: 0 },
  { name: 'a refusal with words', good: 0 },
  { name: 'a promise', good: 0 },
  { name: 'an answer with too many headers', good: 0 },
  { name: 'no answer in HTTP', good: 0 },
  { name: 'no CONNECT but its own request', good: 0 },
];

describe('peers that do unusual things, frame by frame', { skip: requireSandbox() }, () => {
  let world: AgentWithPeer;
  const running = new AsyncDisposableStack();

  before(async () => {
    world = running.use(await AgentWithPeer.start({ name: 'interop-odd' }));
    running.use(await startRole(world.inPod('server'), 'tcp-server', ['-listen', `:${PORT}`]));
  });
  afterEach((t) => {
    if ('passed' in t && !t.passed) console.error(world.log, world.accessLog.slice(-5000));
  });
  after(() => running.disposeAsync());

  test('clients', async () => {
    const outcomes = await askRole<OddOutcome>(world.onPeer, 'odd-client', [
      ...['-proxy', `${SERVER_IP}:15008`, '-target', `${SERVER_IP}:${PORT}`, '-peer', SERVER_ID],
      ...tlsArguments(world.peer),
    ]);
    assert.deepEqual(outcomes, CLIENT_CASES);
  });

  for (const { name, count = 6, good, connections } of SERVER_CASES) {
    test(`a server: ${name}`, async () => {
      const args = ['-case', name, '-peer', CLIENT_ID, ...tlsArguments(world.peer)];
      await using server = await startRole(world.onPeer, 'odd-server', args);
      const results = await exchangeBytes(world.inPod('client'), `${PEER_IP}:${PORT}`, { bytes: 5000, count });
      assert.equal(results.filter(({ ok }) => ok).length, good, JSON.stringify(results, null, 1));
      assert.ok(good > 0 || results.every(({ received }) => received === 0));
      if (connections !== undefined) {
        const used = server.lines.slice(1).map((line) => Object(JSON.parse(line)).connection);
        assert.equal(new Set(used).size, connections);
      }
    });
  }

  test('after all that, the agent serves on', async () => {
    await using _ = await startRole(world.onPeer, 'hbone-server', tlsArguments(world.peer));
    await using app = await startRole(world.onPeer, 'tcp-server', ['-listen', `:${PORT}`]);
    const [result] = await exchangeBytes(world.inPod('client'), `${PEER_IP}:${PORT}`);
    assert.equal(result?.ok, true, result?.error);
    await until('the application was reached', () => app.lines.some((line) => line.includes('accepted')));
  });
});
