import {
  type HboneConnection,
  HboneError,
  type HboneErrorCode,
  type HbonePool,
  type HboneSession,
  isOwned,
  type LocalTunnelRequest,
  type OpenedTunnel,
  openLocalTunnel,
  type PoolTarget,
  type TunnelEnd,
  type TunnelOpening,
} from '@ambit/mesh/hbone';
import type { WorkloadUid } from '@ambit/mesh/model';
import type { Clock } from '@ambit/mesh/runtime';
import type { TunnelPeer } from '@ambit/mesh/tls';
import { decideCarriage } from './decide-carriage.ts';
import { type ServerEnd, ServerEnds } from './server-ends.ts';
import { SessionWatch } from './session-watch.ts';
import { type WorkerChannel, WorkerEnds } from './worker-ends.ts';

/** A captured pod as the shortcut reaches it. */
export interface ServedPod {
  readonly workload: WorkloadUid;
  /** False once it drains or is gone. */
  readonly accepts: () => boolean;
  /** Admits a request as if it had come by CONNECT over the connection `end`. */
  readonly serve: (request: LocalTunnelRequest<TunnelPeer>, end: ServerEnd) => void;
}

export interface ShortcutAttempt {
  readonly destination: WorkloadUid;
  readonly pool: HbonePool<TunnelPeer>;
  readonly target: PoolTarget<TunnelPeer>;
  readonly opening: TunnelOpening;
}

interface ProvenEnd {
  readonly end: ServerEnd;
  /** When the client's certificate ends, of the monotonic clock of this thread: the wall clock may be set back, which makes no certificate younger. */
  readonly peerLatestMs: number;
}

type Opened = OpenedTunnel<TunnelPeer, TunnelEnd>;
type Session = HboneSession<TunnelPeer>;

/** How long a session has to show that it is alive; one that does not takes no new connections, whichever way. */
const ASK_TIMEOUT_MS = 2000;
/** A session that ends while it is asked is replaced, once. */
const ATTEMPTS_MAX = 2;
/** The session, not the request, was at fault, and no application has heard anything: a tunnel may be tried. */
const STALE: ReadonlySet<HboneErrorCode> = new Set(['closed', 'goaway', 'keepalive', 'draining']);

/**
 * The shortcut of one data worker: a connection between two pods of this process goes from socket to socket, without encryption,
 * while a tunnel connection from the one to the other stands through the network.
 *
 * That both ends of it are in this process is known by comparing what only the two ends of a TLS session can compute
 * (RFC 9266). Nothing about it is ever sent, so there is nothing that a pod, another process or somebody in between could
 * replay or forge. The tunnel connection is held by what the shortcut carries, which ends with it.
 */
export class Shortcuts implements Disposable {
  readonly #clock: Clock;
  readonly #ends = new ServerEnds();
  readonly #others: WorkerEnds | null;
  readonly #watch: SessionWatch;
  readonly #pods = new Map<number, ServedPod>();
  readonly #podsOf = new Map<WorkloadUid, Set<ServedPod>>();
  /** By session of a client: its other end, null when that is in another process. */
  readonly #proofs = new WeakMap<Session, ProvenEnd | null>();
  #opened = 0;

  /** `channel` is null when there is one worker. */
  constructor(options: { readonly clock: Clock; readonly channel: WorkerChannel | null; readonly worker: number }) {
    const { clock, channel, worker } = options;
    this.#clock = clock;
    this.#others = channel === null ? null : new WorkerEnds({ clock, own: this.#ends, channel, worker });
    this.#watch = new SessionWatch({ clock });
  }

  /** Connections carried by the shortcut so far. */
  get openedCount(): number {
    return this.#opened;
  }

  addPod(instance: number, pod: ServedPod): void {
    this.#pods.set(instance, pod);
    const same = this.#podsOf.get(pod.workload) ?? new Set();
    this.#podsOf.set(pod.workload, same.add(pod));
  }

  removePod(instance: number): void {
    const pod = this.#pods.get(instance);
    if (pod === undefined) return;
    this.#pods.delete(instance);
    const same = this.#podsOf.get(pod.workload);
    same?.delete(pod);
    if (same?.size === 0) this.#podsOf.delete(pod.workload);
  }

  /** A tunnel connection was accepted. Call in the turn in which the handshake ended. */
  accepted(connection: HboneConnection<TunnelPeer>, end: ServerEnd): void {
    this.#ends.add(connection, end);
  }

  /** It has ended. */
  closed(connection: HboneConnection<TunnelPeer>): void {
    this.#ends.remove(connection);
  }

  /**
   * Opens `attempt` by the shortcut. Null, now or later, when it has to go by tunnel.
   * @throws HboneError as `HbonePool.openTunnel`, where a tunnel would fare no better.
   */
  open(attempt: ShortcutAttempt): Promise<Opened | null> | null {
    const session = attempt.pool.standing(attempt.target);
    switch (this.#decide(attempt, session)) {
      case 'tunnel':
        return null;
      case 'shortcut':
        return session === undefined ? null : this.#openOn(session, attempt);
      case 'ask':
        return this.#askAndOpen(attempt);
    }
  }

  [Symbol.dispose](): void {
    this.#others?.[Symbol.dispose]();
  }

  #decide({ destination, opening }: ShortcutAttempt, session: Session | undefined): ReturnType<typeof decideCarriage> {
    return decideCarriage({
      isDestinationHere: this.#isHere(destination),
      isSourceRead: opening.source === undefined || isOwned(opening.source),
      session: session && {
        proof: this.#proofOf(session),
        answeredAgoMs: this.#clock.monotonic() - session.peerAnsweredMs,
      },
    });
  }

  #proofOf(session: Session): 'untried' | 'here' | 'elsewhere' {
    const proven = this.#proofs.get(session);
    if (proven === undefined) return 'untried';
    return proven !== null && this.#pods.get(proven.end.instance)?.accepts() === true ? 'here' : 'elsewhere';
  }

  #isHere(workload: WorkloadUid): boolean {
    for (const pod of this.#podsOf.get(workload) ?? []) if (pod.accepts()) return true;
    return false;
  }

  async #askAndOpen(attempt: ShortcutAttempt): Promise<Opened | null> {
    const { pool, target } = attempt;
    for (let tries = 0; tries < ATTEMPTS_MAX; tries++) {
      const session = await pool.session(target);
      if (await session.askPeer(ASK_TIMEOUT_MS)) {
        if (!this.#proofs.has(session)) await this.#prove(session);
        return this.#decide(attempt, session) === 'shortcut' && session.state === 'open'
          ? this.#openOn(session, attempt)
          : null;
      }
      // Silent: a new session will show whether the way is open. What is carried on this one goes on until it is known to be dead.
      if (session.state === 'open') session.drain();
    }
    return null;
  }

  /** The peer has answered, so its end has been accepted, wherever it is. */
  async #prove(session: Session): Promise<void> {
    const binding = session.channelBinding;
    const end = binding === undefined ? undefined : (this.#ends.find(binding) ?? (await this.#others?.find(binding)));
    this.#proofs.set(session, end === undefined ? null : this.#proven(end));
  }

  #proven(end: ServerEnd): ProvenEnd {
    return { end, peerLatestMs: this.#clock.monotonic() + end.peerUntilMs - this.#clock.now() };
  }

  async #openOn(session: Session, { opening }: ShortcutAttempt): Promise<Opened | null> {
    const proven = this.#proofs.get(session);
    if (proven === undefined || proven === null) return null;
    const isOver = this.#clock.monotonic() >= proven.peerLatestMs;
    const end = isOver ? { ...proven.end, peerUntilMs: 0 } : proven.end;
    const pod = this.#pods.get(end.instance);
    if (pod === undefined) return null;
    try {
      const opened = await openLocalTunnel<TunnelPeer>({
        session,
        connection: standInFor(session, end),
        opening,
        onTunnel: (request) => pod.serve(request, end),
      });
      this.#opened++;
      this.#watch.watch(session);
      return opened;
    } catch (error) {
      if (error instanceof HboneError && STALE.has(error.code)) return null;
      throw error;
    }
  }
}

/** The server's end of a session, which may be another worker's: what is done to it is done to the client's end. */
function standInFor(session: Session, { peer }: ServerEnd): HboneConnection<TunnelPeer> {
  return {
    peer,
    get state() {
      return session.state;
    },
    streamCount: 0,
    channelBinding: undefined,
    hold: (onLost) => session.hold(onLost),
    drain: () => session.drain(),
    destroy: (reason) => session.destroy(reason),
  };
}
