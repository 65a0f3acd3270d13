import type { SpiffeId } from '../model/spiffe-id.ts';
import { type Backoff, createBackoff } from '../runtime/backoff.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Svid } from '../tls/svid.ts';
import { REFRESH_BACKOFF, refreshAtMs, SVID_PRIORITY, type SvidPriority } from './refresh-schedule.ts';

export interface SvidStoreOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** A fresh SVID of the identity from the CA. */
  readonly request: (identity: SpiffeId, signal: AbortSignal) => Promise<Svid>;
  /** Puts an SVID in force in the data plane; called again for each renewal. */
  readonly publish: (identity: SpiffeId, svid: Svid) => Promise<void>;
  /** Nothing is left to use it for, or it has expired. */
  readonly forget: (identity: SpiffeId) => Promise<void>;
  readonly onFailure: (error: unknown) => void;
  /** [0, 1). */
  readonly random: () => number;
}

/** Requests under way at once; further ones wait, most urgent first. */
export const SVID_REQUESTS_MAX = 8;
/** Certificates kept without a pod; the one without for longest goes first. */
export const IDLE_SVIDS_MAX = 256;
/** How often the wall clock is looked at: timers do not see that it was set, or that the machine slept, and certificates end by it. */
export const WALL_CLOCK_LOOK_MS = 10_000;

export type SvidState = 'Initializing' | 'Available' | `Unavailable: ${string}`;

/** What is held of one identity. */
export interface SvidStatus {
  readonly identity: SpiffeId;
  readonly state: SvidState;
  readonly svid?: Svid;
}

interface Entry {
  readonly identity: SpiffeId;
  readonly backoff: Backoff;
  readonly abort: AbortController;
  holds: number;
  svid: Svid | null;
  lastError: string | null;
  /** The last request failed, and the next waits for its time. */
  isDelayed: boolean;
  timer: Disposable | null;
}

interface Job {
  readonly entry: Entry;
  readonly priority: SvidPriority;
}

/**
 * The SVIDs of the identities that have pods on this node: requested when the first pod comes, renewed from half of
 * their life on, used until they expire however long renewal fails. Once the last pod is gone one is kept until it expires, so that
 * the next pod of its identity starts at once, and renewed no more.
 */
export class SvidStore implements AsyncDisposable {
  readonly #options: SvidStoreOptions;
  readonly #entries = new Map<SpiffeId, Entry>();
  #queue: Job[] = [];
  readonly #running = new Set<Promise<void>>();
  #closed = false;

  constructor(options: SvidStoreOptions) {
    this.#options = options;
  }

  /** One pod needs the identity, until the hold is disposed. */
  hold(identity: SpiffeId): Disposable {
    let entry = this.#entries.get(identity);
    if (entry === undefined) {
      entry = {
        identity,
        backoff: createBackoff(REFRESH_BACKOFF, this.#options.random),
        abort: new AbortController(),
        holds: 0,
        svid: null,
        lastError: null,
        isDelayed: false,
        timer: null,
      };
      this.#entries.set(identity, entry);
      this.#enqueue(entry, SVID_PRIORITY.realTime);
    } else if (entry.holds === 0) this.#wake(entry);
    const held = entry;
    held.holds++;
    let released = false;
    return {
      [Symbol.dispose]: () => {
        if (released) return;
        released = true;
        held.holds--;
        if (held.holds === 0) this.#rest(held);
      },
    };
  }

  /** Asks for a successor of every SVID, for example because the roots have changed. Those without a pod go. */
  renewAll(): void {
    for (const entry of [...this.#entries.values()]) {
      if (entry.holds === 0) this.#forget(entry);
      else if (entry.svid !== null) this.#later(entry, 0, SVID_PRIORITY.warmUp);
    }
  }

  /** Asks at once for what waits since a request failed, for example because the authority is heard of again. It waits no shorter the next time. */
  retryDelayed(): void {
    for (const entry of this.#entries.values()) if (entry.isDelayed) this.#retry(entry, 0);
  }

  /** Identities that have pods here. */
  status(): readonly SvidStatus[] {
    const held = [...this.#entries.values()].filter(({ holds }) => holds > 0);
    return held.map((entry) => ({
      identity: entry.identity,
      state: this.#stateOf(entry),
      ...(entry.svid === null ? {} : { svid: entry.svid }),
    }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#queue = [];
    for (const entry of this.#entries.values()) {
      entry.timer?.[Symbol.dispose]();
      entry.abort.abort(new DOMException('the agent stops', 'AbortError'));
    }
    await Promise.allSettled(this.#running);
  }

  #stateOf({ svid, lastError }: Entry): SvidState {
    if (svid !== null && this.#options.clock.now() < svid.notAfterMs) return 'Available';
    if (svid !== null) return 'Unavailable: expired';
    return lastError === null ? 'Initializing' : `Unavailable: ${lastError}`;
  }

  /** The last pod is gone. */
  #rest(entry: Entry): void {
    entry.isDelayed = false;
    const { svid } = entry;
    const leftMs = svid === null ? 0 : svid.notAfterMs - this.#options.clock.now();
    if (leftMs <= 0 || this.#closed) return this.#forget(entry);
    this.#queue = this.#queue.filter((job) => job.entry !== entry);
    this.#at(entry, svid?.notAfterMs ?? 0, () => this.#forget(entry));
    // In order of their last use.
    this.#entries.delete(entry.identity);
    this.#entries.set(entry.identity, entry);
    const idle = [...this.#entries.values()].filter(({ holds }) => holds === 0);
    for (const oldest of idle.slice(0, Math.max(0, idle.length - IDLE_SVIDS_MAX))) this.#forget(oldest);
  }

  /** A pod came while the SVID of a former one is still good. */
  #wake(entry: Entry): void {
    const { clock, random } = this.#options;
    const dueMs = entry.svid === null ? 0 : refreshAtMs(entry.svid, clock.now(), random());
    this.#at(entry, dueMs, () => this.#enqueue(entry, SVID_PRIORITY.background));
  }

  #forget(entry: Entry): void {
    entry.timer?.[Symbol.dispose]();
    entry.abort.abort(new DOMException('the identity has no pods here any more', 'AbortError'));
    this.#entries.delete(entry.identity);
    this.#queue = this.#queue.filter((job) => job.entry !== entry);
    if (this.#closed) return;
    this.#options.forget(entry.identity).catch((error: unknown) => {
      // Whoever should forget it ends as well.
      if (this.#closed) return;
      this.#options.logger.error('certificate could not be forgotten', { identity: entry.identity, error });
    });
  }

  #enqueue(entry: Entry, priority: SvidPriority): void {
    if (this.#closed || entry.abort.signal.aborted) return;
    entry.isDelayed = false;
    const at = this.#queue.findIndex((job) => job.priority > priority);
    this.#queue.splice(at === -1 ? this.#queue.length : at, 0, { entry, priority });
    this.#pump();
  }

  #pump(): void {
    while (this.#running.size < SVID_REQUESTS_MAX) {
      const job = this.#queue.shift();
      if (job === undefined) return;
      const run = this.#renew(job.entry).finally(() => {
        this.#running.delete(run);
        this.#pump();
      });
      this.#running.add(run);
    }
  }

  async #renew(entry: Entry): Promise<void> {
    const { logger, request, publish, clock, random } = this.#options;
    try {
      const svid = await request(entry.identity, entry.abort.signal);
      entry.abort.signal.throwIfAborted();
      await publish(entry.identity, svid);
      // Given up meanwhile: another entry may stand for the identity by now, and this one must not come back in its place.
      entry.abort.signal.throwIfAborted();
      entry.svid = svid;
      entry.lastError = null;
      logger.debug('certificate issued', {
        identity: entry.identity,
        'valid.until': new Date(svid.notAfterMs).toISOString(),
      });
      if (entry.holds === 0) return this.#rest(entry);
      const nowMs = clock.now();
      const dueMs = refreshAtMs(svid, nowMs, random());
      if (dueMs > nowMs) {
        entry.backoff.reset();
        this.#at(entry, dueMs, () => this.#enqueue(entry, SVID_PRIORITY.background));
        return;
      }
      // By this clock it is old as it comes. Its successor would be too: not to be asked for at once, again and again.
      logger.warn('a certificate that has just been issued is due for renewal: is the clock of this machine ahead?', {
        ...{ identity: entry.identity, 'valid.until': new Date(svid.notAfterMs).toISOString() },
      });
      this.#later(entry, entry.backoff.nextMs(), SVID_PRIORITY.background);
    } catch (error) {
      if (entry.abort.signal.aborted || entry.holds === 0) return;
      entry.lastError = error instanceof Error ? error.message : 'unknown';
      this.#options.onFailure(error);
      const fields = entry.svid === null ? {} : { 'valid.until': new Date(entry.svid.notAfterMs).toISOString() };
      logger.warn('certificate could not be obtained, will try again', { identity: entry.identity, ...fields, error });
      entry.isDelayed = true;
      this.#retry(entry, entry.backoff.nextMs());
    }
  }

  #retry(entry: Entry, delayMs: number): void {
    this.#later(entry, delayMs, entry.svid === null ? SVID_PRIORITY.realTime : SVID_PRIORITY.background);
  }

  #later(entry: Entry, delayMs: number, priority: SvidPriority): void {
    if (this.#closed || entry.abort.signal.aborted) return;
    entry.timer?.[Symbol.dispose]();
    entry.timer = this.#options.clock.setTimer(delayMs, () => this.#enqueue(entry, priority));
  }

  /**
   * At a moment of the wall clock, or once as long has passed as it is away now: a clock that is set back has not made certificates
   * younger for others. At once when it is over.
   */
  #at(
    entry: Entry,
    dueMs: number,
    then: () => void,
    latestMs: number = this.#options.clock.monotonic() + dueMs - this.#options.clock.now(),
  ): void {
    if (this.#closed || entry.abort.signal.aborted) return;
    const { clock } = this.#options;
    const leftMs = Math.max(0, Math.min(dueMs - clock.now(), latestMs - clock.monotonic()));
    entry.timer?.[Symbol.dispose]();
    entry.timer = clock.setTimer(Math.min(leftMs, WALL_CLOCK_LOOK_MS), () => {
      if (clock.now() >= dueMs || clock.monotonic() >= latestMs) then();
      else this.#at(entry, dueMs, then, latestMs);
    });
  }
}
