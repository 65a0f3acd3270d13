import { parseEcho } from './check-answer.ts';
import type { EchoStream, StreamEnd, StreamOpener } from './echo-stream.ts';
import type { Account, Ledger, Opened } from './ledger.ts';

export interface LiveStreamOptions {
  readonly ledger: Ledger;
  readonly account: Account;
  readonly opener: StreamOpener;
  readonly isOnNewConnection: boolean;
  readonly timeoutMs: number;
  /** Once, when it is over and everything is counted. */
  readonly onOver: (stream: LiveStream) => void;
}

/** One stream: numbers leave, and have to come back one after the other. What is under way when it ends has failed. */
export class LiveStream {
  readonly #options: LiveStreamOptions;
  readonly #stream: EchoStream;
  /** Planned times of what has left and not come back, oldest first; the first is of number `#next`. */
  readonly #waiting: number[] = [];
  #next = 0;
  #sent = 0;
  #opened: Opened | undefined;
  #endedMs: number | null = null;
  #isOver = false;

  constructor(options: LiveStreamOptions) {
    this.#options = options;
    const { account, ledger, opener } = options;
    account.streams.opened++;
    this.#stream = opener.open(
      {
        onConnected: () => {
          this.#opened = ledger.opened(account);
          // Streams of gRPC share connections, which are counted where they are opened.
          if (account.protocol !== 'grpc') account.connections.opened++;
        },
        onDisconnected: () => {
          if (this.#opened !== undefined) ledger.closed(this.#opened);
          if (account.protocol !== 'grpc') account.connections.closed++;
        },
        onMessage: (text) => this.#onMessage(text),
        onEnd: (end) => this.#onEnd(end),
      },
      options.isOnNewConnection,
    );
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  send(plannedMs: number): void {
    this.#options.ledger.sent(this.#options.account, plannedMs, performance.now());
    this.#waiting.push(plannedMs);
    this.#stream.send(String(this.#sent++));
  }

  /** Says goodbye; it is over when the server has answered everything and says so too. */
  end(): void {
    if (this.#endedMs !== null) return;
    this.#endedMs = performance.now();
    this.#stream.end();
  }

  /** Cuts it if something takes longer than is allowed. */
  checkTime(nowMs: number): void {
    const sinceMs = Math.min(this.#waiting[0] ?? Infinity, this.#endedMs ?? Infinity);
    if (nowMs - sinceMs > this.#options.timeoutMs) this.cut('timeout');
  }

  cut(reason: string): void {
    this.#onEnd({ cut: reason });
    this.#stream.destroy();
  }

  #onMessage(text: string): void {
    const { number, name } = parseEcho(text);
    const plannedMs = this.#waiting[0];
    if (plannedMs === undefined || number !== String(this.#next)) return this.cut('out of order');
    this.#next++;
    this.#waiting.shift();
    if (this.#opened !== undefined) this.#options.ledger.used(this.#opened);
    this.#options.ledger.answered(this.#options.account, plannedMs, performance.now(), name);
  }

  #onEnd(end: StreamEnd): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { account, ledger, onOver } = this.#options;
    const reason = end === 'orderly' ? 'not echoed' : end.cut;
    for (const _ of this.#waiting) ledger.failed(account, performance.now(), reason);
    const isWhole = end === 'orderly' && this.#waiting.length === 0;
    if (!isWhole) {
      account.streams.cut++;
      if (this.#waiting.length === 0) ledger.noteCut(account, performance.now(), reason);
    } else if (this.#endedMs === null) account.streams.endedByServer++;
    else account.streams.ended++;
    this.#waiting.length = 0;
    onOver(this);
  }
}
