import type { DiscoveryRequest, DiscoveryResource } from '@ambit/mesh/wire';

/** Asks for every resource of a type. */
export const WILDCARD = '*';

/** What a client asked for on one stream, for one type. */
export interface Subscription {
  readonly wildcard: boolean;
  readonly names: Set<string>;
}

/**
 * The subscription after a request. The first request of a type on a stream that names nothing asks for everything; later
 * ones that name nothing only acknowledge. A name both subscribed and unsubscribed in one request ends unsubscribed, so that
 * `["*"]` starts an on-demand stream. The names of `before` are taken over: there may be many, and a request for one more is to cost
 * no more than that one.
 */
export function nextSubscription(before: Subscription | null, request: DiscoveryRequest): Subscription {
  const names = before?.names ?? new Set<string>();
  const { subscribe, unsubscribe } = request;
  let wildcard = before?.wildcard ?? (subscribe.length === 0 && unsubscribe.length === 0);
  for (const name of subscribe) {
    if (name === WILDCARD) wildcard = true;
    else names.add(name);
  }
  for (const name of unsubscribe) {
    if (name === WILDCARD) wildcard = false;
    else names.delete(name);
  }
  if (before === null && !wildcard) for (const name of request.initialResourceVersions.keys()) names.add(name);
  return { wildcard, names };
}

export interface Delta<Resource extends DiscoveryResource = DiscoveryResource> {
  readonly resources: readonly Resource[];
  readonly removed: readonly string[];
  /** Candidates left for a later response: this one is full, or removals are held back. */
  readonly rest: readonly string[];
}

/**
 * What a client must be told about `candidates`, given what it holds. `sent` maps names to versions; an empty version means
 * that the client was told the name does not exist. `wanted` says whether the client should have a resource that exists.
 */
export function decideDelta<Resource extends DiscoveryResource>(
  candidates: Iterable<string>,
  sent: ReadonlyMap<string, string>,
  current: (name: string) => Resource | undefined,
  wanted: (name: string) => boolean,
  options: { readonly bytesMax: number; readonly holdRemovals: boolean },
): Delta<Resource> {
  const resources: Resource[] = [];
  const removed: string[] = [];
  const rest: string[] = [];
  let bytes = 0;
  for (const name of candidates) {
    const resource = current(name);
    const held = sent.get(name);
    if (resource === undefined) {
      if (held !== undefined && held !== '') (options.holdRemovals ? rest : removed).push(name);
    } else if (held !== resource.version && (wanted(name) || (held !== undefined && held !== ''))) {
      // One resource larger than the limit still goes, alone.
      if (resources.length > 0 && bytes + resource.value.length > options.bytesMax) {
        rest.push(name);
        continue;
      }
      bytes += resource.value.length;
      resources.push(resource);
    }
  }
  return { resources, removed, rest };
}
