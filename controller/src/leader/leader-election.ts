import { type KubeClient, KubeApiError, type KubeName } from '@ambit/mesh/kube';
import { type Clock, type Gauge, gauge, type Logger, type Metrics } from '@ambit/mesh/runtime';
import { callWithin } from '../call-within.ts';
import { decideLease, type LeaseDecision, type LeaseRecord } from './decide-lease.ts';
import type { LeaderTasks } from './leader-tasks.ts';
import { formatLease, LEASE_RESOURCE, microTime, readLease, type StoredLease } from './lease-object.ts';

/** Times of an election. `renewMs` < `durationMs`: a leader stops writing before anybody may take its place. */
export interface LeaseTiming {
  /** A lease that is not renewed for this long is free. */
  readonly durationMs: number;
  /** A leader that could not renew for this long is none any more. */
  readonly renewMs: number;
  /** Between two looks at the lease. */
  readonly retryMs: number;
}

export const LEASE_TIMING: LeaseTiming = { durationMs: 15_000, renewMs: 10_000, retryMs: 2000 };
/** Share of `retryMs` by which replicas drift apart. */
const JITTER = 0.2;
/** What handing over may take at the end. */
const RELEASE_MS = 3000;

export interface LeaderElectionOptions {
  readonly client: KubeClient;
  readonly lease: KubeName;
  /** Different for every process that ever runs. */
  readonly self: string;
  readonly tasks: LeaderTasks;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly timing?: LeaseTiming;
}

interface Term {
  readonly end: AbortController;
  timer: Disposable;
}

/**
 * Keeps a Lease: takes it when it is free, renews it, and ends the term at once when it is lost, at the latest `renewMs`
 * after the beginning of the last renewal that succeeded. Another replica waits `durationMs` from the same renewal, so two
 * never lead at a time, however far their clocks are apart, as long as they run at the same pace.
 */
export class LeaderElection {
  readonly #options: LeaderElectionOptions;
  readonly #timing: LeaseTiming;
  readonly #isLeader: Gauge;
  #term: Term | null = null;
  #seen: { readonly version: string; readonly sinceMs: number } | null = null;
  #holder = '';

  constructor(options: LeaderElectionOptions) {
    this.#options = options;
    this.#timing = options.timing ?? LEASE_TIMING;
    const { leader } = options.metrics.register({
      leader: gauge({ name: 'ambit_leader', help: '1 while this replica writes to the API server, else 0.' }),
    });
    this.#isLeader = leader;
    leader.set([], 0);
  }

  /** Takes part until `signal` aborts; then ends the term, waits for its work and gives the lease back. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger, tasks } = this.#options;
    let failing = false;
    while (!signal.aborted) {
      try {
        await callWithin(clock, this.#timing.renewMs / 2, signal, (within) => this.#look(within));
        failing = false;
      } catch (error) {
        if (signal.aborted) break;
        // Once per outage: it says nothing new every two seconds.
        if (!failing) logger.warn('lease cannot be read or renewed', { error });
        failing = true;
      }
      const pauseMs = this.#timing.retryMs * (1 + JITTER * (2 * Math.random() - 1));
      await clock.sleep(pauseMs, signal).catch(() => {});
    }
    const led = this.#term !== null;
    this.#endTerm('stopped');
    await tasks.settled();
    if (led) await this.#release();
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { client, clock, lease, self } = this.#options;
    const begunMs = clock.monotonic();
    const stored = await readStored(client, lease, signal);
    const decision = decideLease({
      record: stored?.record ?? null,
      unchangedForMs: this.#unchangedFor(stored, begunMs),
      durationMs: this.#timing.durationMs,
      self,
    });
    if (decision.kind === 'wait') {
      this.#noteHolder(decision.holder);
      this.#endTerm('taken by another');
      return;
    }
    if (await this.#write(decision, stored, signal)) this.#lead(begunMs);
  }

  #unchangedFor(stored: StoredLease | null, nowMs: number): number {
    const version = stored?.resourceVersion ?? '';
    if (this.#seen?.version !== version) this.#seen = { version, sinceMs: nowMs };
    return nowMs - this.#seen.sinceMs;
  }

  /** False when somebody else was faster. */
  async #write(
    decision: Exclude<LeaseDecision, { kind: 'wait' }>,
    stored: StoredLease | null,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { client, clock, lease, self } = this.#options;
    const nowMs = clock.now();
    const before = stored?.record;
    const renewing = decision.kind === 'renew' && before !== undefined;
    const record: LeaseRecord = {
      holder: self,
      durationMs: this.#timing.durationMs,
      transitions: renewing ? before.transitions : (before?.transitions ?? -1) + 1,
      acquireTime: renewing ? before.acquireTime : microTime(nowMs),
    };
    const object = formatLease(lease, record, nowMs, stored?.resourceVersion ?? '');
    try {
      if (decision.kind === 'create') await client.create(LEASE_RESOURCE, lease.namespace, object, signal);
      else await client.replace(LEASE_RESOURCE, lease, object, signal);
      return true;
    } catch (error) {
      if (isLostRace(error)) return false;
      throw error;
    }
  }

  #lead(sinceMs: number): void {
    const { clock, logger, tasks, self } = this.#options;
    const leftMs = this.#timing.renewMs - (clock.monotonic() - sinceMs);
    if (leftMs <= 0) return this.#endTerm('renewed too late');
    const timer = clock.setTimer(leftMs, () => this.#endTerm('not renewed in time'));
    if (this.#term !== null) {
      this.#term.timer[Symbol.dispose]();
      this.#term.timer = timer;
      return;
    }
    this.#term = { end: new AbortController(), timer };
    this.#holder = self;
    this.#isLeader.set([], 1);
    logger.info('this replica leads');
    tasks.begin(this.#term.end.signal);
  }

  #endTerm(reason: string): void {
    if (this.#term === null) return;
    this.#term.timer[Symbol.dispose]();
    this.#term.end.abort(new DOMException(`leadership ended: ${reason}`, 'AbortError'));
    this.#term = null;
    this.#isLeader.set([], 0);
    this.#options.logger.info('this replica leads no more', { reason });
  }

  #noteHolder(holder: string): void {
    if (holder === this.#holder) return;
    this.#holder = holder;
    this.#options.logger.info('another replica leads', { holder: holder.slice(0, 300) });
  }

  /** Lets the next replica begin now instead of after the lease's time. */
  async #release(): Promise<void> {
    const { client, clock, lease, logger, self } = this.#options;
    try {
      await callWithin(clock, RELEASE_MS, new AbortController().signal, async (signal) => {
        const stored = await readStored(client, lease, signal);
        if (stored?.record.holder !== self) return;
        const free = { ...stored.record, holder: '', durationMs: 1000 };
        await client.replace(
          LEASE_RESOURCE,
          lease,
          formatLease(lease, free, clock.now(), stored.resourceVersion),
          signal,
        );
      });
    } catch (error) {
      logger.warn('lease not given back, it runs out by itself', { error });
    }
  }
}

async function readStored(client: KubeClient, lease: KubeName, signal: AbortSignal): Promise<StoredLease | null> {
  try {
    return readLease(await client.get(LEASE_RESOURCE, lease, signal));
  } catch (error) {
    if (error instanceof KubeApiError && error.code === 'not-found') return null;
    throw error;
  }
}

function isLostRace(error: unknown): boolean {
  return error instanceof KubeApiError && (error.code === 'conflict' || error.code === 'already-exists');
}
