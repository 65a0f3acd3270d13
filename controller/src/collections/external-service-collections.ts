import type { ExternalService } from '@ambit/mesh/kinds';
import type { PushedObject } from '@ambit/mesh/wire';
import { allocateAddresses, type AllocatedAddresses } from '../translate/allocate-addresses.ts';
import {
  hostKey,
  ownerOfHost,
  placesOf,
  serviceOfHost,
  wantsAddresses,
  workloadOfPlace,
} from '../translate/external-services.ts';
import type { MeshSettings } from '../translate/mesh-settings.ts';
import type { Collection, Reader } from './collection.ts';
import type { CollectionGraph } from './collection-graph.ts';
import type { ObjectCollections } from './object-collections.ts';

/** Services and workloads of ExternalServices, keyed by host and by place. `networksIn` reads those of the mesh. */
export function deriveExternalServices(
  graph: CollectionGraph,
  objects: Pick<ObjectCollections, 'externalServices' | 'namespaces'>,
  networksIn: (read: Reader) => readonly string[],
  settings: MeshSettings,
): readonly Collection<PushedObject>[] {
  const { externalServices, namespaces } = objects;
  const byHost = externalServices.index(({ meta, hosts }) => hosts.map((host) => hostKey(meta.namespace, host)));
  const byPlace = externalServices.index((external) =>
    placesOf(external).map((place) => `${external.meta.namespace}|${external.meta.name}|${place}`),
  );
  const allocated = graph.derive(
    'addresses of external services',
    externalServices.index(() => ['']).groups,
    (all) => allocateAddresses(all.flatMap(claimsOf)),
    { equal: sameAddresses },
  );
  const services = graph.derive(
    'services of external hosts',
    byHost.groups,
    (claims, read, key): PushedObject | null => {
      const owner = ownerOfHost(claims);
      if (owner === undefined) return null;
      const host = lastOf(key);
      const around = {
        namespace: read.get(namespaces, `/${owner.meta.namespace}`),
        allocated: read.get(allocated, '')?.get(key),
        networks: networksIn(read),
      };
      return { kind: 'service', service: serviceOfHost(owner, host, around, settings) };
    },
  );
  const owned = (external: ExternalService, read: Reader): readonly string[] =>
    external.hosts.filter((host) => {
      const owner = ownerOfHost(read.lookup(byHost, hostKey(external.meta.namespace, host)));
      return owner?.meta.name === external.meta.name;
    });
  const workloads = graph.derive(
    'places of external services',
    byPlace.groups,
    ([external], read, key): PushedObject | null => {
      if (external === undefined) return null;
      const around = {
        namespace: read.get(namespaces, `/${external.meta.namespace}`),
        hosts: owned(external, read),
      };
      const workload = workloadOfPlace(external, lastOf(key), around, settings);
      return workload === null ? null : { kind: 'workload', workload };
    },
  );
  return [
    graph.rekey('external host', services, (key) => `ExternalHost/${key}`),
    graph.rekey('external place', workloads, (key) => `ExternalPlace/${key}`),
  ];
}

function claimsOf(external: ExternalService): readonly { readonly key: string; readonly createdMs: number }[] {
  if (!wantsAddresses(external)) return [];
  const { namespace, creationTimestampMs: createdMs } = external.meta;
  return external.hosts.map((host) => ({ key: hostKey(namespace, host), createdMs }));
}

function sameAddresses(
  a: ReadonlyMap<string, AllocatedAddresses>,
  b: ReadonlyMap<string, AllocatedAddresses>,
): boolean {
  return a.size === b.size && [...a].every(([key, addresses]) => b.get(key)?.[0] === addresses[0]);
}

function lastOf(key: string): string {
  return key.slice(key.lastIndexOf('|') + 1);
}
