import type { DiscoveryRequest, DiscoveryResponse } from '@ambit/mesh/wire';
import { type PushResource, ResourceStore } from '../src/push/resource-store.ts';
import type { TypeSubscription } from '../src/push/type-subscription.ts';

export const TYPE: string = 'type.googleapis.com/istio.workload.Address';

export function resource(name: string, version = '1', extra: Partial<PushResource> = {}): PushResource {
  return { name, version, aliases: [], typeUrl: TYPE, value: new Uint8Array(1), backs: [], ...extra };
}

export function storeOf(...resources: readonly PushResource[]): ResourceStore {
  const store = new ResourceStore(TYPE);
  store.update([], resources);
  return store;
}

export function request(fields: Partial<DiscoveryRequest> = {}): DiscoveryRequest {
  return {
    typeUrl: TYPE,
    subscribe: [],
    unsubscribe: [],
    initialResourceVersions: new Map(),
    responseNonce: '',
    ...fields,
  };
}

export function shown(response: DiscoveryResponse | null): readonly string[] | null {
  if (response === null) return null;
  return [
    ...response.resources.map((item) => `${item.name}@${item.version}`),
    ...response.removedResources.map((name) => `-${name}`),
  ];
}

/** Changes the store and tells the subscription, as the push server does. */
export function change(
  store: ResourceStore,
  state: TypeSubscription,
  removed: readonly string[],
  put: readonly PushResource[],
): void {
  store.update(removed, put);
  state.changed([...removed, ...put.map(({ name }) => name)]);
}
