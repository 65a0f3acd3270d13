import { ADDRESS_TYPE_URL, type DiscoveryResource, type DiscoveryResponse } from '../wire/discovery-messages.ts';

/** Resources that are put in force at once. More of them would keep this thread busy for longer than a timer may be late. */
export const PART_RESOURCES_MAX = 500;

/**
 * A response in parts that are put in force one after the other, so that a whole mesh neither stops this thread nor is in memory as objects.
 * Removals come last: what replaces something is there before that goes. Policies are never parted, as one may open what another one of
 * the same response closes.
 */
export function* partsOf(response: DiscoveryResponse): Iterable<DiscoveryResponse> {
  const { typeUrl, resources, removedResources } = response;
  if (typeUrl !== ADDRESS_TYPE_URL || resources.length <= PART_RESOURCES_MAX) {
    yield response;
    return;
  }
  const put = removedResources.length === 0 ? undefined : new Set<string>();
  let part: DiscoveryResource[] = [];
  for (const resource of resources) {
    put?.add(resource.name);
    part.push(resource);
    if (part.length < PART_RESOURCES_MAX) continue;
    yield { ...response, resources: part, removedResources: [] };
    part = [];
  }
  yield { ...response, resources: part, removedResources: removedResources.filter((name) => put?.has(name) !== true) };
}
