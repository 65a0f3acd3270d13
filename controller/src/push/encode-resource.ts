import { hash } from 'node:crypto';
import { serviceKey } from '@ambit/mesh/model';
import type { PolicySet } from '@ambit/mesh/policies';
import { encodeBackend, encodePolicySet, encodeServiceRoutes, encodeSessionKeys } from '@ambit/mesh/route-wire';
import type { BackendSecurity, ServiceRoutes, SessionKeys } from '@ambit/mesh/routes';
import { type DiscoveryResource, type EncodedResource, encodePushedObject, type PushedObject } from '@ambit/mesh/wire';
import type { PushResource } from './resource-store.ts';

/** Characters of a version: 96 bits of the content's hash, too many for two contents ever to share one by chance. */
const VERSION_LENGTH = 16;

/** What is served: the mesh as everybody sees it, and what is for the waypoints of one Gateway. */
export type ServedObject =
  | PushedObject
  | { readonly kind: 'backend'; readonly backend: BackendSecurity }
  | {
      readonly kind: 'policies';
      readonly set: PolicySet;
      /** The set of that name as waypoints of one Gateway, `namespace/name`, get it. */
      readonly atCanary?: { readonly gateway: string; readonly set: PolicySet };
    }
  | { readonly kind: 'session-keys'; readonly keys: SessionKeys }
  | {
      readonly kind: 'routes';
      readonly routes: ServiceRoutes;
      /** `namespace/name` of each, in order. */
      readonly gateways: readonly string[];
    };

/**
 * Encodes once for all subscribers. The same content has the same version, in every process. What only the node of a
 * workload may know is in the bytes for that node alone.
 */
export function encodeResource(object: ServedObject): PushResource {
  if (object.kind === 'routes') {
    return { ...versioned(encodeServiceRoutes(object.routes)), backs: [], forGateways: object.gateways };
  }
  if (object.kind === 'session-keys') {
    return { ...versioned(encodeSessionKeys(object.keys)), backs: [], forGateways: [object.keys.gateway] };
  }
  if (object.kind === 'policies') return encodePolicies(object);
  if (object.kind === 'backend') return { ...versioned(encodeBackend(object.backend)), backs: [] };
  if (object.kind === 'service') {
    const { hostname, addresses } = object.service;
    const blocks = addresses.filter(({ cidr }) => cidr !== undefined);
    return { ...encodeVersioned(object), backs: [], covers: { hostname, blocks } };
  }
  if (object.kind !== 'workload') return { ...encodeVersioned(object), backs: [] };
  const { probes, egress, ...workload } = object.workload;
  const encoded = encodeVersioned({ kind: 'workload', workload });
  const forAll = {
    ...encoded,
    aliases: workload.hostname === '' ? encoded.aliases : [...encoded.aliases, serviceKey(workload)],
    backs: [...workload.services.keys()],
    node: workload.node,
  };
  if ((probes === undefined && egress === undefined) || workload.node === '') return forAll;
  const { version, value } = encodeVersioned(object);
  return { ...forAll, forNode: { node: workload.node, version, value } };
}

function encodePolicies({ set, atCanary }: ServedObject & { readonly kind: 'policies' }): PushResource {
  const forAll = { ...versioned(encodePolicySet(set)), backs: [] };
  if (atCanary === undefined) return forAll;
  const { version, value } = versioned(encodePolicySet(atCanary.set));
  return { ...forAll, forGateway: { gateway: atCanary.gateway, version, value } };
}

function encodeVersioned(object: PushedObject): DiscoveryResource {
  return versioned(encodePushedObject(object));
}

function versioned(encoded: EncodedResource): DiscoveryResource {
  return { ...encoded, version: hash('sha256', encoded.value, 'base64url').slice(0, VERSION_LENGTH) };
}

export function sameResource(before: PushResource, after: PushResource): boolean {
  return (
    before.version === after.version &&
    before.name === after.name &&
    before.forGateways?.join() === after.forGateways?.join() &&
    before.forGateway?.gateway === after.forGateway?.gateway &&
    before.forGateway?.version === after.forGateway?.version &&
    before.forNode?.node === after.forNode?.node &&
    before.forNode?.version === after.forNode?.version
  );
}
