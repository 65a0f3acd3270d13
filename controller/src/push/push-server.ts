import { type DiscoveryServerStream, GrpcError, type GrpcPeer } from '@ambit/mesh/grpc';
import type { Clock, Logger, Metrics } from '@ambit/mesh/runtime';
import { PUSH_LIMITS } from './limits.ts';
import { callerName } from '../identity/caller.ts';
import { createPushMetrics, type PushMetrics } from './metrics.ts';
import type { ResourceStore } from './resource-store.ts';
import { type SubscriberIdentity, subscriberName } from './scope.ts';
import { type HasSettled, SettlementTimer } from './settlement-timer.ts';
import { type StreamEnd, Subscriber } from './subscriber.ts';

export interface PushServerOptions {
  readonly stores: readonly ResourceStore[];
  /** Who the peer is. Throws GrpcError to refuse it; the reason is logged by whoever decides. */
  readonly authenticate: (peer: GrpcPeer) => SubscriberIdentity | Promise<SubscriberIdentity>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** One open stream, for the debug page. */
export interface SubscriberSummary {
  readonly kind: string;
  readonly node: string;
  /** Of a waypoint. */
  readonly gateway?: string;
  readonly peer: string;
  readonly held: Readonly<Record<string, number>>;
}

/** How far the node agents of one node have come, as of one moment. Of several streams of a node the slowest counts. */
export interface NodeProgress {
  readonly node: string;
  /** By type: the revision of its store up to which everything is acknowledged; -1 before any. */
  readonly settled: ReadonlyMap<string, number>;
  /** By type: resources that were refused and not accepted since, all of a response where nothing was named. */
  readonly refused: ReadonlyMap<string, ReadonlySet<string>>;
}

/** What a stream that we end is answered; ends the client chose need no words. */
const REFUSALS = {
  client: null,
  unanswered: 'deadline-exceeded',
  limits: 'resource-exhausted',
  dropped: 'unauthenticated',
  failed: 'internal',
} as const satisfies Record<StreamEnd, string | null>;

/** Delta discovery for all subscribers over the same stores. */
export class PushServer {
  readonly #options: PushServerOptions;
  readonly #stores: ReadonlyMap<string, ResourceStore>;
  readonly #metrics: PushMetrics;
  readonly #subscribers = new Map<Subscriber, string>();
  /** The same by the process that opened them, oldest first. */
  readonly #byName = new Map<string, Set<Subscriber>>();
  readonly #progressListeners: (() => void)[] = [];
  readonly #settlement: SettlementTimer;

  constructor(options: PushServerOptions) {
    this.#options = options;
    this.#stores = new Map(options.stores.map((store) => [store.typeUrl, store]));
    this.#metrics = createPushMetrics(options.metrics);
    this.#settlement = new SettlementTimer(options.clock, this.#metrics.settledSeconds);
  }

  get subscribers(): readonly SubscriberSummary[] {
    return [...this.#subscribers].map(([subscriber, peer]) => {
      const { identity, sentCounts: held } = subscriber;
      return { kind: identity.kind, node: identity.node, ...gatewayOf(identity), peer, held };
    });
  }

  /** Of every node with an open stream, by name. */
  get progress(): readonly NodeProgress[] {
    return [...this.#byName]
      .filter(([, [first]]) => first?.identity.kind === 'node-agent')
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([node, subscribers]) => progressOf(node, [...subscribers], this.#stores.keys()));
  }

  /** Hears of every answer of a client and of every stream that begins or ends, after it counts in `progress`. */
  onProgress(listener: () => void): void {
    this.#progressListeners.push(listener);
  }

  /** The handler of one stream; ends with it. @throws GrpcError with what the client is told. */
  async serve(stream: DiscoveryServerStream): Promise<void> {
    const identity = await this.#identify(stream.peer);
    const name = subscriberName(identity);
    stream.accept(
      identity.kind === 'node-agent' ? callerName({ node: identity.node, podUid: identity.pod?.uid }) : name,
    );
    if (this.#subscribers.size >= PUSH_LIMITS.subscribersMax) {
      this.#metrics.streamEnds.add(['limits']);
      throw new GrpcError('resource-exhausted');
    }
    const logger = this.#options.logger.child({
      node: identity.node,
      ...gatewayOf(identity),
      'peer.address': stream.peer.address,
    });
    const { clock } = this.#options;
    const subscriber = new Subscriber({
      identity,
      stream,
      stores: this.#stores,
      clock,
      logger,
      metrics: this.#metrics,
      onAnswer: () => this.#announceProgress(),
    });
    this.#add(subscriber, stream.peer.address);
    logger.info('subscriber connected', {}, { limitBy: name });
    this.#announceProgress();
    const end = await subscriber.serve();
    this.#remove(subscriber);
    this.#metrics.streamEnds.add([end]);
    this.#announceProgress();
    logger.info('subscriber gone', { reason: end }, { limitBy: name });
    const refusal = REFUSALS[end];
    if (refusal !== null) throw new GrpcError(refusal);
  }

  /** Tells every subscriber; what each is owed is decided per stream. */
  changed(typeUrl: string, names: ReadonlySet<string>): void {
    for (const subscriber of this.#subscribers.keys()) subscriber.changed(typeUrl, names);
    const revision = this.#stores.get(typeUrl)?.revision;
    if (revision !== undefined) this.#settlement.changed(typeUrl, revision, this.#haveAllSettled);
  }

  /** Ends the streams of subscribers that may no longer read, for example of a revoked node. Answers how many. */
  drop(isUnwanted: (identity: SubscriberIdentity) => boolean): number {
    const unwanted = [...this.#subscribers.keys()].filter(({ identity }) => isUnwanted(identity));
    for (const subscriber of unwanted) subscriber.end('dropped');
    return unwanted.length;
  }

  #add(subscriber: Subscriber, peer: string): void {
    const name = subscriberName(subscriber.identity);
    const ofName = this.#byName.get(name) ?? new Set<Subscriber>();
    const [oldest] = ofName;
    if (ofName.size >= PUSH_LIMITS.subscribersPerNodeMax && oldest !== undefined) {
      oldest.end('limits');
      this.#remove(oldest);
    }
    this.#byName.set(name, ofName.add(subscriber));
    this.#subscribers.set(subscriber, peer);
    this.#metrics.subscribers.set([], this.#subscribers.size);
  }

  #remove(subscriber: Subscriber): void {
    const name = subscriberName(subscriber.identity);
    const ofName = this.#byName.get(name);
    ofName?.delete(subscriber);
    if (ofName?.size === 0) this.#byName.delete(name);
    this.#subscribers.delete(subscriber);
    this.#metrics.subscribers.set([], this.#subscribers.size);
  }

  /** Counts the streams that have asked for the type. */
  readonly #haveAllSettled: HasSettled = (typeUrl, revision) => {
    for (const subscriber of this.#subscribers.keys()) {
      const progress = subscriber.progressOf(typeUrl);
      if (progress !== null && progress.settledRevision < revision) return false;
    }
    return true;
  };

  #announceProgress(): void {
    this.#settlement.progressed(this.#haveAllSettled);
    for (const listener of this.#progressListeners) listener();
  }

  async #identify(peer: GrpcPeer): Promise<SubscriberIdentity> {
    try {
      return await this.#options.authenticate(peer);
    } catch (error) {
      this.#metrics.streamEnds.add(['refused']);
      throw error;
    }
  }
}

function gatewayOf(identity: SubscriberIdentity): { readonly gateway?: string } {
  return identity.kind === 'waypoint' ? { gateway: identity.gateway } : {};
}

function progressOf(node: string, subscribers: readonly Subscriber[], typeUrls: Iterable<string>): NodeProgress {
  const settled = new Map<string, number>();
  const refused = new Map<string, ReadonlySet<string>>();
  for (const typeUrl of typeUrls) {
    const streams = subscribers.map((subscriber) => subscriber.progressOf(typeUrl));
    settled.set(typeUrl, Math.min(...streams.map((stream) => stream?.settledRevision ?? -1)));
    refused.set(typeUrl, new Set(streams.flatMap((stream) => [...(stream?.refusedNames ?? [])])));
  }
  return { node, settled, refused };
}
