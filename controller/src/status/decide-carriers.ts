import { egressOf } from '@ambit/mesh/kinds';
import { policyKey, serviceKey } from '@ambit/mesh/model';
import { ADDRESS_TYPE_URL, AUTHORIZATION_TYPE_URL } from '@ambit/mesh/wire';
import { ownerOfHost, placesOf, placeUid } from '../translate/external-services.ts';
import { exceptionsPolicyKey } from '../translate/mtls-mode-from-mutual-tls-policy.ts';
import { pushedPolicyPlace } from '../translate/policy-from-access-policy.ts';
import { externalWorkloadUid } from '../translate/workload-from-external-workload.ts';
import { podUid } from '../translate/workload-from-pod.ts';
import { callersOf, type OwnObject } from './decide-findings.ts';
import type { PolicyWorld } from './policy-world.ts';

/** Among refused resources: there are more than are named. No resource has this name. */
export const UNNAMED = '*';

/** Pushed resources of one type, by name. */
export interface Carriers {
  readonly typeUrl: string;
  /** Those that carry the object to the agent of that node. */
  on(node: string): ReadonlySet<string>;
}

const NONE: ReadonlySet<string> = new Set();

/**
 * The resources that carry what an object says: an agent that refuses one of them does not have it. Null for an object without
 * any of its own, whose content is in how others name each other.
 */
export function decideCarriers(object: OwnObject, world: PolicyWorld): Carriers | null {
  switch (object.kind) {
    case 'AccessPolicy':
      return everywhere(AUTHORIZATION_TYPE_URL, () => [
        policyKey(pushedPolicyPlace(object, world.settings.rootNamespace)),
      ]);
    case 'MutualTLSPolicy':
      return object.ports.size === 0 ? null : everywhere(AUTHORIZATION_TYPE_URL, () => [exceptionsPolicyKey(object)]);
    case 'ExternalWorkload':
      return everywhere(ADDRESS_TYPE_URL, () => [externalWorkloadUid(object, world.settings)]);
    case 'ExternalService': {
      const { namespace, name } = object.meta;
      return everywhere(ADDRESS_TYPE_URL, () => {
        const all = world.externalServices(namespace);
        const own = object.hosts.filter((host) => {
          return ownerOfHost(all.filter(({ hosts }) => hosts.includes(host)))?.meta.name === name;
        });
        return [
          ...own.map((hostname) => serviceKey({ namespace, hostname })),
          ...placesOf(object).map((place) => placeUid(object, place, world.settings)),
        ];
      });
    }
    case 'EgressPolicy': {
      const byNode = once(() => lockedByNode(object.meta.namespace, world));
      return { typeUrl: ADDRESS_TYPE_URL, on: (node) => byNode().get(node) ?? NONE };
    }
  }
}

/** What a workload may call is told to the agent of its own node alone. */
function lockedByNode(namespace: string, world: PolicyWorld): ReadonlyMap<string, ReadonlySet<string>> {
  const byNode = new Map<string, Set<string>>();
  if (egressOf(world.egressPolicies(namespace)) === undefined) return byNode;
  for (const workload of callersOf(world, namespace)) {
    if (workload.escape !== null) continue;
    const uidOf = workload.kind === 'Pod' ? podUid : externalWorkloadUid;
    const uid = uidOf(workload, world.settings);
    const names = byNode.get(workload.node);
    if (names === undefined) byNode.set(workload.node, new Set([uid]));
    else names.add(uid);
  }
  return byNode;
}

function everywhere(typeUrl: string, namesOf: () => readonly string[]): Carriers {
  const names = once(() => new Set(namesOf()));
  return { typeUrl, on: () => names() };
}

/** Of many objects nobody refuses anything: nothing is looked up for them. */
function once<T>(compute: () => T): () => T {
  let known: { readonly value: T } | null = null;
  return () => (known ??= { value: compute() }).value;
}
