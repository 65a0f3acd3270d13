import type { MeshViewUpdate } from '../model/mesh-view.ts';
import { type Backoff, createBackoff } from '../runtime/backoff.ts';
import type { Clock } from '../runtime/clock.ts';
import { MeshError } from '../runtime/errors.ts';
import type { Logger } from '../runtime/logger.ts';
import {
  ADDRESS_TYPE_URL,
  AUTHORIZATION_TYPE_URL,
  type DiscoveryNode,
  type DiscoveryResponse,
  RANGES_TYPE_URL,
} from '../wire/discovery-messages.ts';
import { LIMITS } from '../wire/limits.ts';
import type { Demand } from './demand.ts';
import type { OtherType } from './other-type.ts';
import { partsOf } from './response-parts.ts';
import { type ReadResponse, type RefusedResource, Subscription } from './subscription.ts';
import type { PushStream, PushTransport } from './transport.ts';

/** Delays between attempts to reach the controller (protocol.md 3.5). */
export const PUSH_BACKOFF = { initialMs: 10, maxMs: 15_000, factor: 2, jitter: 0.2 } as const;
/** Refused resources that one response gets logged; their number is logged in any case. */
const REFUSALS_LOGGED_MAX = 10;
/**
 * Of the parts of one response before its last: refused resources that are remembered for the answer. Its message has no room for more, and
 * one more than it may name tells that it must not name them.
 */
const REFUSALS_TOLD_MAX = LIMITS.refusedNames + 1;

/** What happened, for counters; in order, synchronously. Observers must not throw. */
export type PushEvent =
  | { readonly kind: 'connected' }
  | { readonly kind: 'disconnected'; readonly clean: boolean }
  | {
      readonly kind: 'response';
      readonly typeUrl: string;
      readonly resources: number;
      readonly removed: number;
      readonly refused: number;
      readonly resourceBytes: number;
    };

export interface PushClientOptions {
  readonly transport: PushTransport;
  readonly node: DiscoveryNode;
  readonly clock: Clock;
  readonly logger: Logger;
  /**
   * Puts one update in force wherever decisions are made. The controller gets its acknowledgement only after this
   * resolved; updates come one at a time and in order. Rejecting ends the stream, and what was in it comes again.
   */
  readonly apply: (update: MeshViewUpdate) => Promise<void>;
  /**
   * Asks for the ranges of the mesh as well. Nothing waits for them, since controllers other than Ambit's do not answer.
   */
  readonly withRanges?: boolean;
  /** Asks for addresses by these names, not for all of them. Policies are always all asked for. */
  readonly demand?: Demand;
  /** Without policies: whoever asks does not decide by them. Default: with. */
  readonly withPolicies?: boolean;
  /** Asked for after the addresses. */
  readonly others?: readonly OtherType[];
  /** Called once: the initial state of everything but the ranges is in force and acknowledged. */
  readonly onReady?: () => void;
  readonly onEvent?: (event: PushEvent) => void;
  /** In [0, 1); spreads the retries of many nodes. */
  readonly random?: () => number;
}

export interface PushStatus {
  readonly connected: boolean;
  readonly ready: boolean;
  readonly types: readonly {
    readonly typeUrl: string;
    readonly resources: number;
    /** Of the resources, those that refuse in place of what cannot be read. */
    readonly standIns: number;
    readonly refused: readonly RefusedResource[];
  }[];
}

/**
 * Keeps the mesh view as the controller has it: one delta discovery stream, all resources of its types, or addresses by name. Connects
 * again for ever with backoff; what was applied stays in force meanwhile and only differences are sent anew.
 *
 * Policies come first: until the initial policies are in force no address is asked for, so a workload is never known
 * before the policies of its namespace and of the mesh are. Other types come last: they name addresses.
 */
export class PushClient {
  readonly #options: PushClientOptions;
  readonly #policies: Subscription | null;
  readonly #addresses = new Subscription(ADDRESS_TYPE_URL);
  readonly #ranges: Subscription | null;
  readonly #others: ReadonlyMap<Subscription, OtherType>;
  readonly #backoff: Backoff;
  #connected = false;
  #ready = false;

  constructor(options: PushClientOptions) {
    this.#options = options;
    this.#ranges = options.withRanges === true ? new Subscription(RANGES_TYPE_URL) : null;
    this.#policies = options.withPolicies === false ? null : new Subscription(AUTHORIZATION_TYPE_URL);
    this.#others = new Map((options.others ?? []).map((type) => [Subscription.of(type), type]));
    this.#backoff = createBackoff(PUSH_BACKOFF, options.random);
  }

  /** Runs until `signal` aborts, then resolves once the stream is closed. To be called once. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#session(signal);
        if (signal.aborted) return;
        this.#options.logger.info('controller ended the push stream');
      } catch (error) {
        if (signal.aborted) return;
        // It is tried again within milliseconds at first: few lines of one kind say as much.
        const kind = error instanceof MeshError ? error.code : 'other';
        this.#options.logger.warn('push stream failed', { error }, { limitBy: `push-stream ${kind}` });
      }
      const delayMs = this.#backoff.nextMs();
      // A sleep that is cut short means that the signal aborted, which the loop sees.
      await this.#options.clock.sleep(delayMs, signal).catch(() => undefined);
    }
  }

  status(): PushStatus {
    return {
      connected: this.#connected,
      ready: this.#ready,
      types: this.#subscriptions.map(({ typeUrl, resourceCount, standInCount, refused }) => ({
        typeUrl,
        resources: resourceCount,
        standIns: standInCount,
        refused,
      })),
    };
  }

  /** One stream from its opening to its end; resolves when the server ended it in order. */
  async #session(signal: AbortSignal): Promise<void> {
    const stream = await this.#options.transport.open(signal);
    const close = (): void => stream.close();
    signal.addEventListener('abort', close, { once: true });
    if (signal.aborted) close();
    this.#connected = true;
    this.#emit({ kind: 'connected' });
    let clean = false;
    try {
      await this.#exchange(stream);
      clean = true;
    } finally {
      signal.removeEventListener('abort', close);
      close();
      this.#options.demand?.close();
      this.#connected = false;
      this.#emit({ kind: 'disconnected', clean });
    }
  }

  async #exchange(stream: PushStream): Promise<void> {
    const { node } = this.#options;
    // First, so that what is asked for next finds them in force.
    if (this.#ranges !== null) await stream.send(this.#ranges.openRequest(node));
    const asked = new Set<Subscription>();
    const askMore = async (): Promise<void> => {
      for (const subscription of this.#due(asked)) {
        asked.add(subscription);
        await (subscription === this.#addresses
          ? this.#askForAddresses(stream)
          : stream.send(subscription.openRequest(node)));
      }
    };
    await askMore();
    const responses = stream.responses[Symbol.asyncIterator]();
    while (await this.#acceptNext(responses, stream)) {
      // A server that answers is well: the next failure starts a new series.
      this.#backoff.reset();
      await askMore();
      this.#noteReady();
    }
  }

  async #askForAddresses(stream: PushStream): Promise<void> {
    const { node, demand } = this.#options;
    const sent = stream.send(this.#addresses.openRequest(node, demand?.names()));
    // In the same turn, so that no name falls between the two.
    demand?.open((names) => stream.send(this.#addresses.nameRequest(names)));
    await sent;
  }

  /** False at the end of the stream. In a frame of its own, which does not outlive the response: one may hold a whole mesh. */
  async #acceptNext(responses: AsyncIterator<DiscoveryResponse>, stream: PushStream): Promise<boolean> {
    const { done, value: response } = await responses.next();
    if (done === true) return false;
    const subscription = this.#subscriptionOf(response);
    if (subscription !== undefined) await this.#accept(response, subscription, stream);
    return true;
  }

  async #accept(response: DiscoveryResponse, subscription: Subscription, stream: PushStream): Promise<void> {
    const { typeUrl, resources, removedResources } = response;
    const refused: RefusedResource[] = [];
    let refusedCount = 0;
    let resourceBytes = 0;
    let last: ReadResponse | undefined;
    for (const part of partsOf(response)) {
      if (last !== undefined) {
        await this.#putInForce(subscription, last);
        subscription.keep(last);
        refused.push(...last.refused.slice(0, REFUSALS_TOLD_MAX - refused.length));
      }
      last = subscription.read(part);
      refusedCount += last.refused.length;
      for (const { value } of part.resources) resourceBytes += value.length;
    }
    this.#logRefused(typeUrl, [...refused, ...(last?.refused ?? [])], refusedCount);
    this.#emit({
      kind: 'response',
      typeUrl,
      resources: resources.length,
      removed: removedResources.length,
      refused: refusedCount,
      resourceBytes,
    });
    if (last === undefined) return;
    await this.#putInForce(subscription, last);
    const answer = subscription.commit(last, refused);
    if (subscription === this.#addresses) this.#options.demand?.answered(response);
    await stream.send(answer);
  }

  /** One after the other: each stage once the one before it is in force. */
  *#due(asked: ReadonlySet<Subscription>): Iterable<Subscription> {
    for (const stage of [
      this.#policies === null ? [] : [this.#policies],
      [this.#addresses],
      [...this.#others.keys()],
    ]) {
      yield* stage.filter((subscription) => !asked.has(subscription));
      if (!stage.every(({ isAcknowledged }) => isAcknowledged)) return;
    }
  }

  async #putInForce(subscription: Subscription, { isEmpty, update, others }: ReadResponse): Promise<void> {
    if (isEmpty) return;
    await (this.#others.get(subscription)?.apply(others) ?? this.#options.apply(update));
  }

  #subscriptionOf({ typeUrl }: DiscoveryResponse): Subscription | undefined {
    const found = this.#subscriptions.find((subscription) => subscription.typeUrl === typeUrl);
    if (found === undefined) {
      this.#options.logger.warn('controller pushed a type that was not asked for', { 'push.type': typeUrl });
    }
    return found;
  }

  get #subscriptions(): readonly Subscription[] {
    return [
      ...(this.#policies === null ? [] : [this.#policies]),
      this.#addresses,
      ...this.#others.keys(),
      ...(this.#ranges === null ? [] : [this.#ranges]),
    ];
  }

  #noteReady(): void {
    if (this.#ready) return;
    if (!this.#subscriptions.every((one) => one === this.#ranges || one.isAcknowledged)) return;
    this.#ready = true;
    this.#options.onReady?.();
  }

  #logRefused(typeUrl: string, refused: readonly RefusedResource[], count: number): void {
    for (const { name, version, reason, denies } of refused.slice(0, REFUSALS_LOGGED_MAX)) {
      const fields = {
        'push.type': typeUrl,
        'push.resource': name,
        'push.version': version,
        'push.reason': reason,
      };
      if (denies === undefined) {
        this.#options.logger.warn('refused a pushed resource; its last good version stays in force', fields);
      } else {
        const message =
          denies === 'subject'
            ? 'a pushed resource cannot be read; what it is about is closed'
            : 'a policy cannot be read; everything is denied where it would hold';
        this.#options.logger.error(message, { ...fields, 'push.denies': denies });
      }
    }
    if (count > REFUSALS_LOGGED_MAX) {
      this.#options.logger.warn('refused more pushed resources', {
        'push.type': typeUrl,
        'push.refused': count,
      });
    }
  }

  #emit(event: PushEvent): void {
    this.#options.onEvent?.(event);
  }
}
