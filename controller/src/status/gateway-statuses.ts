import type { BackendTlsPolicy } from '@ambit/mesh/kinds';
import type { KubeClient, KubeResource } from '@ambit/mesh/kube';
import type { Clock } from '@ambit/mesh/runtime';
import type { Collection } from '../collections/collection.ts';
import type { ObjectCollections } from '../collections/object-collections.ts';
import { decideRouteStatus } from '../translate/decide-route-status.ts';
import { decideTlsPolicyStatus } from '../translate/decide-tls-policy-status.ts';
import type { AnyRoute, RouteWorld } from '../translate/route-world.ts';
import { decideStatusEntries, type StatusEntry, type StatusList } from './decide-status-entries.ts';
import type { StatusKind } from './status-rounds.ts';

export interface GatewayStatusesOptions {
  readonly client: KubeClient;
  readonly objects: ObjectCollections;
  /** Of those objects, as they are whenever it is asked. */
  readonly world: RouteWorld;
  readonly clock: Clock;
}

/** What became of routes and of policies for TLS to backends, beside what other controllers say there. */
export function gatewayStatusKinds(options: GatewayStatusesOptions): readonly StatusKind[] {
  const { objects, world } = options;
  const { httpRoutes, grpcRoutes, tcpRoutes, tlsRoutes, backendTlsPolicies } = objects;
  const routes = { HTTPRoute: httpRoutes, GRPCRoute: grpcRoutes, TCPRoute: tcpRoutes, TLSRoute: tlsRoutes };
  return [
    ...Object.entries(routes).map(([kind, collection]) =>
      statusKind<AnyRoute>(options, gatewayResource(kind, `${kind.toLowerCase()}s`), 'parents', collection, (route) =>
        decideRouteStatus(route, world).map(({ ref, conditions }) => ({ ref: { ...ref }, conditions })),
      ),
    ),
    statusKind<BackendTlsPolicy>(
      options,
      gatewayResource('BackendTLSPolicy', 'backendtlspolicies'),
      'ancestors',
      backendTlsPolicies,
      (policy) => decideTlsPolicyStatus(policy, world).map(({ ref, conditions }) => ({ ref: { ...ref }, conditions })),
    ),
  ];
}

function statusKind<T extends AnyRoute | BackendTlsPolicy>(
  { client, clock }: GatewayStatusesOptions,
  resource: KubeResource,
  list: StatusList,
  collection: Collection<T>,
  decide: (object: T) => readonly StatusEntry[],
): StatusKind {
  return {
    resource,
    objects: collection,
    decide: (key) => {
      const object = collection.get(key);
      if (object === undefined) return null;
      const { uid, generation, namespace, name } = object.meta;
      const entries = decide(object);
      return {
        uid,
        text: `${uid} ${generation} ${JSON.stringify(entries)}`,
        write: async (present, signal) => {
          const now = `${new Date(clock.now()).toISOString().slice(0, 19)}Z`;
          const patch = decideStatusEntries({ object: present, list, entries, now });
          if (patch !== null) await client.mergePatch(resource, { namespace, name }, patch, signal, 'status');
          return patch !== null;
        },
      };
    },
  };
}

function gatewayResource(kind: string, plural: string): KubeResource {
  return { group: 'gateway.networking.k8s.io', version: 'v1', plural, kind, scope: 'namespaced' };
}
