import type { HboneEnvironment, PoolTarget } from './contract.ts';
import { HboneError } from './errors.ts';
import type { HboneLimits } from './limits.ts';
import { PooledSession } from './pooled-session.ts';
import { openSession } from './session.ts';
import type { HboneSession } from './tunnel.ts';

/** Opens its stream on the session in the same turn. */
interface Waiter<Peer> {
  readonly target: PoolTarget<Peer>;
  readonly use: (session: HboneSession<Peer>) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The sessions of one key. At most one is being created at a time; who finds no room meanwhile waits for it, or for a
 * stream to end on another.
 */
export class PoolEntry<Peer> {
  private readonly environment: HboneEnvironment;
  private readonly limits: HboneLimits;
  private readonly onEmpty: (entry: PoolEntry<Peer>) => void;
  private pooled: PooledSession<Peer>[] = [];
  private waiters: Waiter<Peer>[] = [];
  private creation: AbortController | undefined;
  private retiredDuringCreation = false;
  /** What the peer said last of how many streams it takes: a new session need not be refused some to learn it again. */
  private peerStreamsMax = Number.POSITIVE_INFINITY;

  constructor(environment: HboneEnvironment, limits: HboneLimits, onEmpty: (entry: PoolEntry<Peer>) => void) {
    this.environment = environment;
    this.limits = limits;
    this.onEmpty = onEmpty;
  }

  get sessionCount(): number {
    return this.pooled.length;
  }

  get streamCount(): number {
    return this.pooled.reduce((sum, { session }) => sum + session.streamCount, 0);
  }

  /**
   * Calls `use` with a session that has room, now or when there is one; a session is created unless that is under way.
   * @throws HboneError of the creation or of `use`, or `pool-full`, `aborted`, `cut`.
   */
  withSession<Result>(
    target: PoolTarget<Peer>,
    signal: AbortSignal | undefined,
    use: (session: HboneSession<Peer>) => Promise<Result>,
  ): Promise<Result> {
    if (signal?.aborted === true) return Promise.reject(new HboneError('aborted', { cause: signal.reason }));
    const session = this.pick();
    if (session !== undefined) return use(session);
    if (this.waiters.length >= this.limits.poolWaitersMax) return Promise.reject(new HboneError('pool-full'));
    return new Promise((resolve, reject) => {
      const settle = (): void => signal?.removeEventListener('abort', onAbort);
      const waiter: Waiter<Peer> = {
        target,
        use: (ready) => {
          settle();
          resolve(use(ready));
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      };
      const onAbort = (): void => {
        this.waiters = this.waiters.filter((each) => each !== waiter);
        reject(new HboneError('aborted', { cause: signal?.reason }));
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.waiters.push(waiter);
      void this.create();
    });
  }

  /** Sessions take no new streams; what comes gets new ones. Returns how many sessions. */
  retire(): number {
    this.retiredDuringCreation = this.creation !== undefined;
    const sessions = this.pooled.map(({ session }) => session);
    for (const session of sessions) session.drain();
    return sessions.length;
  }

  /** Closes everything at once; waiters fail with `error`. Returns how many sessions. */
  destroy(error: HboneError): number {
    const sessions = this.pooled.map(({ session }) => session);
    this.failWaiters(error);
    this.creation?.abort(error);
    for (const session of sessions) session.destroy(error);
    return sessions.length;
  }

  /** Closes the sessions to matching peers at once; waiters wait on. Returns how many. */
  destroySessions(matches: (peer: Peer) => boolean, error: HboneError): number {
    const sessions = this.pooled.map(({ session }) => session).filter(({ peer }) => matches(peer));
    for (const session of sessions) session.destroy(error);
    return sessions.length;
  }

  /** A session with room; the fullest comes first, so that those behind it may become idle. */
  pick(): HboneSession<Peer> | undefined {
    return this.pooled.find(({ session }) => session.freeStreamCount > 0)?.session;
  }

  sessionsWithRoom(): readonly HboneSession<Peer>[] {
    return this.pooled.map(({ session }) => session).filter(({ freeStreamCount }) => freeStreamCount > 0);
  }

  private async create(): Promise<void> {
    const target = this.waiters[0]?.target;
    if (this.creation !== undefined || target === undefined || this.pooled.length >= this.limits.poolSessionsMax)
      return;
    const creation = new AbortController();
    this.creation = creation;
    this.retiredDuringCreation = false;
    try {
      const session = await openSession(
        {
          ...this.environment,
          openSocket: target.openSocket,
          secureContext: target.secureContext(),
          verifyPeer: target.verifyPeer,
          signal: creation.signal,
          onClose: (closed) => this.remove(closed),
        },
        (changed) => this.onCapacity(changed),
        Math.max(1, this.peerStreamsMax),
      );
      this.creation = undefined;
      this.add(session);
    } catch (error) {
      this.creation = undefined;
      this.failWaiters(error);
    }
    this.serve();
    this.reportIfEmpty();
  }

  private add(session: HboneSession<Peer>): void {
    if (session.state === 'closed') return;
    this.pooled.push(new PooledSession(session, this.environment.clock, this.limits.idleReleaseMs));
    if (this.retiredDuringCreation) session.drain();
    else if (this.isUseless(session)) {
      session.drain();
      // Another session to the same peer would fare no better.
      this.failWaiters(new HboneError('goaway', { data: { reason: 'peer allows no streams' } }));
    }
  }

  private isUseless(session: HboneSession<Peer>): boolean {
    return session.state === 'open' && !session.isUsed && session.freeStreamCount === 0;
  }

  private onCapacity(session: HboneSession<Peer>): void {
    this.peerStreamsMax = session.peerStreamsMax ?? this.peerStreamsMax;
    for (const pooled of this.pooled) if (pooled.session === session) pooled.noteStreamEnd();
    if (this.isUseless(session)) session.drain();
    this.serve();
  }

  private remove(session: HboneSession<Peer>): void {
    for (const pooled of this.pooled) if (pooled.session === session) pooled[Symbol.dispose]();
    this.pooled = this.pooled.filter((pooled) => pooled.session !== session);
    this.serve();
    this.reportIfEmpty();
  }

  /** Gives waiters the room there is; creates a session for the rest. */
  private serve(): void {
    while (this.waiters.length > 0) {
      const session = this.pick();
      if (session === undefined) {
        void this.create();
        return;
      }
      this.waiters.shift()?.use(session);
    }
  }

  private failWaiters(error: unknown): void {
    const { waiters } = this;
    this.waiters = [];
    for (const waiter of waiters) waiter.reject(error);
  }

  private reportIfEmpty(): void {
    if (this.pooled.length === 0 && this.creation === undefined && this.waiters.length === 0) this.onEmpty(this);
  }
}
