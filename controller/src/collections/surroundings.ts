import type { EndpointSlice, Gateway, KubeService, Pod } from '@ambit/mesh/kinds';
import type { IpAddress, WaypointRef, Workload } from '@ambit/mesh/model';
import type { MeshSettings } from '../translate/mesh-settings.ts';
import { chooseGateway, networkGatewayRef, networkOfGateway } from '../translate/network-gateway.ts';
import { podBackend, type ServiceCandidate, serviceMemberships } from '../translate/service-membership.ts';
import { workloadFromEndpointAddress } from '../translate/workload-from-endpoint-address.ts';
import {
  externalMemberships,
  type workloadFromExternalWorkload,
} from '../translate/workload-from-external-workload.ts';
import type { workloadFromPod } from '../translate/workload-from-pod.ts';
import type { Collection, Index, Reader } from './collection.ts';
import type { EgressSurroundings } from './egress-surroundings.ts';
import type { ObjectCollections } from './object-collections.ts';
import type { PolicySurroundings, WorkloadPolicies } from './policy-surroundings.ts';
import { labelKeys, selectorKey } from './selector-index.ts';

/** Everything around a workload, and what policies come to there. */
type Around<Translate extends (object: never, around: never, settings: never) => unknown> = Omit<
  Parameters<Translate>[1],
  'policies'
> & { readonly policies: WorkloadPolicies };

/** How a derivation finds what surrounds its object; each read is a dependency. */
export class Surroundings {
  readonly bareAddresses: Collection<readonly EndpointSlice[]>;
  readonly #objects: ObjectCollections;
  readonly #settings: MeshSettings;
  readonly #policies: PolicySurroundings;
  readonly #egress: EgressSurroundings;
  readonly #servicesByLabel: Index<KubeService>;
  readonly #slicesByService: Index<EndpointSlice>;
  readonly #slicesByEndpoint: Index<EndpointSlice>;
  readonly #podsByAddress: Index<Pod>;
  readonly #gatewaysByNetwork: Index<Gateway>;
  readonly #externalsByAddress: Index<{ readonly addresses: readonly IpAddress[] }>;

  constructor(
    objects: ObjectCollections,
    settings: MeshSettings,
    { policies, egress }: { readonly policies: PolicySurroundings; readonly egress: EgressSurroundings },
  ) {
    this.#objects = objects;
    this.#settings = settings;
    this.#policies = policies;
    this.#egress = egress;
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
    this.#gatewaysByNetwork = objects.gateways.index((gateway) => present(networkOfGateway(gateway)));
    this.#externalsByAddress = objects.externalWorkloads.index((external) => external.addresses);
  }

  ofPod(pod: Pod, read: Reader): Around<typeof workloadFromPod> {
    const { namespace, name, labels } = pod.meta;
    const addresses = pod.hostNetwork ? [] : pod.podIps;
    const services = this.#services(namespace, labels, [podKey(namespace, name), ...addresses], [], read);
    const backs = (candidate: ServiceCandidate): boolean =>
      serviceMemberships(podBackend(pod), [candidate], this.#settings).size > 0;
    return {
      ...this.#policies.waypoints(namespace, read),
      networkGateway: (network) => this.#networkGateway(network, read),
      node: pod.nodeName === '' ? undefined : read.get(this.#objects.nodes, `/${pod.nodeName}`),
      services,
      egress: this.#egress.of(namespace, read),
      policies: this.#policies.at({ kind: 'Pod', meta: pod.meta, services, backs }, read),
    };
  }

  ofExternal(
    external: Parameters<typeof workloadFromExternalWorkload>[0],
    read: Reader,
  ): Around<typeof workloadFromExternalWorkload> {
    const { meta } = external;
    const { namespace, labels } = meta;
    const named = external.services.map((service) => `${namespace}/${service}`);
    const services = this.#services(namespace, labels, external.addresses, named, read);
    const backs = (candidate: ServiceCandidate): boolean =>
      externalMemberships(external, [candidate], this.#settings).size > 0;
    return {
      ...this.#policies.waypoints(namespace, read),
      networkGateway: (network) => this.#networkGateway(network, read),
      services,
      egress: this.#egress.of(namespace, read),
      policies: this.#policies.at({ kind: 'ExternalWorkload', meta, services, backs }, read),
    };
  }

  /** Of a mesh of one network without a name nobody asks. */
  #networkGateway(network: string, read: Reader): WaypointRef | undefined {
    const gateway = network === '' ? undefined : chooseGateway(read.lookup(this.#gatewaysByNetwork, network));
    return gateway === undefined ? undefined : networkGatewayRef(gateway);
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
      if (service === undefined) return [];
      const imported = read.get(this.#objects.importFronts, key);
      const fronts = imported === undefined ? [service] : [service, imported];
      const slices = read.lookup(this.#slicesByService, key);
      return fronts.map((front) => ({ service: front, slices }));
    });
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
