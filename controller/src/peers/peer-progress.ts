import { type Clock, type Logger, type Metrics, usableHost } from '@ambit/mesh/runtime';
import type { ListenAddress } from '../config.ts';
import type { LeaderGate } from '../leader/leader-gate.ts';
import { askPeer } from './ask-peer.ts';
import type { OwnPods } from './own-pods.ts';
import { PeerReports } from './peer-reports.ts';
import { openPeerServer, type PeerServer, type PeerTls } from './peer-server.ts';
import type { PushServer } from '../push/push-server.ts';
import type { Report } from './report.ts';
import { decidePresence, NOBODY_SEEN, type Presence } from '../status/decide-presence.ts';
import type { MeshProgress } from '../status/mesh-progress.ts';
import type { PolicyVersions } from '../status/policy-versions.ts';

/** This process, beside the random ids of others. */
const OWN_ID = 'self';

export interface PeerProgressOptions {
  readonly gate: LeaderGate;
  readonly pods: OwnPods;
  readonly versions: PolicyVersions;
  readonly push: PushServer;
  /** Certificate and roots now. */
  readonly tls: () => PeerTls;
  /** How long a node agent may be away before that is told. */
  readonly awayMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/**
 * How far the node agents of the mesh have come, whichever replica they are connected to: every replica answers for its own,
 * and the leader asks the others.
 */
export class PeerProgress {
  readonly #options: PeerProgressOptions;
  readonly #reports: PeerReports;
  readonly #listeners: (() => void)[] = [];
  /** Where the peers listen: as we do. */
  #port: number | null = null;
  #server: PeerServer | null = null;
  #presence: Presence = NOBODY_SEEN;

  constructor(options: PeerProgressOptions) {
    const { pods, push, tls } = options;
    this.#options = options;
    this.#reports = new PeerReports({
      ...options,
      peers: () => pods.peers,
      ask: ({ host }, after, signal) => askPeer({ host, port: this.#port ?? 0, after, tls: tls() }, signal),
      onChange: () => this.#announce(),
    });
    pods.onPeers(() => this.#reports.peersChanged());
    push.onProgress(() => this.changed());
  }

  /** As it is now. To be asked after every change: who is away is noticed here, and remembered for the term. */
  look(): MeshProgress {
    const { versions, push, pods, awayMs, clock } = this.#options;
    const { reports, silent } = this.#reports.current;
    const own = { id: OWN_ID, nodes: push.progress, version: versions.get.bind(versions) };
    const { presence, progress } = decidePresence(this.#presence, {
      replicas: [own, ...reports],
      silent,
      expected: pods.agentNodes,
      nowMs: clock.monotonic(),
      awayMs,
    });
    this.#presence = presence;
    return progress;
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Resolves when every replica was asked once in this term of the leader, or after a while. */
  firstRound(signal: AbortSignal): Promise<void> {
    return this.#reports.firstRound(signal);
  }

  /** Opens what other replicas ask, and asks them in every term from now on. The caller disposes it. */
  async listen({ ip, port }: ListenAddress): Promise<PeerServer> {
    const { versions, push, tls, gate, clock, logger } = this.#options;
    const report = (): Report => ({ versions: versions.entries(), nodes: push.progress });
    const host = await usableHost(ip);
    this.#server = await openPeerServer({ host, port, tls: tls(), report, clock, logger });
    this.#port = this.#server.port;
    gate.whileLeading('progress at other replicas', (signal) => {
      // Between two terms nobody looked.
      this.#presence = NOBODY_SEEN;
      return this.#reports.work(signal);
    });
    return this.#server;
  }

  /** What is in force here, or who has it, has changed. */
  changed(): void {
    this.#server?.changed();
    this.#announce();
  }

  #announce(): void {
    for (const listener of this.#listeners) listener();
  }
}
