import { Latencies } from './latencies.ts';
import type { LoadProtocol } from './load-plan.ts';
import type { EventReport, LoadFailure, LoadReport, ProtocolReport } from './load-report.ts';

const FAILURES_MAX = 100;
const REASONS_MAX = 50;
const SERVERS_MAX = 50;
const EVENTS_MAX = 1000;

interface Event {
  readonly name: string;
  readonly atMs: number;
  readonly open: Partial<Record<LoadProtocol, number>>;
  readonly answeredAfter: Partial<Record<LoadProtocol, number>>;
}

export interface ConnectionCounts {
  opened: number;
  closed: number;
}

interface StreamCounts {
  opened: number;
  ended: number;
  endedByServer: number;
  cut: number;
}

/** Something open whose life across events is followed. */
export class Opened {
  readonly account: Account;
  /** Events up to here are settled: they were before it, or it has answered since. */
  settled: number;
  isClosed = false;

  constructor(account: Account, settled: number) {
    this.account = account;
    this.settled = settled;
  }
}

/** The counts of one protocol. */
export class Account {
  readonly protocol: LoadProtocol;
  readonly latencies: Latencies = new Latencies();
  readonly reasons: Map<string, number> = new Map();
  readonly servedBy: Map<string, number> = new Map();
  sent = 0;
  answered = 0;
  failed = 0;
  /** Connections, and streams as far as they are followed. */
  openNow = 0;
  readonly connections: ConnectionCounts = { opened: 0, closed: 0 };
  readonly streams: StreamCounts = { opened: 0, ended: 0, endedByServer: 0, cut: 0 };

  constructor(protocol: LoadProtocol) {
    this.protocol = protocol;
  }

  get report(): ProtocolReport {
    return {
      sent: this.sent,
      answered: this.answered,
      failed: this.failed,
      reasons: Object.fromEntries(this.reasons),
      latencyMs: this.latencies.report,
      connections: { ...this.connections },
      streams: { ...this.streams },
      servedBy: Object.fromEntries(this.servedBy),
    };
  }
}

/**
 * Everything a run counts. Knows no clock: whoever calls says when it is, in milliseconds of one monotonic clock.
 * Bounded, however long a run is: of failures the first ones are kept, of connections those that are open.
 */
export class Ledger {
  readonly #startedAt: string;
  readonly #startMs: number;
  readonly #accounts = new Map<LoadProtocol, Account>();
  readonly #failures: LoadFailure[] = [];
  readonly #events: Event[] = [];
  readonly late: Latencies = new Latencies();
  inFlight = 0;

  constructor(startMs: number, startedAt: string) {
    this.#startMs = startMs;
    this.#startedAt = startedAt;
  }

  account(protocol: LoadProtocol): Account {
    const known = this.#accounts.get(protocol) ?? new Account(protocol);
    this.#accounts.set(protocol, known);
    return known;
  }

  /** What leaves must be `answered` or `failed` once. */
  sent(account: Account, plannedMs: number, nowMs: number): void {
    account.sent++;
    this.inFlight++;
    this.late.add(nowMs - plannedMs);
  }

  answered(account: Account, plannedMs: number, nowMs: number, servedBy: string): void {
    this.inFlight--;
    account.answered++;
    account.latencies.add(nowMs - plannedMs);
    countOf(account.servedBy, servedBy, SERVERS_MAX);
  }

  failed(account: Account, nowMs: number, reason: string): void {
    this.inFlight--;
    account.failed++;
    this.#note(account, nowMs, reason);
  }

  /** It was not sent, because too much is under way. */
  overflowed(account: Account, nowMs: number): void {
    account.sent++;
    account.failed++;
    this.#note(account, nowMs, 'too much under way');
  }

  /** A stream was cut while nothing was under way on it: no message failed, but the reason shall be known. */
  noteCut(account: Account, nowMs: number, reason: string): void {
    this.#note(account, nowMs, `stream cut: ${reason}`);
  }

  opened(account: Account): Opened {
    account.openNow++;
    return new Opened(account, this.#events.length);
  }

  /** Something was answered on it. */
  used(opened: Opened): void {
    for (; opened.settled < this.#events.length; opened.settled++) {
      const after = this.#events[opened.settled]?.answeredAfter;
      const { protocol } = opened.account;
      if (after !== undefined) after[protocol] = (after[protocol] ?? 0) + 1;
    }
  }

  /** Only the first call counts. */
  closed(opened: Opened): void {
    if (opened.isClosed) return;
    opened.isClosed = true;
    opened.account.openNow--;
  }

  /** Notes what is open at this instant. @throws RangeError when there were too many. */
  mark(name: string, nowMs: number): void {
    if (this.#events.length >= EVENTS_MAX) throw new RangeError(`more than ${EVENTS_MAX} events`);
    const open = Object.fromEntries([...this.#accounts.values()].map(({ protocol, openNow }) => [protocol, openNow]));
    this.#events.push({ name, atMs: Math.round(nowMs - this.#startMs), open, answeredAfter: {} });
  }

  #note(account: Account, nowMs: number, reason: string): void {
    countOf(account.reasons, reason, REASONS_MAX);
    if (this.#failures.length >= FAILURES_MAX) return;
    this.#failures.push({ atMs: Math.round(nowMs - this.#startMs), protocol: account.protocol, reason });
  }

  report(nowMs: number): LoadReport {
    return {
      startedAt: this.#startedAt,
      seconds: Math.round(nowMs - this.#startMs) / 1000,
      protocols: Object.fromEntries([...this.#accounts].map(([protocol, account]) => [protocol, account.report])),
      failures: [...this.#failures],
      events: this.#events.map((event): EventReport => structuredClone(event)),
      lateMs: this.late.report,
    };
  }
}

function countOf(counts: Map<string, number>, key: string, keysMax: number): void {
  const kept = counts.has(key) || counts.size < keysMax ? key : 'others';
  counts.set(kept, (counts.get(kept) ?? 0) + 1);
}
