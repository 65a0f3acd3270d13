import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf';
import type { sendUnaryData, Server, ServerDuplexStream, ServerUnaryCall } from '@grpc/grpc-js';
import type { Logger } from '../runtime/logger.ts';
import {
  decodeDiscoveryRequest,
  DELTA_DISCOVERY_PATH,
  type DiscoveryRequest,
  encodeDiscoveryResponse,
} from '../wire/discovery-messages.ts';
import { WireError } from '../wire/errors.ts';
import {
  JoinRequestSchema,
  JoinResponseSchema,
  RenewRequestSchema,
  RenewResponseSchema,
} from '../wire/gen/ambit/node/v1/node_pb.ts';
import {
  IstioCertificateRequestSchema,
  IstioCertificateResponseSchema,
} from '../wire/gen/istio/v1/auth/certificate_pb.ts';
import { CREATE_CERTIFICATE_PATH, IMPERSONATED_IDENTITY } from './ca-client.ts';
import { GrpcError, toStatus } from './errors.ts';
import { JOIN_PATH, RENEW_PATH } from './node-identity-client.ts';
import { type GrpcPeer, peerOf } from './server-peer.ts';
import type { CertificateRequest, DiscoveryServerStream, GrpcServices } from './services.ts';

type DuplexCall = ServerDuplexStream<Buffer, Buffer>;
type UnaryHandler = (request: Buffer, peer: GrpcPeer, signal: AbortSignal) => Promise<Uint8Array>;

/** Adds the methods of the services that are there to a server. */
export function registerServices(server: Server, services: GrpcServices, logger: Logger): void {
  const { discovery, certificates, nodes } = services;
  if (discovery !== undefined) {
    const handler = (call: DuplexCall): void => void serveStream(call, discovery, logger);
    server.register(DELTA_DISCOVERY_PATH, handler, sameBytes, sameBytes, 'bidi');
  }
  if (certificates !== undefined) {
    registerUnary(server, logger, CREATE_CERTIFICATE_PATH, async (bytes, peer, signal) => {
      const message = decode(IstioCertificateRequestSchema, bytes);
      const request: CertificateRequest = {
        csrPem: message.csr,
        // What does not fit a number of seconds is beyond every limit, whichever way.
        validitySeconds: Number(message.validityDuration),
        impersonatedIdentity: textOf(message.metadata?.[IMPERSONATED_IDENTITY]),
      };
      const certChain = [...(await certificates.createCertificate(request, peer, signal))];
      return toBinary(IstioCertificateResponseSchema, create(IstioCertificateResponseSchema, { certChain }));
    });
  }
  if (nodes !== undefined) {
    registerUnary(server, logger, JOIN_PATH, async (bytes, peer) => {
      const { token, csr } = decode(JoinRequestSchema, bytes);
      const certChain = [...(await nodes.join({ token, csrPem: csr }, peer))];
      return toBinary(JoinResponseSchema, create(JoinResponseSchema, { certChain }));
    });
    registerUnary(server, logger, RENEW_PATH, async (bytes, peer) => {
      const { csr } = decode(RenewRequestSchema, bytes);
      const certChain = [...(await nodes.renew({ csrPem: csr }, peer))];
      return toBinary(RenewResponseSchema, create(RenewResponseSchema, { certChain }));
    });
  }
}

function registerUnary(server: Server, logger: Logger, path: string, handler: UnaryHandler): void {
  const serve = async (call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>): Promise<void> => {
    const gone = new AbortController();
    call.once('cancelled', () => gone.abort(new GrpcError('cancelled')));
    try {
      const answer = await handler(call.request, peerOf(call), gone.signal);
      done(null, Buffer.from(answer.buffer, answer.byteOffset, answer.byteLength));
    } catch (error) {
      logFailure(logger, path, error, gone.signal);
      done(toStatus(error));
    }
  };
  const handle = (call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>): void => void serve(call, done);
  server.register(path, handle, sameBytes, sameBytes, 'unary');
}

async function serveStream(
  call: DuplexCall,
  discovery: NonNullable<GrpcServices['discovery']>,
  logger: Logger,
): Promise<void> {
  const gone = new AbortController();
  // The library reports broken streams both ways; the handler learns it from the signal.
  call.on('error', () => {});
  call.once('cancelled', () => gone.abort(new GrpcError('cancelled')));
  const stream: DiscoveryServerStream = {
    peer: peerOf(call),
    requests: requestsOf(call, gone.signal),
    signal: gone.signal,
    send: (response) => sendMessage(call, encodeDiscoveryResponse(response), gone.signal),
  };
  try {
    await discovery(stream);
    call.end();
  } catch (error) {
    logFailure(logger, DELTA_DISCOVERY_PATH, error, gone.signal);
    if (!gone.signal.aborted) call.emit('error', toStatus(error));
  }
}

async function* requestsOf(call: DuplexCall, signal: AbortSignal): AsyncGenerator<DiscoveryRequest, void, void> {
  try {
    for await (const message of call.iterator({ destroyOnReturn: false })) {
      if (!(message instanceof Buffer)) throw new GrpcError('internal');
      yield decodeRequest(message);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

function sendMessage(call: DuplexCall, message: Uint8Array, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  if (signal.aborted) {
    reject(signal.reason);
    return promise;
  }
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  call.write(Buffer.from(message.buffer, message.byteOffset, message.byteLength), (error?: Error | null) => {
    if (error) reject(new GrpcError('unavailable', { cause: error }));
    else resolve();
  });
  return promise.finally(() => signal.removeEventListener('abort', onAbort));
}

/** Refusals are logged by whoever decided them, with the reason; here only what nobody expected. */
function logFailure(logger: Logger, path: string, error: unknown, signal: AbortSignal): void {
  if (error instanceof GrpcError || signal.aborted) return;
  logger.error('grpc handler failed', { 'grpc.method': path, error });
}

function decodeRequest(message: Uint8Array): DiscoveryRequest {
  try {
    return decodeDiscoveryRequest(new Uint8Array(message.buffer, message.byteOffset, message.byteLength));
  } catch (cause) {
    if (cause instanceof WireError) throw new GrpcError('invalid-argument', { cause });
    throw cause;
  }
}

function decode<Desc extends DescMessage>(schema: Desc, bytes: Uint8Array): MessageShape<Desc> {
  try {
    return fromBinary(schema, bytes);
  } catch (cause) {
    throw new GrpcError('invalid-argument', { cause });
  }
}

function sameBytes(message: Buffer): Buffer {
  return message;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
