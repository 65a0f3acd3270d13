import type {
  EgressPolicy,
  ExternalService,
  ExternalWorkload,
  Gateway,
  KubeService,
  MutualTlsPolicy,
  Namespace,
  Pod,
} from '@ambit/mesh/kinds';
import type { ObjectCollections } from '../collections/object-collections.ts';
import type { MeshSettings } from '../translate/mesh-settings.ts';

/** The objects that decide what becomes of one of ours, as one moment shows them. */
export interface PolicyWorld {
  readonly settings: Pick<MeshSettings, 'clusterId' | 'rootNamespace' | 'excludedNamespaces'>;
  namespace(name: string): Namespace | undefined;
  /** Of one namespace; of all for null. */
  pods(namespace: string | null): readonly Pod[];
  egressPolicies(namespace: string): readonly EgressPolicy[];
  externalServices(namespace: string): readonly ExternalService[];
  externalWorkloads(namespace: string | null): readonly ExternalWorkload[];
  mutualTlsPolicies(namespace: string): readonly MutualTlsPolicy[];
  hasServiceAccount(namespace: string, name: string): boolean;
  hasService(namespace: string, name: string): boolean;
  service(namespace: string, name: string): KubeService | undefined;
  /** Of one namespace. */
  services(namespace: string): readonly KubeService[];
  readonly gateway: (name: { readonly namespace: string; readonly name: string }) => Gateway | undefined;
}

/** A world to be used before the next change and then thrown away: it groups once what is asked for. */
export function createPolicyWorld(objects: ObjectCollections, settings: MeshSettings): PolicyWorld {
  const pods = grouped(() => objects.pods.entries());
  const externalWorkloads = grouped(() => objects.externalWorkloads.entries());
  const services = grouped(() => objects.services.entries());
  const mutualTlsPolicies = grouped(() => objects.mutualTlsPolicies.entries());
  return {
    settings,
    namespace: (name) => objects.namespaces.get(`/${name}`),
    pods,
    egressPolicies: grouped(() => objects.egressPolicies.entries()),
    externalServices: grouped(() => objects.externalServices.entries()),
    externalWorkloads,
    mutualTlsPolicies,
    hasServiceAccount: (namespace, name) => objects.serviceAccounts.get(`${namespace}/${name}`) !== undefined,
    services,
    service: (namespace, name) => objects.services.get(`${namespace}/${name}`),
    gateway: ({ namespace, name }) => objects.gateways.get(`${namespace}/${name}`),
    hasService: (namespace, name) => objects.services.get(`${namespace}/${name}`) !== undefined,
  };
}

function grouped<V extends { readonly meta: { readonly namespace: string } }>(
  entries: () => Iterable<readonly [string, V]>,
): (namespace: string | null) => readonly V[] {
  let all: readonly V[] | null = null;
  let byNamespace: ReadonlyMap<string, readonly V[]> | null = null;
  return (namespace) => {
    all ??= Array.from(entries(), ([, value]) => value);
    if (namespace === null) return all;
    byNamespace ??= Map.groupBy(all, ({ meta }) => meta.namespace);
    return byNamespace.get(namespace) ?? [];
  };
}
