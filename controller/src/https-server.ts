import type { ConnectionGate, GrpcServerTls } from '@ambit/mesh/grpc';
import type { Logger } from '@ambit/mesh/runtime';
import { secureContextDefaults } from '@ambit/mesh/tls';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type * as https from 'node:https';
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';

/** What a server shows; with `clientRootsPem` it cuts off every client without a certificate that chains to those. */
export type HttpsServerTls = GrpcServerTls;

export interface HttpsServerOptions {
  readonly host: string;
  /** 0 picks one. */
  readonly port: number;
  /** Whether clients are asked for certificates cannot change while the server runs. */
  readonly tls: HttpsServerTls;
  /** For the log. */
  readonly name: string;
  readonly limits: {
    readonly headersBytesMax: number;
    /** For a handshake, and for a request from its first byte to its last. */
    readonly requestMs: number;
    readonly keepAliveMs: number;
    readonly connectionsMax: number;
  };
  /** Hears of every connection that is made; whoever handles requests tells it who has proved itself. */
  readonly gate?: ConnectionGate;
  readonly handle: (request: IncomingMessage, response: ServerResponse) => void;
  readonly logger: Logger;
}

/** A running server. Disposing it cuts its connections. */
export interface HttpsServer extends AsyncDisposable {
  readonly port: number;
  /** New connections use these; the others go on. */
  updateTls(tls: HttpsServerTls): void;
}

/** Listens with TLS 1.3. Rejects when the address cannot be bound. */
export async function openHttpsServer({ limits, logger, ...options }: HttpsServerOptions): Promise<HttpsServer> {
  // As in the admin server: importing it would load a whole HTTP client.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- require knows no types
  const { createServer } = createRequire(import.meta.url)('node:https') as typeof https;
  // Also those whose handshake is not done: the server itself knows only what has spoken HTTP.
  const sockets = new Set<Socket>();
  const asksClients = options.tls.clientRootsPem !== undefined;
  const server = createServer(
    {
      ...contextOptions(options.tls),
      requestCert: asksClients,
      rejectUnauthorized: asksClients,
      maxHeaderSize: limits.headersBytesMax,
      headersTimeout: limits.requestMs,
      requestTimeout: limits.requestMs,
      keepAliveTimeout: limits.keepAliveMs,
      handshakeTimeout: limits.requestMs,
    },
    options.handle,
  )
    .on('connection', (socket: Socket) => {
      sockets.add(socket);
      options.gate?.opened(socket);
      socket.once('close', () => sockets.delete(socket));
    })
    .on('clientError', (_error, socket) => socket.destroy())
    .on('tlsClientError', (_error, socket) => socket.destroy());
  server.maxConnections = limits.connectionsMax;
  const port = await new Promise<number>((resolve, reject) => {
    server.once('error', reject).listen(options.port, options.host, () => {
      server
        .off('error', reject)
        .on('error', (error) => logger.error('server failed', { server: options.name, error }));
      const address = server.address();
      resolve(address !== null && typeof address === 'object' ? address.port : options.port);
    });
  });
  return {
    port,
    updateTls: (tls) => server.setSecureContext(contextOptions(tls)),
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** The whole answer to one request. */
export function endResponse(
  response: ServerResponse,
  status: number,
  body: string,
  contentType = 'text/plain; charset=utf-8',
): void {
  response.writeHead(status, { 'content-type': contentType, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

function contextOptions({ privateKeyPem, chainPem, clientRootsPem }: HttpsServerTls): https.ServerOptions {
  const ca = clientRootsPem === undefined ? {} : { ca: clientRootsPem };
  return { ...secureContextDefaults, key: privateKeyPem, cert: chainPem, ...ca };
}
