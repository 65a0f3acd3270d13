import type { HboneEnvironment, HbonePool, PoolTarget } from './contract.ts';
import { EarlyPayload } from './early-payload.ts';
import { HboneError } from './errors.ts';
import { Http2Code } from './frame-codec.ts';
import { DEFAULT_LIMITS, type HboneLimits } from './limits.ts';
import { PoolEntry } from './pool-entry.ts';
import type { HboneSession, OpenedTunnel, TunnelOpening } from './tunnel.ts';

/** Makes an empty pool; dispose of it to close its sessions. */
export function createHbonePool<Peer>(environment: HboneEnvironment): HbonePool<Peer> {
  return new SessionPool<Peer>(environment);
}

class SessionPool<Peer> implements HbonePool<Peer> {
  private readonly environment: HboneEnvironment;
  private readonly limits: HboneLimits;
  private readonly entries = new Map<string, PoolEntry<Peer>>();
  private draining = false;
  private drained: (() => void)[] = [];

  constructor(environment: HboneEnvironment) {
    this.environment = environment;
    this.limits = { ...DEFAULT_LIMITS, ...environment.limits };
  }

  get sessionCount(): number {
    let count = 0;
    for (const entry of this.entries.values()) count += entry.sessionCount;
    return count;
  }

  get streamCount(): number {
    let count = 0;
    for (const entry of this.entries.values()) count += entry.streamCount;
    return count;
  }

  async openTunnel(
    target: PoolTarget<Peer>,
    opening: TunnelOpening,
    signal?: AbortSignal,
  ): Promise<OpenedTunnel<Peer>> {
    const early = opening.source === undefined ? undefined : new EarlyPayload(opening.source, opening.tap ?? null);
    let used: HboneSession<Peer> | undefined;
    const open = (session: HboneSession<Peer>): Promise<OpenedTunnel<Peer>> => {
      used = session;
      return session.openTunnel(opening, signal, early);
    };
    const isRepeatable = (error: unknown): error is HboneError =>
      used !== undefined && isStale(error) && early?.mayRepeat(isUnprocessed(error)) !== false;
    try {
      const silent = this.silentSession(target);
      if (silent !== undefined) await this.askAll(target, silent);
      return await this.entryOf(target).withSession(target, signal, open);
    } catch (error) {
      if (used === undefined || !isRepeatable(error)) throw error;
      // No application has seen anything of it yet, so the same request may go to another session, once. A session that
      // refused because it is full, which we learnt too late, is a good one.
      if (!isFull(used, error)) used.drain();
      used = undefined;
      return await this.entryOf(target)
        .withSession(target, signal, open)
        .catch((again: unknown) => {
          throw isRepeatable(again) ? again.asUnheard() : again;
        });
    } finally {
      early?.settle();
    }
  }

  /** The session that a tunnel would go on, when nothing says that its peer is still there. */
  private silentSession(target: PoolTarget<Peer>): HboneSession<Peer> | undefined {
    const session = this.standing(target);
    return session !== undefined && this.isSilent(session) ? session : undefined;
  }

  /**
   * A peer whose network is gone ends no connection: what goes there waits for nothing, and its first words may not be said again. Those who
   * give no sign of life get no more tunnels. Where one gives none the others of its key are asked at once: most likely they are as dead, and
   * each costs its time.
   */
  private async askAll(target: PoolTarget<Peer>, first: HboneSession<Peer>): Promise<void> {
    let silent: HboneSession<Peer> | undefined = first;
    for (; silent !== undefined; silent = this.silentSession(target)) {
      if (await this.isAlive(silent)) continue;
      const others = this.entries.get(target.key)?.sessionsWithRoom() ?? [];
      await Promise.all(others.filter((each) => this.isSilent(each)).map((each) => this.isAlive(each)));
    }
  }

  private async isAlive(session: HboneSession<Peer>): Promise<boolean> {
    if (await session.askPeer(this.limits.signOfLifeMs)) return true;
    session.drain();
    return false;
  }

  private isSilent(session: HboneSession<Peer>): boolean {
    return this.environment.clock.monotonic() - session.heardMs > this.limits.silenceMs;
  }

  standing({ key }: PoolTarget<Peer>): HboneSession<Peer> | undefined {
    return this.draining ? undefined : this.entries.get(key)?.pick();
  }

  async session(target: PoolTarget<Peer>): Promise<HboneSession<Peer>> {
    return this.entryOf(target).withSession(target, undefined, (session) => Promise.resolve(session));
  }

  retire(matches: (key: string) => boolean): number {
    let count = 0;
    for (const entry of this.matching(matches)) count += entry.retire();
    return count;
  }

  cut(matches: (peer: Peer) => boolean, reason: string): number {
    const error = new HboneError('cut', { data: { reason } });
    let count = 0;
    for (const entry of [...this.entries.values()]) count += entry.destroySessions(matches, error);
    return count;
  }

  drain(): Promise<void> {
    this.draining = true;
    this.retire(() => true);
    return this.whenEmpty();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.draining = true;
    const error = new HboneError('draining');
    for (const entry of this.matching(() => true)) entry.destroy(error);
    await this.whenEmpty();
  }

  private entryOf(target: PoolTarget<Peer>): PoolEntry<Peer> {
    if (this.draining) throw new HboneError('draining');
    const { key } = target;
    let entry = this.entries.get(key);
    if (entry === undefined) {
      entry = new PoolEntry<Peer>(this.environment, this.limits, (empty) => this.remove(key, empty));
      this.entries.set(key, entry);
    }
    return entry;
  }

  private remove(key: string, entry: PoolEntry<Peer>): void {
    if (this.entries.get(key) === entry) this.entries.delete(key);
    if (this.entries.size > 0) return;
    const { drained } = this;
    this.drained = [];
    for (const resolve of drained) resolve();
  }

  private matching(matches: (key: string) => boolean): PoolEntry<Peer>[] {
    return [...this.entries].filter(([key]) => matches(key)).map(([, entry]) => entry);
  }

  private whenEmpty(): Promise<void> {
    if (this.entries.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.drained.push(resolve));
  }
}

/** True when the peer refused a stream over its limit. */
function isFull<Peer>(session: HboneSession<Peer>, error: unknown): boolean {
  const isRefusal = error instanceof HboneError && error.code === 'reset';
  return isRefusal && session.state === 'open' && session.peerStreamsMax !== undefined && session.freeStreamCount === 0;
}

/** True when the session, not the request, was at fault and no answer had come. */
function isStale(error: unknown): boolean {
  if (!(error instanceof HboneError)) return false;
  switch (error.code) {
    case 'closed':
    case 'goaway':
    case 'keepalive':
    case 'draining':
      return true;
    case 'reset':
      return error.data['http2Code'] === Http2Code.refusedStream;
    default:
      return false;
  }
}

/** True when the peer has said that it did nothing about the request (RFC 9113 8.7). */
function isUnprocessed(error: unknown): boolean {
  return error instanceof HboneError && (error.code === 'goaway' || error.code === 'reset');
}
