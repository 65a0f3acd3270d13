import type { DiscoveryRequest, DiscoveryResource, DiscoveryResponse } from '@ambit/mesh/wire';
import { decideDelta, nextSubscription, type Subscription } from './delta.ts';
import { PUSH_LIMITS } from './limits.ts';
import {
  coveredNames,
  type PushResource,
  resourceFor,
  type ResourceReader,
  type ResourceStore,
} from './resource-store.ts';
import { UNNAMED } from '../status/decide-carriers.ts';

/** How a client answered a response. */
export type Answer =
  | { readonly kind: 'none' }
  | { readonly kind: 'accepted' }
  | { readonly kind: 'refused'; readonly reason: string };

/**
 * One type on one stream: what was asked, what was sent. At most one response is unanswered at a time; what changes
 * meanwhile gathers by name, so a slow client costs no more memory than a fast one.
 */
export class TypeSubscription {
  readonly #store: ResourceStore;
  readonly #reader: ResourceReader;
  #subscription: Subscription | null = null;
  /** Version by name; empty where the client was told that the name does not exist. */
  readonly #sent = new Map<string, string>();
  #candidates = new Set<string>();
  /** What the client has and does not ask for any more, to be taken from it. */
  readonly #dropped = new Set<string>();
  /** Of the names subscribed to, those at most that it said to hold and did not ask for. */
  #heldAtFirst = 0;
  /** Names of which it is to be seen whether they stand for something; null: all, since what stands for them has changed. */
  #unexamined: Set<string> | null = null;
  #mustRespond = false;
  #awaitedNonce: string | null = null;
  /** Of the response that is not answered yet: what it carried, and how far the client has come with its answer. */
  #awaited: { readonly names: readonly string[]; readonly revision: number | null } | null = null;
  /** The last revision of the store of which the client is known to have all that it wants; -1 before any. */
  #settledRevision = -1;
  /** Resources that the client refused and has not accepted since: those it named, or all of the response. */
  readonly #refused = new Set<string>();

  constructor(store: ResourceStore, reader: ResourceReader = { node: '' }) {
    this.#store = store;
    this.#reader = reader;
  }

  /** Nonce of the response that is not answered yet, or null. */
  get awaitedNonce(): string | null {
    return this.#awaitedNonce;
  }

  /** Something may still have to be sent, or was sent and not answered. */
  get busy(): boolean {
    return this.#candidates.size + this.#dropped.size > 0 || this.#mustRespond || this.#awaitedNonce !== null;
  }

  /**
   * The revision of the store up to which the client has acknowledged everything that it subscribed to; -1 before any. What
   * came in a response that it refused counts as passed and is in `refusedNames`.
   */
  get settledRevision(): number {
    return this.busy || this.#subscription === null ? this.#settledRevision : this.#store.revision;
  }

  /**
   * Resources that the client refused and has not accepted since; all of a response of which it did not say what it refused. With
   * `UNNAMED` once there were too many to remember: which of those it accepts later is not known. To be read at once: it changes.
   */
  get refusedNames(): ReadonlySet<string> {
    return this.#refused;
  }

  /** Waiting behind an unanswered response is something the client does not have, or not in this version. */
  get owesResources(): boolean {
    const subscription = this.#subscription;
    if (subscription === null) return false;
    for (const name of this.#candidates) {
      const resource = this.#resource(name);
      if (resource === undefined || this.#sent.get(name) === resource.version) continue;
      if (this.#isWanted(subscription, name) || (this.#sent.get(name) ?? '') !== '') return true;
    }
    return false;
  }

  get sentCount(): number {
    return this.#sent.size;
  }

  /** Takes one request. False when it exceeds the limits: the stream must end. */
  accept(request: DiscoveryRequest): { readonly answer: Answer; readonly withinLimits: boolean } {
    const first = this.#subscription === null;
    const before = this.#subscription;
    const after = nextSubscription(before, request);
    this.#subscription = after;
    const answer = this.#answerOf(request);
    if (first && !after.wildcard) this.#heldAtFirst = request.initialResourceVersions.size;
    if (!withinLimits(request, after, this.#heldAtFirst)) return { answer, withinLimits: false };
    if (first) {
      // Without a version: it has been asked for, and the answer is not there yet.
      for (const [name, version] of request.initialResourceVersions) if (version !== '') this.#sent.set(name, version);
    }
    if (first || (after.wildcard && before?.wildcard === false)) {
      this.#mustRespond = true;
      this.#candidates = new Set([
        ...this.#sent.keys(),
        ...(after.wildcard ? this.#store.names() : this.#store.onNode(this.#reader.node)),
      ]);
    }
    for (const name of first && !after.wildcard ? after.names : request.subscribe) {
      if (name === '*') continue;
      this.#unexamined?.add(name);
      // A name asked for again is answered again: the client may have lost it.
      for (const resolved of [name, ...this.#store.resolve(name)]) {
        if (!first) this.#sent.delete(resolved);
        this.#candidates.add(resolved);
        this.#dropped.delete(resolved);
      }
      this.#mustRespond = true;
    }
    for (const name of request.unsubscribe) this.#forget(name, after);
    return { answer, withinLimits: true };
  }

  /** Names that were added, changed or removed in the store. */
  changed(names: Iterable<string>): void {
    const subscription = this.#subscription;
    if (subscription === null) return;
    for (const name of names) {
      if (this.#candidates.has(name)) this.#unexamined = null;
      if (subscription.wildcard) this.#candidates.add(name);
      else if ((this.#sent.get(name) ?? '') !== '') this.#candidates.add(name);
      // A service that comes to be brings workloads that were there before it.
      else if (this.#isWanted(subscription, name))
        for (const one of this.#store.resolve(name)) this.#candidates.add(one);
      else continue;
      this.#unexamined = null;
    }
  }

  /**
   * The response to send now, or null: nothing to say, or the last one is unanswered. With `holdRemovals` what is gone stays
   * for a later call.
   */
  next(nonce: string, holdRemovals = false): DiscoveryResponse | null {
    const subscription = this.#subscription;
    if (subscription === null || this.#awaitedNonce !== null) return null;
    if (this.#candidates.size + this.#dropped.size === 0 && !this.#mustRespond) return null;
    const delta = decideDelta(
      this.#candidates,
      this.#sent,
      (name) => this.#resource(name),
      (name) => this.#isWanted(subscription, name),
      { bytesMax: PUSH_LIMITS.responseBytesMax, holdRemovals },
    );
    const absent = this.#newlyAbsent(subscription);
    this.#candidates = new Set(delta.rest);
    const told = delta.resources.length + delta.removed.length + absent.length + this.#dropped.size;
    if (told === 0 && !this.#mustRespond) return null;
    for (const resource of delta.resources) {
      this.#sent.set(resource.name, resource.version);
      this.#dropped.delete(resource.name);
    }
    const dropped = [...this.#dropped];
    this.#dropped.clear();
    for (const name of delta.removed) this.#sent.delete(name);
    for (const name of absent) this.#sent.set(name, '');
    this.#mustRespond = false;
    this.#awaitedNonce = nonce;
    this.#awaited = {
      names: delta.resources.map(({ name }) => name),
      revision: delta.rest.length === 0 ? this.#store.revision : null,
    };
    return {
      typeUrl: this.#store.typeUrl,
      nonce,
      systemVersion: String(this.#store.revision),
      resources: subscription.wildcard ? delta.resources : delta.resources.map((one) => this.#named(subscription, one)),
      removedResources: [...new Set([...delta.removed, ...absent, ...dropped])],
    };
  }

  #resource(name: string): DiscoveryResource | undefined {
    return resourceFor(this.#reader, this.#store.get(name));
  }

  #answerOf(request: DiscoveryRequest): Answer {
    if (request.responseNonce === '' || request.responseNonce !== this.#awaitedNonce) return { kind: 'none' };
    this.#awaitedNonce = null;
    const { names = [], revision = null } = this.#awaited ?? {};
    this.#awaited = null;
    if (revision !== null) this.#settledRevision = revision;
    this.#recordRefusal(names, request.errorDetail);
    if (request.errorDetail === undefined) return { kind: 'accepted' };
    return { kind: 'refused', reason: request.errorDetail.message.slice(0, PUSH_LIMITS.refusalLengthMax) };
  }

  #recordRefusal(names: readonly string[], errorDetail: DiscoveryRequest['errorDetail']): void {
    const refused = refusedOf(names, errorDetail);
    for (const name of names) {
      if (!refused.has(name)) this.#refused.delete(name);
      else if (this.#refused.size < PUSH_LIMITS.refusedNamesMax) this.#refused.add(name);
      else if (!this.#refused.has(name)) this.#refused.add(UNNAMED);
    }
    // What is gone can no longer be refused.
    for (const name of this.#refused) {
      if (name !== UNNAMED && this.#store.get(name) === undefined) this.#refused.delete(name);
    }
  }

  /** What the client unsubscribes is taken from it with all that came by it, unless another name still asks for that. */
  #forget(name: string, after: Subscription): void {
    if (after.wildcard) return;
    if (name === '*') {
      for (const one of this.#candidates) {
        if (!this.#sent.has(one) && !this.#isWanted(after, one)) this.#candidates.delete(one);
      }
      return;
    }
    for (const resolved of [name, ...this.#store.resolve(name)]) {
      if (this.#isWanted(after, resolved)) continue;
      if ((this.#sent.get(resolved) ?? '') !== '') this.#dropped.add(resolved);
      this.#sent.delete(resolved);
    }
  }

  /** By its name, an alias, a service that it backs, or since it runs where the client does. */
  #isWanted(subscription: Subscription, name: string): boolean {
    if (subscription.wildcard) return true;
    const resource = this.#store.get(name);
    if (resource === undefined) return false;
    if (resource.node !== undefined && resource.node !== '' && resource.node === this.#reader.node) return true;
    if (isNamed(subscription.names, resource)) return true;
    return resource.backs.some((service) => {
      const backed = this.#store.get(service);
      return backed !== undefined && isNamed(subscription.names, backed);
    });
  }

  /** With what else the client has asked for it by, so that it knows which of its questions is answered. */
  #named(subscription: Subscription, resource: DiscoveryResource): DiscoveryResource {
    const known = this.#store.get(resource.name);
    const covered = known === undefined ? [] : coveredNames(subscription.names, known);
    return covered.length === 0 ? resource : { ...resource, aliases: [...resource.aliases, ...covered] };
  }

  /** Subscribed names that stand for nothing, which the client must learn to stop waiting. Forgets those that came to be. */
  #newlyAbsent(subscription: Subscription): readonly string[] {
    const absent: string[] = [];
    for (const name of this.#unexamined ?? subscription.names) {
      if (!subscription.names.has(name)) continue;
      const exists = this.#store.resolve(name).some((one) => this.#resource(one) !== undefined);
      const told = this.#sent.get(name) === '';
      if (exists && told) this.#sent.delete(name);
      if (!exists && !told) absent.push(name);
    }
    this.#unexamined = new Set();
    return absent;
  }
}

/** Of a response's resources; all of them, when the client does not say which, or names others. */
function refusedOf(names: readonly string[], errorDetail: DiscoveryRequest['errorDetail']): ReadonlySet<string> {
  if (errorDetail === undefined) return new Set();
  const all = new Set(names);
  const named = new Set(errorDetail.refusedNames);
  return named.size > 0 && [...named].every((name) => all.has(name)) ? named : all;
}

/** What a client holds was served to it by names within the limits: refusing it that would be to refuse it for ever. */
function withinLimits(request: DiscoveryRequest, after: Subscription, held: number): boolean {
  if (after.names.size - held > PUSH_LIMITS.subscribedNamesMax) return false;
  return request.subscribe.every((name) => name.length <= PUSH_LIMITS.nameLengthMax);
}

function isNamed(names: ReadonlySet<string>, resource: PushResource): boolean {
  if (names.has(resource.name) || resource.aliases.some((alias) => names.has(alias))) return true;
  return coveredNames(names, resource).length > 0;
}
