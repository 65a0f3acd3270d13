import { once } from 'node:events';
import net, { type Server, type Socket } from 'node:net';
import tls from 'node:tls';
import { type Request, type Response, serve } from '../../../waypoint/test/peers.ts';
import type { Speech } from './objects.ts';

/** By what a pod calls them: HTTP, the same under another name, lines of text, and either in TLS. */
export const PORT_NAMES = ['web', 'alt', 'text', 'secure'] as const;
export type ServerPorts = Readonly<Record<(typeof PORT_NAMES)[number], number>>;

/** A request that came to a server. */
export interface Arrival {
  readonly server: string;
  readonly path: string;
}

export interface ServersOptions {
  readonly speech: Speech;
  /** Shown in TLS. */
  readonly certificate: { readonly privateKeyPem: string; readonly chainPem: string };
}

/** How long `/slow` takes. */
const SLOW_MS = 250;

/** The servers of all pods: everybody says who it is and what it was told. Owns all of them. */
export class Servers implements AsyncDisposable {
  readonly #options: ServersOptions;
  readonly #stack = new AsyncDisposableStack();
  #arrivals: Arrival[] = [];

  constructor(options: ServersOptions) {
    this.#options = options;
  }

  /** Those since `forget`. */
  get arrivals(): readonly Arrival[] {
    return this.#arrivals;
  }

  forget(): void {
    this.#arrivals = [];
  }

  /** Opens the servers of one pod. */
  async open(name: string, host: string): Promise<ServerPorts> {
    const http = async (server: string): Promise<number> => {
      const answer = (request: Request, response: Response): void => this.#answer(server, request, response);
      return this.#stack.use(await serve(this.#options.speech, answer, undefined, {}, host)).port;
    };
    const { privateKeyPem: key, chainPem: cert } = this.#options.certificate;
    const secure = tls.createServer({ key, cert }, (socket) => {
      const asked = socket.servername === false ? '' : ` as ${socket.servername}`;
      this.#talk(`${name} in TLS${asked}`, socket);
    });
    secure.on('tlsClientError', () => {});
    return {
      web: await http(name),
      alt: await http(`${name}:alt`),
      text: await this.#listen(
        host,
        net.createServer((socket) => this.#talk(name, socket)),
      ),
      secure: await this.#listen(host, secure),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  async #listen(host: string, server: Server): Promise<number> {
    const sockets = new Set<Socket>();
    server.on('connection', (socket) => {
      sockets.add(socket.on('error', () => {}));
      socket.once('close', () => sockets.delete(socket));
    });
    server.listen(0, host);
    await once(server, 'listening');
    this.#stack.defer(async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    });
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return address.port;
  }

  /** Answers a line with a line, and a request with an answer. */
  #talk(name: string, socket: Socket): void {
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      const [said = ''] = String(chunk).split('\r\n');
      if (!said.endsWith('HTTP/1.1')) return void socket.write(`${name} heard ${said}\r\n`);
      socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${name.length}\r\n\r\n${name}`);
    });
  }

  /** `/slow` takes long; `/flaky/3` fails three times; every answer has fields `x-old` and `x-gone`. */
  #answer(server: string, request: Request, response: Response): void {
    const path = request.url ?? '';
    const before = this.#arrivals.filter((one) => one.path === path).length;
    this.#arrivals.push({ server, path });
    const fields = Object.entries(request.headers).filter(([name]) => /^x-(?!request|forwarded)/.test(name));
    const host = request.headers.host ?? request.headers[':authority'];
    request.resume();
    response.statusCode = before < Number(/^\/flaky\/(\d+)/.exec(path)?.[1] ?? 0) ? 503 : 200;
    response.setHeader('x-old', 'old');
    response.setHeader('x-gone', 'gone');
    if (this.#options.speech === 'http2') response.setHeader('content-type', 'application/grpc');
    const body = JSON.stringify({ server, path, host, ...Object.fromEntries(fields) });
    const end = (): void => void response.end(Buffer.from(body));
    if (!path.startsWith('/slow')) return end();
    const timer = setTimeout(end, SLOW_MS);
    response.on('close', () => clearTimeout(timer));
  }
}
