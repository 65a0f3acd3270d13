import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import { type Asked, checkAnswer, servedBy } from './check-answer.ts';
import { Http2Sessions } from './http2-sessions.ts';
import type { Account, Ledger, Opened } from './ledger.ts';
import type { RequestTarget } from './load-plan.ts';
import { PendingRequest, reasonOf } from './pending-request.ts';
import type { RequestSender } from './request-sender.ts';

/** Requests over HTTP/2 with prior knowledge. */
export class Http2Requests implements RequestSender {
  readonly #ledger: Ledger;
  readonly #account: Account;
  readonly #timeoutMs: number;
  readonly #sessions: Http2Sessions;
  readonly #connections = new Map<ClientHttp2Session, Opened>();

  constructor(target: RequestTarget, ledger: Ledger, timeoutMs: number) {
    this.#ledger = ledger;
    this.#account = ledger.account('http2');
    this.#timeoutMs = timeoutMs;
    this.#sessions = new Http2Sessions(target, target.connections, {
      onOpened: (session) => {
        this.#account.connections.opened++;
        this.#connections.set(session, this.#ledger.opened(this.#account));
      },
      onClosed: (session) => {
        this.#account.connections.closed++;
        const opened = this.#connections.get(session);
        this.#connections.delete(session);
        if (opened !== undefined) this.#ledger.closed(opened);
      },
    });
  }

  send(asked: Asked, plannedMs: number, isOnNewConnection: boolean): void {
    let stream: ClientHttp2Stream | undefined;
    const pending = new PendingRequest({
      ledger: this.#ledger,
      account: this.#account,
      plannedMs,
      timeoutMs: this.#timeoutMs,
      abandon: () => stream?.destroy(),
    });
    const leave = (): void => {
      stream = this.#leave(asked, isOnNewConnection, pending, leave);
    };
    leave();
  }

  close(): void {
    this.#sessions.close();
  }

  /** `again` is called when it did not leave. */
  #leave(asked: Asked, isOnNewConnection: boolean, pending: PendingRequest, again: () => void): ClientHttp2Stream {
    const hasBody = asked.bodyBytes > 0;
    const head = { ':method': hasBody ? 'POST' : 'GET', ':path': `/load/${asked.number}` };
    const made = this.#sessions.ask(isOnNewConnection, head, { endStream: !hasBody });
    const { session, stream } = made;
    let fields: IncomingHttpHeaders | undefined;
    stream.on('error', (error) => {
      if (!made.isHeldBack) pending.failed(reasonOf(error));
    });
    stream.on('response', (headers) => {
      fields = headers;
    });
    stream.on('end', () => {
      if (fields === undefined) return;
      const wrong =
        stream.rstCode === 0 ? checkAnswer(Number(fields[':status']), fields, asked) : `reset ${stream.rstCode}`;
      if (wrong !== null) return pending.failed(wrong);
      const opened = this.#connections.get(session);
      if (opened !== undefined) this.#ledger.used(opened);
      pending.answered(servedBy(fields));
    });
    stream.on('close', () => {
      if (made.isHeldBack) again();
      // A refused stream ends without an error.
      else pending.failed(stream.rstCode === 0 ? 'closed without an answer' : `reset ${stream.rstCode}`);
    });
    stream.resume();
    if (hasBody) stream.end(Buffer.alloc(asked.bodyBytes, 'x'));
    return stream;
  }
}
