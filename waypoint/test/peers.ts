import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';

// Clients and servers of either protocol that are not ours.

export type Protocol = 'http1' | 'http2';

export type Request = http.IncomingMessage | http2.Http2ServerRequest;
/** What both have in common; their types are not alike. */
export interface Response
  extends Pick<http.ServerResponse, 'statusCode' | 'setHeader' | 'addTrailers' | 'writeEarlyHints' | 'on'> {
  write(bytes: Buffer | string): boolean;
  end(bytes?: Buffer): unknown;
}

export interface Peer extends AsyncDisposable {
  readonly port: number;
}

/** The types of the two differ in what nobody here uses. */
function common(response: http2.Http2ServerResponse): Response {
  return response as unknown as Response;
}

/** Cuts the answer. */
export function cut(request: Request): void {
  if ('stream' in request) request.stream.destroy();
  else request.destroy();
}

/** A server on port 0; disposing cuts what is under way. */
export async function serve(
  protocol: Protocol,
  onRequest: (request: Request, response: Response) => void,
  onSession: (session: http2.ServerHttp2Session) => void = () => {},
  settings: http2.Settings = {},
  host = '127.0.0.1',
): Promise<Peer> {
  const sessions = new Set<http2.ServerHttp2Session>();
  const server =
    protocol === 'http1'
      ? http.createServer((request, response) => onRequest(request, response))
      : http2
          .createServer({ settings }, (request, response) => onRequest(request, common(response)))
          .on('session', (session) => {
            sessions.add(session.on('error', () => {}));
            session.once('close', () => sessions.delete(session));
            onSession(session);
          });
  server.listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.destroy();
      if ('closeAllConnections' in server) server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

export interface Question {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | string;
  readonly trailers?: Readonly<Record<string, string>>;
}

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly interims: readonly number[];
  readonly body: Buffer;
  readonly trailers: Readonly<Record<string, unknown>>;
}

/** Asks once, over a connection of its own. Rejects when the answer is cut. */
export function ask(protocol: Protocol, port: number, question: Question): Promise<Reply> {
  return protocol === 'http1' ? askHttp1(port, question) : askHttp2(port, question);
}

function askHttp1(
  port: number,
  { method = 'GET', path = '/', headers = {}, body, trailers }: Question,
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const interims: number[] = [];
    const asked = http.request({ host: '127.0.0.1', port, method, path, headers, agent: false });
    asked.on('error', reject);
    asked.on('information', ({ statusCode }) => interims.push(statusCode));
    asked.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          interims,
          body: Buffer.concat(chunks),
          trailers: response.trailers,
        }),
      );
    });
    if (trailers !== undefined) asked.addTrailers(trailers);
    asked.end(body);
  });
}

function askHttp2(port: number, question: Question): Promise<Reply> {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  return new Promise<Reply>((resolve, reject) => {
    session.on('error', reject);
    askOn(session, question).then(resolve, reject);
  }).finally(() => session.destroy());
}

/** Asks on a session that may be shared. */
export function askOn(
  session: http2.ClientHttp2Session,
  { method = 'GET', path = '/', headers = {}, body, trailers }: Question,
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const interims: number[] = [];
    const fields = { ':method': method, ':path': path, ...headers };
    const stream = session.request(fields, {
      endStream: body === undefined && trailers === undefined,
      waitForTrailers: trailers !== undefined,
    });
    const chunks: Buffer[] = [];
    let answer: http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader = {};
    let behind: http2.IncomingHttpHeaders = {};
    if (trailers !== undefined) stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    stream.on('headers', (found) => interims.push(found[':status'] ?? 0));
    stream.on('response', (found) => void (answer = found));
    stream.on('trailers', (found) => void (behind = found));
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', reject);
    stream.on('close', () => {
      if (answer[':status'] === undefined) reject(new Error(`no answer, code ${stream.rstCode}`));
      else if (stream.rstCode !== 0) reject(new Error(`cut, code ${stream.rstCode}`));
    });
    stream.on('end', () =>
      resolve({
        status: answer[':status'] ?? 0,
        headers: answer,
        interims,
        body: Buffer.concat(chunks),
        trailers: behind,
      }),
    );
    if (body !== undefined || trailers !== undefined) stream.end(body);
  });
}
