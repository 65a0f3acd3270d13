import { once } from 'node:events';
import type { ClientHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { formatSocketAddress, type GrpcProbe, type SocketAddress } from '@ambit/mesh/model';
import { decodeHealthResponse, encodeHealthRequest, HEALTH_CHECK_PATH, type HealthStatus } from '@ambit/mesh/wire';
import { frameMessage, readMessage, unframeMessage } from './health-message.ts';

/** What the application says of itself, or the status it refused the call with. */
export type GrpcAnswer =
  | { readonly kind: 'health'; readonly health: HealthStatus }
  | { readonly kind: 'refused'; readonly code: number };

/** What all answers of a gRPC server are limited to, and ours: no peer of a probe has use for more. */
export const HTTP2_LIMITS = { maxSessionMemory: 1, maxHeaderListPairs: 32, maxOutstandingPings: 2 } as const;

const CODE_MAX = 16;

/** Performs a declared gRPC probe over `socket`, which is closed afterwards. Rejects when there is no answer. */
export async function askGrpc(
  probe: GrpcProbe,
  address: SocketAddress,
  socket: Socket,
  signal: AbortSignal,
): Promise<GrpcAnswer> {
  // Most pods have no such probe: their agent does without this module.
  const { connect } = await import('node:http2');
  // A session takes over the handle as it is: a paused socket's does not read yet. It ends with either side.
  socket.allowHalfOpen = false;
  socket.read(0);
  const session = connect(`http://${formatSocketAddress(address)}`, {
    ...HTTP2_LIMITS,
    createConnection: () => socket,
    settings: { enablePush: false },
  });
  const failed = new Promise<never>((_, reject) => {
    session.on('error', reject);
    session.on('close', () => reject(new Error('the application ended without an answer')));
  });
  failed.catch(() => {});
  const abort = (): void => session.destroy(new Error('given up'));
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    const stream = session.request({
      ':method': 'POST',
      ':path': HEALTH_CHECK_PATH,
      'content-type': 'application/grpc',
      te: 'trailers',
      'user-agent': 'kube-probe/ambit',
      'grpc-timeout': `${probe.timeoutMs}m`,
    });
    stream.on('error', () => {});
    stream.end(frameMessage(encodeHealthRequest(probe.service)));
    return await Promise.race([readAnswer(stream), failed]);
  } finally {
    signal.removeEventListener('abort', abort);
    session.destroy();
    socket.destroy();
  }
}

async function readAnswer(stream: ClientHttp2Stream): Promise<GrpcAnswer> {
  let trailers: unknown;
  stream.once('trailers', (found: unknown) => {
    trailers = found;
  });
  const [headers]: unknown[] = await once(stream, 'response');
  if (fieldOf(headers, ':status') !== '200') throw new Error('the application does not speak gRPC');
  const body = await readMessage(stream);
  const code = codeOf(trailers) ?? codeOf(headers);
  if (code === null) throw new Error('the application does not speak gRPC');
  if (code !== 0) return { kind: 'refused', code };
  const message = unframeMessage(body);
  if (message === null) throw new Error('the application does not speak gRPC');
  return { kind: 'health', health: decodeHealthResponse(message) };
}

function codeOf(headers: unknown): number | null {
  const text = fieldOf(headers, 'grpc-status');
  const code = text === undefined || !/^\d{1,2}$/.test(text) ? Number.NaN : Number(text);
  return code <= CODE_MAX ? code : null;
}

function fieldOf(headers: unknown, name: string): string | undefined {
  if (typeof headers !== 'object' || headers === null) return undefined;
  const value: unknown = Reflect.get(headers, name);
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}
