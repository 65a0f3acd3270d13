import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { type Asked, checkAnswer, servedBy } from './check-answer.ts';
import type { Account, Ledger, Opened } from './ledger.ts';
import type { RequestTarget } from './load-plan.ts';
import { PendingRequest, reasonOf } from './pending-request.ts';
import type { RequestSender } from './request-sender.ts';

/** Requests over HTTP/1.1. Connections are used again in turn, a new one where all are busy: nothing waits for another's answer. */
export class Http1Requests implements RequestSender {
  readonly #target: RequestTarget;
  readonly #ledger: Ledger;
  readonly #account: Account;
  readonly #timeoutMs: number;
  readonly #agent: Agent;
  readonly #connections = new WeakMap<Socket, Opened>();

  constructor(target: RequestTarget, ledger: Ledger, timeoutMs: number, inFlightMax: number) {
    this.#target = target;
    this.#ledger = ledger;
    this.#account = ledger.account('http1');
    this.#timeoutMs = timeoutMs;
    this.#agent = new Agent({ keepAlive: true, maxFreeSockets: inFlightMax, scheduling: 'fifo' });
  }

  send(asked: Asked, plannedMs: number, isOnNewConnection: boolean): void {
    const { host, port } = this.#target;
    const request = httpRequest({
      host,
      port,
      path: `/load/${asked.number}`,
      method: asked.bodyBytes > 0 ? 'POST' : 'GET',
      headers: asked.bodyBytes > 0 ? { 'content-length': asked.bodyBytes } : {},
      agent: isOnNewConnection ? false : this.#agent,
    });
    const pending = new PendingRequest({
      ledger: this.#ledger,
      account: this.#account,
      plannedMs,
      timeoutMs: this.#timeoutMs,
      abandon: () => request.destroy(),
    });
    let opened: Opened | undefined;
    request.on('error', (error) => pending.failed(reasonOf(error)));
    request.on('socket', (socket) => this.#follow(socket, (known) => (opened = known)));
    request.on('response', (response) => {
      const wrong = checkAnswer(response.statusCode, response.headers, asked);
      if (wrong !== null) pending.failed(wrong);
      whole(response, (failure) => {
        if (failure !== null) return pending.failed(failure);
        if (opened !== undefined && wrong === null) this.#ledger.used(opened);
        pending.answered(servedBy(response.headers));
      });
    });
    request.end(asked.bodyBytes > 0 ? Buffer.alloc(asked.bodyBytes, 'x') : undefined);
  }

  close(): void {
    this.#agent.destroy();
  }

  #follow(socket: Socket, onOpened: (opened: Opened) => void): void {
    const known = this.#connections.get(socket);
    if (known !== undefined) return onOpened(known);
    const note = (): void => {
      const opened = this.#ledger.opened(this.#account);
      this.#account.connections.opened++;
      this.#connections.set(socket, opened);
      socket.once('close', () => {
        this.#account.connections.closed++;
        this.#ledger.closed(opened);
      });
      onOpened(opened);
    };
    if (socket.connecting) socket.once('connect', note);
    else note();
  }
}

/** Reads a response to its end; says null when it was whole. */
function whole(response: IncomingMessage, done: (failure: string | null) => void): void {
  response.on('error', (error) => done(reasonOf(error)));
  response.on('end', () => done(response.complete ? null : 'cut answer'));
  response.on('close', () => done(response.complete ? null : 'cut answer'));
  response.resume();
}
