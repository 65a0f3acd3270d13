import {
  type AccessPolicyObject,
  type EndpointSlice,
  type KubeService,
  type MutualTlsPolicy,
  type Pod,
  targetNames,
} from '@ambit/mesh/kinds';
import type { AccessPolicy, IpAddress, PolicyKey, Service, Workload } from '@ambit/mesh/model';
import type { PushedObject } from '@ambit/mesh/wire';
import type { WaypointSurroundings } from '../translate/decide-waypoint-binding.ts';
import type { MeshSettings } from '../translate/mesh-settings.ts';
import {
  exceptionsPolicy,
  type MutualTlsLayers,
  mutualTlsPolicyKey,
  strictPolicy,
} from '../translate/mtls-mode-from-mutual-tls-policy.ts';
import { namedPolicyKeys, policyFromAccessPolicy } from '../translate/policy-from-access-policy.ts';
import { serviceFromService } from '../translate/service-from-service.ts';
import {
  podBackend,
  selectorMatches,
  type ServiceCandidate,
  serviceMemberships,
} from '../translate/service-membership.ts';
import { rangesFromNode } from '../translate/ranges-from-node.ts';
import { workloadFromEndpointAddress } from '../translate/workload-from-endpoint-address.ts';
import { externalMemberships, workloadFromExternalWorkload } from '../translate/workload-from-external-workload.ts';
import { workloadFromPod } from '../translate/workload-from-pod.ts';
import type { Collection, Index, Reader } from './collection.ts';
import type { CollectionGraph } from './collection-graph.ts';
import type { ObjectCollections } from './object-collections.ts';
import { labelKeys, selectorKey } from './selector-index.ts';

/** What is pushed, keyed by where it came from. */
export interface MeshCollections {
  readonly addresses: Collection<PushedObject>;
  readonly authorizations: Collection<PushedObject>;
  readonly ranges: Collection<PushedObject>;
}

/** Declares everything that is derived from the objects. */
export function deriveMesh(
  graph: CollectionGraph,
  objects: ObjectCollections,
  settings: MeshSettings,
): MeshCollections {
  const surroundings = new Surroundings(objects, settings);
  const workload = (value: Workload | null): PushedObject | null =>
    value === null ? null : { kind: 'workload', workload: value };
  const pods = graph.derive('workloads of pods', prefixed(graph, 'Pod', objects.pods), (pod, read) =>
    workload(workloadFromPod(pod, surroundings.ofPod(pod, read), settings)),
  );
  const externals = graph.derive(
    'workloads of external workloads',
    prefixed(graph, 'ExternalWorkload', objects.externalWorkloads),
    (external, read) =>
      workload(workloadFromExternalWorkload(external, surroundings.ofExternal(external, read), settings)),
  );
  const bare = graph.derive('workloads of endpoint addresses', surroundings.bareAddresses, (slices, read, key) =>
    workload(surroundings.bareWorkload(slices, read, key)),
  );
  const services = graph.derive('services', prefixed(graph, 'Service', objects.services), (object, read) => {
    const service: Service | null = serviceFromService(object, surroundings.ofService(object, read), settings);
    return service === null ? null : { kind: 'service' as const, service };
  });
  const addresses = graph.union<PushedObject>('addresses', [pods, externals, bare, services]);
  const ranges = graph.derive('ranges of nodes', objects.nodes, (node): PushedObject | null => {
    const own = rangesFromNode(node, settings);
    return own === null ? null : { kind: 'ranges', ranges: own };
  });
  return { addresses, ranges, authorizations: deriveAuthorizations(graph, objects, surroundings, settings) };
}

function deriveAuthorizations(
  graph: CollectionGraph,
  objects: ObjectCollections,
  surroundings: Surroundings,
  settings: MeshSettings,
): Collection<PushedObject> {
  const pushed = (policy: AccessPolicy | null): PushedObject | null =>
    policy === null ? null : { kind: 'policy', policy };
  const access = graph.derive('access policies', prefixed(graph, 'AccessPolicy', objects.accessPolicies), (policy) =>
    pushed(policyFromAccessPolicy(policy, settings.rootNamespace)),
  );
  const exceptions = graph.derive(
    'port exceptions of mutual TLS',
    prefixed(graph, 'MutualTLSPolicy', objects.mutualTlsPolicies),
    (policy, read) => pushed(exceptionsPolicy(policy, surroundings.widerMutualTls(policy.meta.namespace, read))),
  );
  const fixed = graph.source<PushedObject>('fixed policies');
  fixed.set('strict', { kind: 'policy', policy: strictPolicy(settings.rootNamespace) });
  return graph.union('authorizations', [access, exceptions, fixed]);
}

/** The same values under keys that carry the kind, so that collections of several kinds can be joined. */
function prefixed<V>(graph: CollectionGraph, kind: string, input: Collection<V>): Collection<V> {
  return graph.rekey(kind, input, (key) => `${kind}/${key}`);
}

/** How a derivation finds what surrounds its object; each read is a dependency. */
class Surroundings {
  readonly bareAddresses: Collection<readonly EndpointSlice[]>;
  readonly #objects: ObjectCollections;
  readonly #settings: MeshSettings;
  readonly #servicesByLabel: Index<KubeService>;
  readonly #slicesByService: Index<EndpointSlice>;
  readonly #slicesByEndpoint: Index<EndpointSlice>;
  readonly #podsByAddress: Index<Pod>;
  readonly #externalsByAddress: Index<{ readonly addresses: readonly IpAddress[] }>;
  readonly #policiesByLabel: Index<AccessPolicyObject>;
  readonly #policiesByExternal: Index<AccessPolicyObject>;
  readonly #policiesByService: Index<AccessPolicyObject>;
  readonly #mutualTlsByLabel: Index<MutualTlsPolicy>;
  readonly #mutualTlsByNamespace: Index<MutualTlsPolicy>;

  constructor(objects: ObjectCollections, settings: MeshSettings) {
    this.#objects = objects;
    this.#settings = settings;
    const slices = objects.endpointSlices;
    this.#servicesByLabel = objects.services.index(({ meta, selector }) =>
      present(selector === null ? null : selectorKey(meta.namespace, selector)),
    );
    this.#slicesByService = slices.index(({ meta, serviceName }) =>
      serviceName === '' ? [] : [`${meta.namespace}/${serviceName}`],
    );
    this.#slicesByEndpoint = slices.index((slice) => endpointKeys(slice));
    this.bareAddresses = slices.index((slice) => bareAddressKeys(slice)).groups;
    this.#podsByAddress = objects.pods.index((pod) => (pod.hostNetwork ? [] : pod.podIps));
    this.#externalsByAddress = objects.externalWorkloads.index((external) => external.addresses);
    this.#policiesByLabel = objects.accessPolicies.index(({ meta, target }) =>
      present(target.kind === 'selector' ? selectorKey(this.#scope(meta.namespace), target.matchLabels) : null),
    );
    this.#policiesByExternal = objects.accessPolicies.index((policy) =>
      targetNames(policy, 'ExternalWorkload').map((name) => `${policy.meta.namespace}/${name}`),
    );
    this.#policiesByService = objects.accessPolicies.index((policy) =>
      targetNames(policy, 'Service').map((name) => `${policy.meta.namespace}/${name}`),
    );
    this.#mutualTlsByLabel = objects.mutualTlsPolicies.index(({ meta, target }) =>
      present(target.kind === 'selector' ? selectorKey(this.#scope(meta.namespace), target.matchLabels) : null),
    );
    this.#mutualTlsByNamespace = objects.mutualTlsPolicies.index(({ meta, target }) =>
      target.kind === 'namespace' ? [meta.namespace] : [],
    );
  }

  ofService({ meta }: KubeService, read: Reader): WaypointSurroundings {
    return this.#waypoints(meta.namespace, read);
  }

  ofPod(pod: Pod, read: Reader): Parameters<typeof workloadFromPod>[1] {
    const { namespace, name, labels } = pod.meta;
    const addresses = pod.hostNetwork ? [] : pod.podIps;
    const services = this.#services(namespace, labels, [podKey(namespace, name), ...addresses], [], read);
    const attached = this.#attachedToServices(
      services,
      (some) => serviceMemberships(podBackend(pod), some, this.#settings),
      read,
    );
    return {
      ...this.#waypoints(namespace, read),
      node: pod.nodeName === '' ? undefined : read.get(this.#objects.nodes, `/${pod.nodeName}`),
      services,
      policies: this.#policies(namespace, labels, attached, read),
    };
  }

  ofExternal(
    external: Parameters<typeof workloadFromExternalWorkload>[0],
    read: Reader,
  ): Parameters<typeof workloadFromExternalWorkload>[1] {
    const { namespace, name, labels } = external.meta;
    const named = external.services.map((service) => `${namespace}/${service}`);
    const services = this.#services(namespace, labels, external.addresses, named, read);
    const attached = [
      ...read.lookup(this.#policiesByExternal, `${namespace}/${name}`),
      ...this.#attachedToServices(services, (some) => externalMemberships(external, some, this.#settings), read),
    ];
    return {
      ...this.#waypoints(namespace, read),
      services,
      policies: this.#policies(namespace, labels, attached, read),
    };
  }

  bareWorkload(slices: readonly EndpointSlice[], read: Reader, key: string): Workload | null {
    const [namespace = '', text = ''] = key.split('|');
    const address = slices
      .flatMap((slice) => slice.endpoints.flatMap((endpoint) => endpoint.addresses))
      .find((candidate) => candidate === text);
    if (address === undefined || read.lookup(this.#podsByAddress, address).length > 0) return null;
    if (read.lookup(this.#externalsByAddress, address).length > 0) return null;
    const around = {
      namespace: read.get(this.#objects.namespaces, `/${namespace}`),
      services: this.#services(namespace, new Map(), [address], [], read).filter(
        ({ service }) => service.meta.namespace === namespace,
      ),
    };
    return workloadFromEndpointAddress(address, slices, around, this.#settings);
  }

  /** Policies of the Services that a workload backs. Which it really does costs, and is asked only when there are any. */
  #attachedToServices(
    candidates: readonly ServiceCandidate[],
    membershipsOf: (candidates: readonly ServiceCandidate[]) => ReturnType<typeof serviceMemberships>,
    read: Reader,
  ): readonly AccessPolicyObject[] {
    const attached = candidates.flatMap((candidate) => {
      const { namespace, name } = candidate.service.meta;
      return read.lookup(this.#policiesByService, `${namespace}/${name}`).map((policy) => ({ policy, candidate }));
    });
    return attached.filter(({ candidate }) => membershipsOf([candidate]).size > 0).map(({ policy }) => policy);
  }

  #waypoints(namespace: string, read: Reader): WaypointSurroundings {
    return {
      namespace: read.get(this.#objects.namespaces, `/${namespace}`),
      gateway: (gateway) => read.get(this.#objects.gateways, `${gateway.namespace}/${gateway.name}`),
    };
  }

  widerMutualTls(namespace: string, read: Reader): Pick<MutualTlsLayers, 'mesh' | 'namespace'> {
    const root = this.#settings.rootNamespace;
    return {
      mesh: read.lookup(this.#mutualTlsByNamespace, root),
      namespace: namespace === root ? [] : read.lookup(this.#mutualTlsByNamespace, namespace),
    };
  }

  #services(
    namespace: string,
    labels: ReadonlyMap<string, string>,
    endpoints: readonly string[],
    named: readonly string[],
    read: Reader,
  ): readonly ServiceCandidate[] {
    const keys = new Set<string>(named);
    for (const key of labelKeys(namespace, labels)) {
      for (const { meta } of read.lookup(this.#servicesByLabel, key)) keys.add(`${meta.namespace}/${meta.name}`);
    }
    for (const endpoint of endpoints) {
      for (const slice of read.lookup(this.#slicesByEndpoint, endpoint)) {
        keys.add(`${slice.meta.namespace}/${slice.serviceName}`);
      }
    }
    return [...keys].flatMap((key) => {
      const service = read.get(this.#objects.services, key);
      return service === undefined ? [] : [{ service, slices: read.lookup(this.#slicesByService, key) }];
    });
  }

  #policies(
    namespace: string,
    labels: ReadonlyMap<string, string>,
    attached: readonly AccessPolicyObject[],
    read: Reader,
  ): readonly PolicyKey[] {
    const lookup = <V>(index: Index<V>): readonly V[] =>
      ['', namespace].flatMap((scope) => labelKeys(scope, labels).flatMap((key) => read.lookup(index, key)));
    const selecting = lookup(this.#policiesByLabel).filter(
      ({ target }) => target.kind === 'selector' && selectorMatches(target.matchLabels, labels),
    );
    const layers = { ...this.widerMutualTls(namespace, read), selecting: lookup(this.#mutualTlsByLabel) };
    const mutualTls = mutualTlsPolicyKey(labels, layers, this.#settings.rootNamespace);
    const keys = new Set(namedPolicyKeys([...selecting, ...attached]));
    if (mutualTls !== null) keys.add(mutualTls);
    return [...keys].sort();
  }

  /** Selectors of the root namespace look into every namespace. */
  #scope(namespace: string): string {
    return namespace === this.#settings.rootNamespace ? '' : namespace;
  }
}

function present(key: string | null): readonly string[] {
  return key === null ? [] : [key];
}

function podKey(namespace: string, name: string): string {
  return `pod ${namespace}/${name}`;
}

function endpointKeys(slice: EndpointSlice): readonly string[] {
  if (slice.serviceName === '') return [];
  return slice.endpoints.flatMap((endpoint) => {
    const { targetRef } = endpoint;
    return targetRef?.kind === 'Pod' ? [podKey(targetRef.namespace, targetRef.name)] : [...endpoint.addresses];
  });
}

function bareAddressKeys(slice: EndpointSlice): readonly string[] {
  if (slice.serviceName === '') return [];
  const bare = slice.endpoints.filter((endpoint) => endpoint.targetRef?.kind !== 'Pod');
  return bare.flatMap((endpoint) => endpoint.addresses.map((address) => `${slice.meta.namespace}|${address}`));
}
