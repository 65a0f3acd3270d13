import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import net from 'node:net';
import { describe, test } from 'node:test';
import { checkLeaks } from '../testing/leak-check.ts';
import { dial, environment, identityOf, listen, listenHbone, targetOf, webSvid } from '../testing/tunnel-world.ts';
import { until } from '../testing/until.ts';
import { secureContextOf } from '../tls/secure-context.ts';
import type { CarrierResult } from './carrier.ts';
import { CarrierDuplex } from './carrier-duplex.ts';
import { HboneError } from './errors.ts';
import { createHbonePool } from './pool.ts';
import { connectHbone } from './session.ts';
import type { HboneSession, TunnelRequest, TunnelStream } from './tunnel.ts';

checkLeaks();

const AUTHORITY = 'web.shop.svc.cluster.local:80';

/** A tunnel through the tunnel to a gateway, which hands its bytes on to the server it knows. */
interface Nested extends AsyncDisposable {
  readonly session: HboneSession<string>;
  /** The gateway ends what it carries. */
  readonly cutOuter: () => void;
  readonly outerDone: () => boolean;
}

async function nested(
  onTunnel: (request: TunnelRequest<string>) => void,
  verifyPeer: (der: Buffer) => string = identityOf,
): Promise<Nested> {
  const stack = new AsyncDisposableStack();
  const server = stack.use(await listenHbone(onTunnel));
  let isOver = false;
  let carried: TunnelStream | undefined;
  const gateway = stack.use(
    await listenHbone((request) =>
      handOn(
        request,
        server.port,
        () => (isOver = true),
        (stream) => (carried = stream),
      ),
    ),
  );
  const pool = stack.use(createHbonePool<string>(environment));
  const { stream: outer } = await pool.openTunnel(targetOf(gateway.port), { authority: AUTHORITY, headers: [] });
  const connect = connectHbone<string>({
    ...environment,
    openSocket: () => new CarrierDuplex(outer, environment.clock),
    secureContext: secureContextOf(webSvid),
    verifyPeer,
  });
  try {
    const session = await connect;
    stack.defer(() => session.destroy(new HboneError('draining')));
    return {
      session,
      cutOuter: () => carried?.cut('test'),
      outerDone: () => isOver,
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

function handOn(
  request: TunnelRequest<string>,
  port: number,
  onDone: () => void = () => {},
  onStream: (stream: TunnelStream) => void = () => {},
): void {
  const socket = dial(port).pause();
  socket.once('connect', () => {
    const stream = request.accept();
    onStream(stream);
    stream.splice(socket, onDone);
  });
}

/** An application that ends when its caller does, after what `answer` makes of what it heard. */
function startApplication(answer: (heard: Buffer) => Buffer): ReturnType<typeof listen> {
  return listen((socket) => {
    const heard: Buffer[] = [];
    socket
      .on('data', (chunk: Buffer) => heard.push(chunk))
      .on('end', () => socket.end(answer(Buffer.concat(heard))))
      .resume();
  });
}

async function call(
  session: HboneSession<string>,
  body: Buffer,
): Promise<{ readonly answer: Buffer; readonly result: CarrierResult }> {
  const { stream } = await session.openTunnel({ authority: AUTHORITY, headers: [] });
  const { promise, resolve } = Promise.withResolvers<CarrierResult>();
  await using entrance = await listen((socket) => stream.splice(socket, resolve));
  const caller = net.connect({ port: entrance.port, host: '127.0.0.1', allowHalfOpen: true });
  caller.end(body);
  const answer: Buffer[] = [];
  for await (const chunk of caller) answer.push(chunk as Buffer); // A socket without encoding gives buffers.
  return { answer: Buffer.concat(answer), result: await promise };
}

describe('a tunnel within a tunnel', () => {
  test('is to whoever is behind the gateway, which reads nothing of it', async () => {
    const asked: string[] = [];
    await using application = await startApplication((heard) => Buffer.from(`heard ${heard.toString()}`));
    await using world = await nested((request) => {
      asked.push(request.connection.peer, request.authority);
      handOn(request, application.port);
    });
    const { answer, result } = await call(world.session, Buffer.from('hello'));
    assert.equal(answer.toString(), 'heard hello');
    assert.deepEqual(result, { bytesSent: 5, bytesReceived: 11 });
    assert.deepEqual(
      [world.session.peer, ...asked],
      ['spiffe://cluster.local/ns/shop/sa/db', 'spiffe://cluster.local/ns/shop/sa/web', AUTHORITY],
    );
  });

  test('carries many bytes both ways, whole and in order, and ends the one around it', async () => {
    const body = Buffer.alloc(24 * 1024 * 1024, 'the same bytes again and again, of an odd length;');
    await using application = await startApplication((heard) => Buffer.concat([heard, heard]));
    await using world = await nested((request) => handOn(request, application.port));
    const { answer, result } = await call(world.session, body);
    const hash = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
    assert.equal(hash(answer), hash(Buffer.concat([body, body])));
    assert.deepEqual(result, { bytesSent: body.length, bytesReceived: 2 * body.length });
    world.session.drain();
    await until('the outer tunnel is over', world.outerDone);
  });

  test('of another peer than expected is not opened, and nothing is left of the one around it', async () => {
    const refuse = (): string => {
      throw new Error('not this one');
    };
    await assert.rejects(
      nested((request) => request.reject(503), refuse),
      (error) => error instanceof HboneError && error.code === 'identity',
    );
  });

  test('is refused by the status that the far end gives', async () => {
    await using world = await nested((request) => request.reject(401));
    await assert.rejects(
      world.session.openTunnel({ authority: AUTHORITY, headers: [] }),
      (error) => error instanceof HboneError && error.code === 'refused-status' && error.data['status'] === 401,
    );
  });

  test('ends with the tunnel around it', async () => {
    await using application = await startApplication((heard) => heard);
    await using world = await nested((request) => handOn(request, application.port));
    const { stream } = await world.session.openTunnel({ authority: AUTHORITY, headers: [] });
    const { promise, resolve } = Promise.withResolvers<CarrierResult>();
    stream.read({ onBytes: () => {}, onEnd: () => {}, onClose: resolve });
    world.cutOuter();
    assert.equal((await promise).error?.code, 'closed');
  });
});
