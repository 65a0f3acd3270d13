import { once } from 'node:events';
import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import type { GrpcProbe, Probe } from '@ambit/mesh/model';
import { decodeHealthRequest, encodeHealthResponse, HEALTH_CHECK_PATH, WireError } from '@ambit/mesh/wire';
import { type GrpcAnswer, HTTP2_LIMITS } from './ask-grpc.ts';
import { NotAProbeError } from './errors.ts';
import { frameMessage, readMessage, unframeMessage } from './health-message.ts';
import { matchGrpcProbe } from './match-probe.ts';

const UNAVAILABLE = 14;

/**
 * Serves one health check on `socket`, which has begun to speak HTTP/2, and closes it. `ask` gives the application's answer to
 * the probe that was matched; when it rejects, the caller is told that the application is unavailable, and this rejects alike.
 * @throws NotAProbeError for any other request; the caller then gets no answer.
 */
export async function answerGrpc(
  socket: Socket,
  probes: readonly Probe[],
  ask: (probe: GrpcProbe) => Promise<GrpcAnswer>,
  signal: AbortSignal,
): Promise<GrpcAnswer> {
  const { performServerHandshake } = await import('node:http2');
  // A session takes over the handle as it is: a paused socket's does not read yet. It ends with either side.
  socket.allowHalfOpen = false;
  socket.read(0);
  const session = performServerHandshake(socket, {
    ...HTTP2_LIMITS,
    settings: { maxConcurrentStreams: 1, maxHeaderListSize: 8192, initialWindowSize: 65_535 },
  });
  session.on('error', () => {});
  const onAbort = (): void => session.destroy();
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    const [stream, probe] = await readRequest(session, probes);
    let answer: GrpcAnswer;
    try {
      answer = await ask(probe);
    } catch (error) {
      await respond(session, stream, { kind: 'refused', code: UNAVAILABLE });
      throw error;
    }
    await respond(session, stream, answer);
    return answer;
  } finally {
    signal.removeEventListener('abort', onAbort);
    session.destroy();
    socket.destroy();
  }
}

async function readRequest(
  session: ServerHttp2Session,
  probes: readonly Probe[],
): Promise<readonly [ServerHttp2Stream, GrpcProbe]> {
  const closed = once(session, 'close').then(() => {
    throw new NotAProbeError('ended without a request');
  });
  const [stream, headers] = await Promise.race([firstStream(session), closed]);
  // The one stream is under way: whoever opens another is no kubelet.
  session.on('stream', () => session.destroy());
  const type = headers['content-type'] ?? '';
  const isCheck =
    headers[':method'] === 'POST' && headers[':path'] === HEALTH_CHECK_PATH && type.startsWith('application/grpc');
  if (!isCheck) throw new NotAProbeError('not a health check');
  const message = unframeMessage(await Promise.race([readMessage(stream), closed]));
  const probe = message === null ? undefined : matchGrpcProbe(probes, serviceIn(message));
  if (probe === undefined) throw new NotAProbeError('not a declared service');
  return [stream, probe];
}

function firstStream(session: ServerHttp2Session): Promise<readonly [ServerHttp2Stream, IncomingHttpHeaders]> {
  return new Promise((resolve) => {
    session.once('stream', (stream, headers) => {
      stream.on('error', () => {});
      resolve([stream, headers]);
    });
  });
}

function serviceIn(message: Uint8Array): string {
  try {
    return decodeHealthRequest(message);
  } catch (cause) {
    if (cause instanceof WireError) throw new NotAProbeError('not a health check', { cause });
    throw cause;
  }
}

/** Resolves once the caller has it, or has gone. */
async function respond(session: ServerHttp2Session, stream: ServerHttp2Stream, answer: GrpcAnswer): Promise<void> {
  if (stream.destroyed || session.destroyed) return;
  const closed = once(stream, 'close');
  const headers = { ':status': 200, 'content-type': 'application/grpc' };
  if (answer.kind === 'health') {
    stream.respond(headers, { waitForTrailers: true });
    stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(frameMessage(encodeHealthResponse(answer.health)));
  } else stream.respond({ ...headers, 'grpc-status': String(answer.code) }, { endStream: true });
  await closed;
  if (session.destroyed) return;
  const gone = once(session, 'close');
  session.close();
  await gone;
}
