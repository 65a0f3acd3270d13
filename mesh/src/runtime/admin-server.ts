import type * as http from 'node:http';
import type { Server } from 'node:http';
import { createRequire } from 'node:module';
import type { Logger } from './logger.ts';
import { usableHost } from './usable-host.ts';

export interface AdminRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly accept: string;
}

export interface AdminResponse {
  readonly status: number;
  readonly contentType: string;
  readonly body: string | Uint8Array;
}

/** One path of an admin server, registered by the owner of what it shows. Never shows keys or tokens. */
export interface AdminSection {
  /** `GET` sections also answer HEAD. */
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** One line for the index page. */
  readonly describe: string;
  /** May throw: the client gets 500 without details, the log gets the reason. */
  readonly handle: (request: AdminRequest) => AdminResponse | Promise<AdminResponse>;
}

export interface AdminServerOptions {
  /** `::`: every address there is. */
  readonly host: string;
  /** 0 picks a free port. */
  readonly port: number;
  readonly sections: readonly AdminSection[];
  readonly logger: Logger;
}

export interface AdminServer extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
}

export const ADMIN_LIMITS: Readonly<
  Record<'connectionsMax' | 'headersBytesMax' | 'requestMs' | 'keepAliveMs', number>
> = {
  /** A scraper and a few people; further connections are refused. */
  connectionsMax: 64,
  headersBytesMax: 16 * 1024,
  requestMs: 10_000,
  keepAliveMs: 30_000,
};

/**
 * A small HTTP server for people and scrapers; `/` lists the sections. Rejects when the port cannot be bound. The owner
 * disposes it, which cuts open connections. node:http is loaded by the first call.
 */
export async function openAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  // Importing node:http reads every export of it, one of which loads a whole HTTP client: 13 MB. Requiring it does not.
  const require = createRequire(import.meta.url);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- require knows no types
  const { createServer } = require('node:http') as typeof http;
  const routes = new Map<string, AdminSection>();
  for (const section of [indexSection(options.sections), ...options.sections]) {
    const key = `${section.method} ${section.path}`;
    if (routes.has(key)) throw new Error(`bug: admin section ${key} registered twice`);
    routes.set(key, section);
  }
  const server = createServer(
    {
      maxHeaderSize: ADMIN_LIMITS.headersBytesMax,
      headersTimeout: ADMIN_LIMITS.requestMs,
      requestTimeout: ADMIN_LIMITS.requestMs,
      keepAliveTimeout: ADMIN_LIMITS.keepAliveMs,
    },
    (request, response) => {
      request.on('error', () => response.destroy()).resume();
      response.on('error', () => {});
      const asked = { method: request.method ?? '', url: request.url ?? '/', accept: request.headers.accept ?? '' };
      void answer(routes, asked, options.logger).then((result) => {
        const headers = { 'content-type': result.contentType, 'content-length': Buffer.byteLength(result.body) };
        response.writeHead(result.status, { ...headers, ...result.headers });
        response.end(asked.method === 'HEAD' ? undefined : result.body);
      });
    },
  ).on('clientError', (_error, socket) => socket.destroy());
  server.maxConnections = ADMIN_LIMITS.connectionsMax;
  const host = await usableHost(options.host);
  const port = await listen(server, host, options.port);
  return {
    host,
    port,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface Answer extends AdminResponse {
  readonly headers?: Readonly<Record<string, string>>;
}

async function answer(
  routes: ReadonlyMap<string, AdminSection>,
  asked: { readonly method: string; readonly url: string; readonly accept: string },
  logger: Logger,
): Promise<Answer> {
  const question = asked.url.indexOf('?');
  const path = question === -1 ? asked.url : asked.url.slice(0, question);
  const query = new URLSearchParams(question === -1 ? '' : asked.url.slice(question + 1));
  const method = asked.method === 'HEAD' ? 'GET' : asked.method;
  const section = routes.get(`${method} ${path}`);
  if (section === undefined) {
    const allow = ['GET', 'POST'].filter((other) => routes.has(`${other} ${path}`)).join(', ');
    if (allow === '') return textResponse(404, 'not found\n');
    return { ...textResponse(405, 'method not allowed\n'), headers: { allow } };
  }
  try {
    return await section.handle({ method, path, query, accept: asked.accept });
  } catch (error) {
    logger.error('admin section failed', { path, error });
    return textResponse(500, 'internal error, see the log\n');
  }
}

function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen(port, host, () => {
      server.off('error', reject).on('error', () => {});
      const address = server.address();
      resolve(address !== null && typeof address === 'object' ? address.port : port);
    });
  });
}

function indexSection(sections: readonly AdminSection[]): AdminSection {
  const lines = sections.map((section) => `${section.method} ${section.path}  ${section.describe}`);
  return get('/', 'this page', () => textResponse(200, `${lines.join('\n')}\n`));
}

/** A GET section. */
export function get(path: string, describe: string, handle: AdminSection['handle']): AdminSection {
  return { method: 'GET', path, describe, handle };
}

/** A POST section. */
export function post(path: string, describe: string, handle: AdminSection['handle']): AdminSection {
  return { method: 'POST', path, describe, handle };
}

export function textResponse(status: number, body: string): AdminResponse {
  return { status, contentType: 'text/plain; charset=utf-8', body };
}

export function jsonResponse(value: unknown): AdminResponse {
  return { status: 200, contentType: 'application/json', body: `${JSON.stringify(value, null, 2)}\n` };
}
