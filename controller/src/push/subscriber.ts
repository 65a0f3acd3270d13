import { type DiscoveryServerStream, GrpcError } from '@ambit/mesh/grpc';
import type { Clock, Logger } from '@ambit/mesh/runtime';
import {
  AMBIT_CONTROL_PLANE,
  AUTHORIZATION_TYPE_URL,
  type DiscoveryRequest,
  type DiscoveryResponse,
} from '@ambit/mesh/wire';
import { PUSH_LIMITS } from './limits.ts';
import type { PushMetrics } from './metrics.ts';
import type { ResourceStore } from './resource-store.ts';
import { decideScope, type SubscriberIdentity } from './scope.ts';
import { TypeSubscription } from './type-subscription.ts';

export type StreamEnd = 'client' | 'unanswered' | 'limits' | 'dropped' | 'failed';

export interface SubscriberOptions {
  readonly identity: SubscriberIdentity;
  readonly stream: DiscoveryServerStream;
  readonly stores: ReadonlyMap<string, ResourceStore>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: PushMetrics;
  /** The client acknowledged or refused a response. */
  readonly onAnswer: () => void;
}

/** State of one stream: reads its requests and sends what they are owed, one response at a time. */
export class Subscriber {
  readonly identity: SubscriberIdentity;
  readonly #options: SubscriberOptions;
  readonly #types = new Map<string, TypeSubscription>();
  readonly #ended = Promise.withResolvers<StreamEnd>();
  readonly #ignored = new Set<string>();
  #nonce = 0;
  #sending = false;
  #over = false;
  #patience: Disposable | null = null;

  constructor(options: SubscriberOptions) {
    this.identity = options.identity;
    this.#options = options;
  }

  /** Versions the client holds, by type; for the debug page. */
  get sentCounts(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#types].map(([type, state]) => [type, state.sentCount]));
  }

  /** How far the client has come with a type; null when it never asked for it. */
  progressOf(typeUrl: string): Pick<TypeSubscription, 'settledRevision' | 'refusedNames'> | null {
    return this.#types.get(typeUrl) ?? null;
  }

  /** Serves until the client goes, breaks a limit, does not answer, or `end` is called. Never rejects. */
  async serve(): Promise<StreamEnd> {
    const { stream } = this.#options;
    const onGone = (): void => this.end('client');
    stream.signal.addEventListener('abort', onGone, { once: true });
    this.#read().then(
      () => this.end('client'),
      (error: unknown) => this.#fail(error),
    );
    try {
      return await this.#ended.promise;
    } finally {
      this.#over = true;
      this.#patience?.[Symbol.dispose]();
      stream.signal.removeEventListener('abort', onGone);
    }
  }

  end(reason: StreamEnd): void {
    this.#ended.resolve(reason);
  }

  /** Resources of that type were added, changed or removed. */
  changed(typeUrl: string, names: Iterable<string>): void {
    const state = this.#types.get(typeUrl);
    if (state === undefined) return;
    state.changed(names);
    this.#pump();
  }

  async #read(): Promise<void> {
    for await (const request of this.#options.stream.requests) {
      if (this.#over || !this.#accept(request)) return;
      this.#pump();
    }
  }

  #accept(request: DiscoveryRequest): boolean {
    const { stores, logger, metrics } = this.#options;
    const { typeUrl } = request;
    const store = decideScope(this.identity).has(typeUrl) ? stores.get(typeUrl) : undefined;
    if (store === undefined) {
      // Peers ask for types of other meshes too (Istio's agents do): they get nothing, once told to the log.
      if (this.#ignored.size < stores.size + 8 && !this.#ignored.has(typeUrl)) {
        this.#ignored.add(typeUrl);
        const type = typeUrl.slice(0, 200);
        logger.warn('subscriber asked for a type that is not served to it', { type }, { limitBy: this.identity.node });
      }
      return true;
    }
    let state = this.#types.get(typeUrl);
    if (state === undefined) this.#types.set(typeUrl, (state = new TypeSubscription(store, this.identity)));
    const { answer, withinLimits } = state.accept(request);
    if (answer.kind !== 'none') {
      metrics.answers.add([shortType(typeUrl), answer.kind]);
      this.#options.onAnswer();
    }
    if (answer.kind === 'refused') {
      const { reason } = answer;
      logger.warn('subscriber refused a response', { type: typeUrl, reason }, { limitBy: this.identity.node });
    }
    if (!withinLimits) this.end('limits');
    return withinLimits;
  }

  /** Starts sending unless it is under way; everything owed is sent before it stops. */
  #pump(): void {
    if (this.#sending || this.#over) return;
    this.#sending = true;
    this.#sendAll().catch((error: unknown) => this.#fail(error));
  }

  async #sendAll(): Promise<void> {
    try {
      // Whoever is announcing changes finishes first, so that the order of types is ours to choose.
      await Promise.resolve();
      for (let response = this.#nextResponse(); response !== null && !this.#over; response = this.#nextResponse()) {
        this.#record(response);
        // Before: a client that does not read holds this up for ever.
        this.#watchPatience();
        await this.#options.stream.send({ ...response, controlPlane: AMBIT_CONTROL_PLANE });
      }
    } finally {
      // In the same turn as the last look for work: an answer that is read later must start the pump again.
      this.#sending = false;
    }
  }

  /**
   * Policies before the workloads that name them, and out only after those that no longer do: an agent denies what names a
   * policy it does not have, so any other order would refuse connections for a moment. A policy of a whole namespace is
   * named by nobody: without it a workload of that namespace would admit everybody for a moment. So while policies wait
   * for the client's answer, everything waits.
   */
  #nextResponse(): DiscoveryResponse | null {
    const policies = this.#types.get(AUTHORIZATION_TYPE_URL);
    const others = [...this.#types.values()].filter((state) => state !== policies);
    const nonce = String(this.#nonce + 1);
    const ofPolicies = (): DiscoveryResponse | null =>
      policies?.next(
        nonce,
        others.some((state) => state.busy),
      ) ?? null;
    let response = ofPolicies();
    if (response === null && policies?.owesResources === true) return null;
    for (const state of others) response ??= state.next(nonce);
    // Once more: the others may have turned out to have nothing to send.
    response ??= ofPolicies();
    if (response !== null) this.#nonce++;
    return response;
  }

  /** One timer per stream: when it fires with a response not sent or answered since before it was set, the client is stuck. */
  #watchPatience(): void {
    if (this.#patience !== null) return;
    const oldest = new Set([...this.#types.values()].map((state) => state.awaitedNonce));
    this.#patience = this.#options.clock.setTimer(PUSH_LIMITS.acknowledgeMs, () => {
      this.#patience = null;
      const waiting = [...this.#types.values()].filter((state) => state.awaitedNonce !== null);
      if (waiting.some((state) => oldest.has(state.awaitedNonce))) this.end('unanswered');
      else if (waiting.length > 0) this.#watchPatience();
    });
  }

  #record(response: DiscoveryResponse): void {
    const { metrics, logger } = this.#options;
    const type = [shortType(response.typeUrl)];
    metrics.responses.add(type);
    metrics.resources.add(type, response.resources.length);
    metrics.removals.add(type, response.removedResources.length);
    metrics.bytes.add(
      type,
      response.resources.reduce((sum, resource) => sum + resource.value.length, 0),
    );
    logger.debug('response sent', {
      type: response.typeUrl,
      resources: response.resources.length,
      removed: response.removedResources.length,
      revision: response.systemVersion,
    });
  }

  #fail(error: unknown): void {
    if (this.#over || this.#options.stream.signal.aborted) return this.end('client');
    this.#options.logger.warn('discovery stream failed', { error }, { limitBy: this.identity.node });
    this.end(error instanceof GrpcError && error.code === 'cancelled' ? 'client' : 'failed');
  }
}

/** `Address` of `type.googleapis.com/istio.workload.Address`: the value of metric label `type`. */
function shortType(typeUrl: string): string {
  return typeUrl.slice(typeUrl.lastIndexOf('.') + 1);
}
