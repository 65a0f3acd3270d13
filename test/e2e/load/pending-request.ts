import type { Account, Ledger } from './ledger.ts';

export interface PendingOptions {
  readonly ledger: Ledger;
  readonly account: Account;
  readonly plannedMs: number;
  readonly timeoutMs: number;
  /** Ends what still runs; called once, after the failure was counted. */
  readonly abandon: () => void;
}

const STREAM_ERROR = 'ERR_HTTP2_STREAM_ERROR';

/** A request that has left. Settled once: answered, failed, or out of time; what comes later is ignored. */
export class PendingRequest {
  readonly #options: PendingOptions;
  readonly #timer: NodeJS.Timeout;
  #isSettled = false;

  constructor(options: PendingOptions) {
    this.#options = options;
    const { ledger, account, plannedMs, timeoutMs } = options;
    const nowMs = performance.now();
    ledger.sent(account, plannedMs, nowMs);
    this.#timer = setTimeout(() => this.failed('timeout'), Math.max(1, plannedMs + timeoutMs - nowMs));
  }

  answered(servedBy: string): void {
    if (!this.#settle()) return;
    const { ledger, account, plannedMs } = this.#options;
    ledger.answered(account, plannedMs, performance.now(), servedBy);
  }

  failed(reason: string): void {
    if (!this.#settle()) return;
    this.#options.ledger.failed(this.#options.account, performance.now(), reason);
    this.#options.abandon();
  }

  #settle(): boolean {
    if (this.#isSettled) return false;
    this.#isSettled = true;
    clearTimeout(this.#timer);
    return true;
  }
}

/** How an error is counted: its code where it has one, so that there are few; of HTTP/2 what names the reset. */
export function reasonOf(error: Error): string {
  if (!('code' in error) || typeof error.code !== 'string' || error.code === STREAM_ERROR) return error.message;
  return error.code;
}
