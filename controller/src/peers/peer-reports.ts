import type { Clock, Logger, Metrics } from '@ambit/mesh/runtime';
import { callWithin } from '../call-within.ts';
import type { LeaderWork } from '../leader/index.ts';
import { Bell } from '../reconcile/bell.ts';
import type { ReplicaProgress } from '../status/mesh-progress.ts';
import type { PeerAnswer } from './ask-peer.ts';
import { PeerError } from './errors.ts';
import { PEER_LIMITS } from './limits.ts';
import { createPeerMetrics, type PeerMetrics } from './metrics.ts';
import type { Peer } from './own-pods.ts';

export interface PeerReportsOptions {
  /** The other replicas now. */
  readonly peers: () => readonly Peer[];
  /** Rejects when the peer does not answer as it should. */
  readonly ask: (peer: Peer, after: string, signal: AbortSignal) => Promise<PeerAnswer>;
  /** What is known has changed. */
  readonly onChange: () => void;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** One replica that is being asked. */
interface Followed {
  readonly stop: AbortController;
  readonly running: Promise<void>;
  /** Of the last report. */
  mark: string;
  report: ReplicaProgress | null;
  /** Of the last answer; null before any. */
  heardAtMs: number | null;
  /** Whether the first question has been answered or has failed. */
  isTried: boolean;
}

/** What the other replicas say of their node agents, while this one leads. */
export class PeerReports {
  readonly #options: PeerReportsOptions;
  readonly #metrics: PeerMetrics;
  readonly #bell: Bell;
  #followed: Map<string, Followed> | null = null;
  #firstRound: PromiseWithResolvers<void> = Promise.withResolvers<void>();

  constructor(options: PeerReportsOptions) {
    this.#options = options;
    this.#metrics = createPeerMetrics(options.metrics);
    this.#bell = new Bell(options.clock);
  }

  /** The replicas are others now. */
  peersChanged(): void {
    this.#bell.ring();
  }

  /** What those that answer say, and the names of those that do not. */
  get current(): { readonly reports: readonly ReplicaProgress[]; readonly silent: readonly string[] } {
    const sinceMs = this.#options.clock.monotonic() - PEER_LIMITS.staleMs;
    const reports: ReplicaProgress[] = [];
    const silent: string[] = [];
    for (const peer of this.#options.peers()) {
      const { report = null, heardAtMs = null } = this.#followed?.get(keyOf(peer)) ?? {};
      if (report !== null && heardAtMs !== null && heardAtMs > sinceMs) reports.push(report);
      else silent.push(peer.name);
    }
    return { reports, silent };
  }

  /** Resolves when every replica has been asked once in this term, or after a while. */
  async firstRound(signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const either = AbortSignal.any([signal, over.signal]);
    await Promise.race([this.#firstRound.promise, this.#options.clock.sleep(PEER_LIMITS.firstRoundMs, either)]);
    over.abort();
  }

  /** Work of the leader: asks every replica, again and again. */
  readonly work: LeaderWork = async (signal) => {
    const followed = new Map<string, Followed>();
    this.#followed = followed;
    try {
      const round = async (): Promise<void> => {
        this.#follow(followed, signal);
        this.#announce();
      };
      await this.#bell.repeat(round, { resyncMs: PEER_LIMITS.staleMs }, signal);
    } finally {
      this.#followed = null;
      this.#firstRound = Promise.withResolvers<void>();
      this.#metrics.silent.set([], 0);
      for (const { stop } of followed.values()) stop.abort();
      await Promise.all([...followed.values()].map(({ running }) => running));
    }
  };

  #follow(followed: Map<string, Followed>, signal: AbortSignal): void {
    const peers = this.#options.peers().slice(0, PEER_LIMITS.peersMax);
    const keys = new Set(peers.map(keyOf));
    for (const [key, { stop }] of followed) {
      if (keys.has(key)) continue;
      stop.abort();
      followed.delete(key);
    }
    for (const peer of peers) {
      if (followed.has(keyOf(peer))) continue;
      const stop = new AbortController();
      const state: Followed = {
        stop,
        running: Promise.resolve().then(() => this.#askOn(peer, state, AbortSignal.any([signal, stop.signal]))),
        mark: '',
        report: null,
        heardAtMs: null,
        isTried: false,
      };
      followed.set(keyOf(peer), state);
    }
  }

  /** Until `signal` aborts. Never rejects. */
  async #askOn(peer: Peer, state: Followed, signal: AbortSignal): Promise<void> {
    const { clock, logger, ask } = this.#options;
    let isFailing = false;
    while (!signal.aborted) {
      try {
        const answer = await callWithin(clock, PEER_LIMITS.answerMs, signal, (within) => ask(peer, state.mark, within));
        state.heardAtMs = clock.monotonic();
        state.isTried = true;
        state.mark = answer.mark;
        if (answer.report !== null) state.report = answer.report;
        this.#metrics.questions.add([answer.report === null ? 'unchanged' : 'report']);
        if (isFailing) logger.info('replica tells of its node agents again', { peer: peer.name });
        if (isFailing || answer.report !== null) this.#announce();
        isFailing = false;
      } catch (error) {
        if (signal.aborted) return;
        state.isTried = true;
        this.#metrics.questions.add([isTooLarge(error) ? 'too-large' : 'failed']);
        // Once per outage: it says nothing new every second.
        if (!isFailing) logger.warn('replica does not tell of its node agents', { peer: peer.name, error });
        isFailing = true;
        this.#announce();
      }
      await clock.sleep(PEER_LIMITS.pauseMs, signal).catch(() => {});
    }
  }

  #announce(): void {
    // An answer may come in the same turn as the end of the term.
    if (this.#followed === null) return;
    const all = [...this.#followed.values()];
    if (all.every(({ isTried }) => isTried)) this.#firstRound.resolve();
    this.#metrics.silent.set([], this.current.silent.length);
    this.#options.onChange();
  }
}

function isTooLarge(error: unknown): boolean {
  return error instanceof PeerError && error.code === 'too-large';
}

function keyOf({ uid, host }: Peer): string {
  return `${uid} ${host}`;
}
