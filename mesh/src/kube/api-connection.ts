import { type IncomingMessage, STATUS_CODES } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import type { Clock } from '../runtime/clock.ts';
import { KubeApiError } from './errors.ts';
import { errorOfConnection, errorOfStatus, malformed, retryAfterOf } from './foreign-errors.ts';
import type { KubeAccess, KubeCredentials } from './kube-access.ts';
import {
  ERROR_BODY_BYTES_MAX,
  FREE_SOCKET_MS,
  FREE_SOCKETS_MAX,
  type KubeLimits,
  SOCKETS_MAX,
  TCP_KEEPALIVE_MS,
} from './limits.ts';
import { readBody } from './read-response.ts';

/** One HTTP exchange. */
export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** From `/api` or `/apis` on, with its query. */
  readonly path: string;
  readonly body?: { readonly json: unknown; readonly type: string };
  /** What is being done, for errors: verb, kind and name. */
  readonly call: string;
}

export interface ApiConnectionOptions {
  readonly access: KubeAccess;
  readonly clock: Clock;
  readonly limits: KubeLimits;
  readonly userAgent: string;
}

/**
 * HTTPS connections to one API server. A connection is kept for later calls; when roots or client certificate change, new
 * calls get new connections and the old ones end with the calls they carry. Redirects are not followed: the API server
 * sends none, and a token must not travel elsewhere.
 */
export class ApiConnection implements Disposable {
  readonly #options: ApiConnectionOptions;
  #agent: { readonly agent: Agent; readonly of: KubeCredentials } | null = null;
  #refused = false;

  constructor(options: ApiConnectionOptions) {
    this.#options = options;
  }

  [Symbol.dispose](): void {
    this.#agent?.agent.destroy();
  }

  /**
   * Sends and hands the answer, whose body comes within the deadline, to `read`.
   * @throws KubeApiError for everything but success; the signal's reason when it aborts.
   */
  async call<T>(request: ApiRequest, signal: AbortSignal, read: (response: IncomingMessage) => Promise<T>): Promise<T> {
    const life = this.#begin(request.call, signal);
    try {
      return await read(await this.#open(request, life.controller.signal));
    } catch (error) {
      throw failureOf(request.call, error, signal, life.controller.signal);
    } finally {
      life.end();
    }
  }

  /**
   * Sends and yields what `read` makes of the answer until it ends. The deadline is for its head only.
   * @throws as `call`.
   */
  async *stream<T>(
    request: ApiRequest,
    signal: AbortSignal,
    read: (response: IncomingMessage) => AsyncGenerator<T>,
  ): AsyncGenerator<T> {
    const life = this.#begin(request.call, signal);
    try {
      const response = await this.#open(request, life.controller.signal);
      life.timer[Symbol.dispose]();
      yield* read(response);
    } catch (error) {
      throw failureOf(request.call, error, signal, life.controller.signal);
    } finally {
      life.end();
    }
  }

  /** Ties one exchange to the caller's signal and to the deadline. `end` also ends an exchange that is not over. */
  #begin(call: string, signal: AbortSignal): { controller: AbortController; timer: Disposable; end: () => void } {
    signal.throwIfAborted();
    const { clock, limits } = this.#options;
    const controller = new AbortController();
    const timer = clock.setTimer(limits.callDeadlineMs, () => {
      const data = { call, reason: 'deadline', deadlineMs: limits.callDeadlineMs };
      controller.abort(new KubeApiError('unreachable', { data }));
    });
    const onAbort = (): void => controller.abort(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    const end = (): void => {
      timer[Symbol.dispose]();
      signal.removeEventListener('abort', onAbort);
      controller.abort(ENDED);
    };
    return { controller, timer, end };
  }

  async #open(request: ApiRequest, signal: AbortSignal): Promise<IncomingMessage> {
    const { access, limits } = this.#options;
    const credentials = await abortable(access.credentials(this.#refused), signal);
    this.#refused = false;
    const body = request.body === undefined ? null : Buffer.from(JSON.stringify(request.body.json));
    if (body !== null && body.length > limits.requestBytesMax) {
      throw new KubeApiError('too-large', { data: { call: request.call, bytesMax: limits.requestBytesMax } });
    }
    const response = await this.#exchange(request, credentials, body, signal);
    const status = response.statusCode ?? 0;
    if (status === 401) this.#refused = true;
    if (status >= 200 && status < 300) return response;
    if (status < 400) throw malformed(request.call, `HTTP ${status} ${STATUS_CODES[status] ?? ''}`);
    throw errorOfStatus(request.call, status, await readRefusal(response, request.call), retryAfterOf(response));
  }

  async #exchange(
    request: ApiRequest,
    credentials: KubeCredentials,
    body: Buffer | null,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const first = this.#send(request, credentials, body, signal);
    try {
      return await first.response;
    } catch (error) {
      // The server may close an unused connection in the moment we use it. Reading again is harmless; writing is the caller's choice.
      if (!first.onUsedConnection() || request.method !== 'GET' || signal.aborted) throw error;
      return await this.#send(request, credentials, body, signal).response;
    }
  }

  #send(
    request: ApiRequest,
    credentials: KubeCredentials,
    body: Buffer | null,
    signal: AbortSignal,
  ): { readonly response: Promise<IncomingMessage>; onUsedConnection(): boolean } {
    const { server } = this.#options.access;
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const { bearerToken } = credentials;
    const sent = httpsRequest({
      agent: this.#agentFor(credentials),
      // The URL keeps the brackets of an IPv6 address, the socket does not want them.
      hostname: server.hostname.replace(/^\[(.*)\]$/, '$1'),
      port: server.port === '' ? 443 : Number(server.port),
      method: request.method,
      path: server.pathname.replace(/\/$/, '') + request.path,
      headers: {
        accept: 'application/json',
        'user-agent': this.#options.userAgent,
        ...(bearerToken === undefined ? {} : { authorization: `Bearer ${bearerToken}` }),
        ...(body === null ? {} : { 'content-type': request.body?.type, 'content-length': body.length }),
      },
      signal,
    })
      .on('error', reject)
      .once('response', (response) => resolve(response.on('error', ignore)));
    sent.end(body ?? undefined);
    return { response: promise, onUsedConnection: () => sent.reusedSocket };
  }

  #agentFor(credentials: KubeCredentials): Agent {
    const known = this.#agent;
    if (known !== null && sameConnection(known.of, credentials)) return known.agent;
    const { rootsPem, serverName, client } = credentials;
    const agent = new Agent({
      keepAlive: true,
      keepAliveMsecs: TCP_KEEPALIVE_MS,
      maxSockets: SOCKETS_MAX,
      maxFreeSockets: FREE_SOCKETS_MAX,
      timeout: FREE_SOCKET_MS,
      minVersion: 'TLSv1.2',
      ...(rootsPem === undefined ? {} : { ca: rootsPem }),
      ...(serverName === undefined ? {} : { servername: serverName }),
      ...(client === undefined ? {} : { cert: client.certificatePem, key: client.privateKeyPem }),
    });
    this.#agent = { agent, of: credentials };
    if (known !== null) retire(known.agent);
    return agent;
  }
}

const ENDED = new DOMException('the exchange is over', 'AbortError');
const ignore = (): void => {};

/** Why an exchange ended: the caller's signal first, then our deadline, then what the socket says. */
function failureOf(call: string, error: unknown, caller: AbortSignal, own: AbortSignal): unknown {
  if (caller.aborted) return caller.reason;
  if (own.aborted) return own.reason;
  return errorOfConnection(call, error);
}

async function readRefusal(response: IncomingMessage, call: string): Promise<unknown> {
  try {
    return JSON.parse((await readBody(response, call, ERROR_BODY_BYTES_MAX)).toString('utf8'));
  } catch {
    // Proxies and panics answer with other things than JSON; the HTTP status says enough.
    return undefined;
  }
}

function sameConnection(a: KubeCredentials, b: KubeCredentials): boolean {
  return (
    a.rootsPem === b.rootsPem &&
    a.serverName === b.serverName &&
    a.client?.certificatePem === b.client?.certificatePem &&
    a.client?.privateKeyPem === b.client?.privateKeyPem
  );
}

/** Lets the calls in flight end; nothing new goes over their connections. */
function retire(agent: Agent): void {
  agent.maxFreeSockets = 0;
  for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
}

function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  return promise;
}
