import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import net, { type Socket } from 'node:net';
import { test } from 'node:test';
import { type GrpcProbe, parsePort, parseSocketAddress } from '@ambit/mesh/model';
import { answerGrpc } from './answer-grpc.ts';
import { askGrpc, type GrpcAnswer } from './ask-grpc.ts';
import { NotAProbeError } from './errors.ts';
import { nextBytes } from './socket-bytes.ts';

const PROBE: GrpcProbe = { kind: 'grpc', port: parsePort(9000), timeoutMs: 1000, service: 'live' };
const ADDRESS = parseSocketAddress('10.0.0.1:9000');

/** Both ends of a TCP connection, the second accepted as the agent accepts. */
async function connection(): Promise<{ readonly near: Socket; readonly far: Socket } & Disposable> {
  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  const near = net.connect(address.port, '127.0.0.1').on('error', () => {});
  // As what the agent dials comes.
  near.pause();
  near.allowHalfOpen = true;
  const [accepted]: unknown[] = await once(server, 'connection');
  assert.ok(accepted instanceof net.Socket);
  const far = accepted.on('error', () => {});
  server.close();
  return {
    near,
    far,
    [Symbol.dispose]: () => {
      near.destroy();
      far.destroy();
    },
  };
}

const signal = (): AbortSignal => AbortSignal.timeout(10_000);

for (const answer of [
  { kind: 'health', health: 1 },
  { kind: 'health', health: 2 },
  { kind: 'refused', code: 12 },
] as const satisfies readonly GrpcAnswer[]) {
  test(`askGrpc() is told by answerGrpc() ${JSON.stringify(answer)}`, async () => {
    using pair = await connection();
    const asking = askGrpc(PROBE, ADDRESS, pair.near, signal());
    const first = await nextBytes(pair.far, signal());
    pair.far.unshift(first);
    const asked: GrpcProbe[] = [];
    const answering = answerGrpc(
      pair.far,
      [PROBE],
      async (probe) => {
        asked.push(probe);
        return answer;
      },
      signal(),
    );
    assert.deepEqual(await Promise.all([asking, answering]), [answer, answer]);
    assert.deepEqual(asked, [PROBE]);
  });
}

test('answerGrpc() tells that the application cannot be asked', async () => {
  using pair = await connection();
  const asking = askGrpc(PROBE, ADDRESS, pair.near, signal());
  const answering = answerGrpc(pair.far, [PROBE], () => Promise.reject(new Error('nobody')), signal());
  await Promise.all([
    assert.rejects(answering, /nobody/),
    asking.then((answer) => assert.deepEqual(answer, { kind: 'refused', code: 14 })),
  ]);
});

test('answerGrpc() answers nobody who asks for another service, and not before it is asked', async () => {
  using pair = await connection();
  const never = (): Promise<GrpcAnswer> => assert.fail('asked');
  const asking = askGrpc({ ...PROBE, service: 'other' }, ADDRESS, pair.near, signal());
  await Promise.all([
    assert.rejects(asking),
    assert.rejects(answerGrpc(pair.far, [PROBE], never, signal()), NotAProbeError),
  ]);
  using idle = await connection();
  const stop = new AbortController();
  const waiting = answerGrpc(idle.far, [PROBE], never, stop.signal);
  idle.near.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  stop.abort();
  await assert.rejects(waiting, NotAProbeError);
});

test('askGrpc() fails on a server that speaks no gRPC, goes away, or does not answer', async () => {
  for (const misbehave of [
    (far: Socket) => far.end('HTTP/1.1 400 Bad Request\r\n\r\n'),
    (far: Socket) => far.destroy(),
    (far: Socket) => {
      http2
        .performServerHandshake(far)
        .on('error', () => {})
        .on('stream', (stream) => stream.on('error', () => {}).respond({ ':status': 404 }, { endStream: true }));
    },
  ]) {
    using pair = await connection();
    const asking = askGrpc(PROBE, ADDRESS, pair.near, signal());
    misbehave(pair.far.resume());
    await assert.rejects(asking);
  }
  using silent = await connection();
  await assert.rejects(askGrpc(PROBE, ADDRESS, silent.near, AbortSignal.timeout(50)));
});
