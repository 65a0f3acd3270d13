import type { Socket } from 'node:net';
import tls, { type TLSSocket } from 'node:tls';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { Logger } from '../runtime/logger.ts';
import { ALPN_H2 } from '../tls/handshake.ts';
import { secureContextDefaults } from '../tls/secure-context.ts';
import { ConnectionGate } from './connection-gate.ts';
import { limitMessages } from './limit-messages.ts';
import {
  ACCEPT_TIMEOUT_MS,
  CONNECTIONS_MAX,
  CONNECTIONS_PER_CALLER_MAX,
  FLOW_CONTROL_WINDOW_BYTES,
  HANDSHAKE_TIMEOUT_MS,
  KEEPALIVE_INTERVAL_MS,
  KEEPALIVE_TIMEOUT_MS,
  REQUEST_BYTES_MAX,
  RESPONSE_BYTES_MAX,
  STREAMS_PER_CONNECTION_MAX,
  UNACCEPTED_MAX,
  UNACCEPTED_PER_SOURCE_MAX,
} from './limits.ts';
import { ServerCalls } from './server-calls.ts';
import { registerServices, requestBytesMaxOf } from './server-methods.ts';
import type { GrpcServices } from './services.ts';

/** What the server shows, and whom it believes. */
export interface GrpcServerTls {
  readonly privateKeyPem: string;
  /** Leaf first. Ends with the root when joining nodes are to find the one their token names. */
  readonly chainPem: string;
  /**
   * Roots of client certificates. A client may come without one; with one that does not chain to these it is cut off. Absent:
   * clients are not asked for any; that cannot change while the server runs.
   */
  readonly clientRootsPem?: string;
}

export interface GrpcServerOptions {
  readonly host: string;
  /** 0 picks one. */
  readonly port: number;
  readonly tls: GrpcServerTls;
  readonly services: GrpcServices;
  readonly logger: Logger;
  /** Replaces single bounds of limits.ts. */
  readonly limits?: {
    readonly connectionsMax?: number;
    readonly connectionsPerCallerMax?: number;
    readonly requestBytesMax?: number;
    readonly unacceptedMax?: number;
    readonly unacceptedPerSourceMax?: number;
    readonly acceptTimeoutMs?: number;
  };
}

/** A running server. Disposing it ends every stream and connection at once. */
export interface GrpcServer extends AsyncDisposable {
  readonly port: number;
  readonly connectionCount: number;
  /** New connections use these; the others go on. */
  updateTls(settings: GrpcServerTls): void;
}

/** Listens with TLS 1.3 and `h2`. @throws the system's error when the address cannot be bound. */
export async function startGrpcServer(options: GrpcServerOptions): Promise<GrpcServer> {
  const { logger, limits = {} } = options;
  const requestBytesMax = limits.requestBytesMax ?? REQUEST_BYTES_MAX;
  const grpc = new Server({
    'grpc.max_receive_message_length': requestBytesMax,
    'grpc.max_send_message_length': RESPONSE_BYTES_MAX,
    'grpc.max_concurrent_streams': STREAMS_PER_CONNECTION_MAX,
    'grpc.keepalive_time_ms': KEEPALIVE_INTERVAL_MS,
    'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
    'grpc-node.flow_control_window': FLOW_CONTROL_WINDOW_BYTES,
    'grpc.enable_channelz': 0,
    interceptors: [limitMessages((path) => Math.min(requestBytesMax, requestBytesMaxOf(path)))],
  });
  const refused = (address: string | undefined, reason: string): void =>
    logger.warn('grpc connection refused', { 'peer.address': address, reason }, { limitBy: `${reason} ${address}` });
  const gate = new ConnectionGate(
    {
      unacceptedMax: limits.unacceptedMax ?? UNACCEPTED_MAX,
      perSourceMax: limits.unacceptedPerSourceMax ?? UNACCEPTED_PER_SOURCE_MAX,
      timeoutMs: limits.acceptTimeoutMs ?? ACCEPT_TIMEOUT_MS,
      perCallerMax: limits.connectionsPerCallerMax ?? CONNECTIONS_PER_CALLER_MAX,
    },
    (address, reason) => refused(address, reason),
  );
  registerServices(grpc, options.services, new ServerCalls(gate, logger));
  // TLS ends here and not in the library, which can ask for client certificates only by demanding them.
  const injector = grpc.createConnectionInjector(ServerCredentials.createInsecure());
  const connections = new Set<TLSSocket>();
  const server = tls.createServer(
    {
      ...secureContextDefaults,
      ...contextOptions(options.tls),
      requestCert: options.tls.clientRootsPem !== undefined,
      rejectUnauthorized: false,
      ALPNProtocols: [ALPN_H2],
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    },
    (socket) => {
      socket.on('error', (error) => logger.debug('grpc connection failed', { error }));
      const refusal = refusalOf(socket);
      if (refusal !== undefined) {
        refused(socket.remoteAddress, refusal);
        socket.destroy();
        return;
      }
      connections.add(socket);
      socket.once('close', () => connections.delete(socket));
      injector.injectConnection(socket);
    },
  );
  server.maxConnections = limits.connectionsMax ?? CONNECTIONS_MAX;
  server.on('connection', (socket: Socket) => gate.opened(socket));
  server.on('tlsClientError', (error) => logger.debug('grpc handshake failed', { error }));
  server.on('drop', (drop) => refused(drop?.remoteAddress, 'too-many-connections'));
  const port = await listen(server, options);
  server.on('error', (error) => logger.error('grpc server failed', { error }));
  return {
    port,
    get connectionCount() {
      return connections.size;
    },
    updateTls: (settings) => server.setSecureContext({ ...secureContextDefaults, ...contextOptions(settings) }),
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      injector.destroy();
      grpc.forceShutdown();
      for (const socket of connections) socket.destroy();
      await closed;
    },
  };
}

function contextOptions(settings: GrpcServerTls): tls.SecureContextOptions {
  const { privateKeyPem, chainPem, clientRootsPem } = settings;
  return { key: privateKeyPem, cert: chainPem, ...(clientRootsPem === undefined ? {} : { ca: clientRootsPem }) };
}

function refusalOf(socket: TLSSocket): string | undefined {
  if (socket.alpnProtocol !== ALPN_H2) return 'no-alpn';
  if (!socket.authorized && socket.getPeerX509Certificate() !== undefined) return String(socket.authorizationError);
  return undefined;
}

async function listen(server: tls.Server, options: GrpcServerOptions): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen({ host: options.host, port: options.port }, resolve);
  await promise;
  server.off('error', reject);
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : options.port;
}
