import { decideShare } from './decide-due.ts';
import type { StreamOpener } from './echo-stream.ts';
import type { Account, Ledger } from './ledger.ts';
import { LiveStream } from './live-stream.ts';
import type { LoadPlan, StreamTarget } from './load-plan.ts';

interface Slot {
  current: LiveStream | null;
  /** When the stream in it is to be ended. */
  untilMs: number;
}

/** As many streams as planned at a time, each replaced by a new one at its time; their ages are spread evenly. */
export class StreamLoad {
  readonly #target: StreamTarget;
  readonly #plan: LoadPlan;
  readonly #ledger: Ledger;
  readonly #account: Account;
  readonly #opener: StreamOpener;
  readonly #slots: readonly Slot[];
  readonly #live = new Set<LiveStream>();
  #openedCount = 0;

  constructor(target: StreamTarget, plan: LoadPlan, ledger: Ledger, opener: StreamOpener) {
    this.#target = target;
    this.#plan = plan;
    this.#ledger = ledger;
    this.#account = ledger.account(target.protocol);
    this.#opener = opener;
    this.#slots = Array.from({ length: target.streams }, () => ({ current: null, untilMs: 0 }));
  }

  get #lifeMs(): number {
    return this.#target.streamMs ?? Infinity;
  }

  get liveCount(): number {
    return this.#live.size;
  }

  /** Opens all streams. The first of them live shorter, so that they do not end together. */
  start(nowMs: number): void {
    this.#slots.forEach((slot, index) => {
      this.#fill(slot, nowMs + (this.#lifeMs * (index + 1)) / this.#slots.length);
    });
  }

  /** Message `index` of all streams together. */
  send(index: number, plannedMs: number): void {
    const slot = this.#slots[index % this.#slots.length];
    if (slot === undefined) return;
    // One that was cut is replaced; what was lost with it has failed.
    if (slot.current === null || slot.current.isOver) this.#fill(slot, performance.now() + this.#lifeMs);
    slot.current?.send(plannedMs);
  }

  step(nowMs: number): void {
    for (const slot of this.#slots) {
      if (nowMs < slot.untilMs) continue;
      slot.current?.end();
      this.#fill(slot, nowMs + this.#lifeMs);
    }
    for (const stream of this.#live) stream.checkTime(nowMs);
  }

  endAll(): void {
    for (const slot of this.#slots) {
      slot.current?.end();
      slot.untilMs = Infinity;
    }
  }

  /** What is still open is cut. */
  close(): void {
    for (const stream of [...this.#live]) stream.cut('end of the run');
    this.#opener.close();
  }

  #fill(slot: Slot, untilMs: number): void {
    slot.untilMs = untilMs;
    slot.current = new LiveStream({
      ledger: this.#ledger,
      account: this.#account,
      opener: this.#opener,
      isOnNewConnection: decideShare(this.#openedCount++, this.#plan.newConnectionShare),
      timeoutMs: this.#plan.timeoutMs,
      onOver: (over) => this.#live.delete(over),
    });
    this.#live.add(slot.current);
  }
}
