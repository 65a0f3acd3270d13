import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { createTestCa } from './test-ca.ts';

/** What a peer does with one request. */
export type KubePeerBehaviour = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * An HTTPS server on loopback that behaves as a test says, for what no API server would do on purpose. What a real one
 * does is tested with a real one.
 */
export class KubePeer implements AsyncDisposable {
  readonly server: URL;
  readonly rootsPem: string;
  /** Method and path of each request that came. */
  readonly requests: string[] = [];
  behave: KubePeerBehaviour;
  readonly #server: Server;
  readonly #sockets = new Set<TLSSocket>();

  private constructor(server: Server, port: number, rootsPem: string, behave: KubePeerBehaviour) {
    this.server = new URL(`https://127.0.0.1:${port}`);
    this.rootsPem = rootsPem;
    this.behave = behave;
    this.#server = server;
    server.on('secureConnection', (socket: TLSSocket) => {
      this.#sockets.add(socket);
      socket.on('error', () => {}).once('close', () => this.#sockets.delete(socket));
    });
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      this.requests.push(`${request.method} ${request.url}`);
      request.on('error', () => {});
      response.on('error', () => {});
      this.behave(request, response);
    });
  }

  static async start(behave: KubePeerBehaviour): Promise<KubePeer> {
    const ca = createTestCa();
    const leaf = ca.issueCertificate({ altNames: [{ kind: 'ip', value: '127.0.0.1' }] });
    const server = createServer({ key: leaf.privateKeyPem, cert: leaf.chainPem });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(0, '127.0.0.1', resolve);
    });
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('the peer does not listen');
    return new KubePeer(server, address.port, ca.rootPem, behave);
  }

  get connections(): number {
    return this.#sockets.size;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Answers with JSON, whole. */
export function answerJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
