import { type MeshKind, type ObjectChange, type ObjectOf } from '@ambit/mesh/kinds';
import type { CollectionGraph, SourceCollection } from './collection-graph.ts';

/** One source collection per kind, keyed `namespace/name` (`/name` for cluster-scoped kinds). */
export interface ObjectCollections {
  readonly namespaces: SourceCollection<ObjectOf<'Namespace'>>;
  readonly nodes: SourceCollection<ObjectOf<'Node'>>;
  readonly pods: SourceCollection<ObjectOf<'Pod'>>;
  readonly services: SourceCollection<ObjectOf<'Service'>>;
  readonly endpointSlices: SourceCollection<ObjectOf<'EndpointSlice'>>;
  readonly accessPolicies: SourceCollection<ObjectOf<'AccessPolicy'>>;
  readonly mutualTlsPolicies: SourceCollection<ObjectOf<'MutualTLSPolicy'>>;
  readonly externalWorkloads: SourceCollection<ObjectOf<'ExternalWorkload'>>;
}

export function createObjectCollections(graph: CollectionGraph): ObjectCollections {
  return {
    namespaces: graph.source('Namespace'),
    nodes: graph.source('Node'),
    pods: graph.source('Pod'),
    services: graph.source('Service'),
    endpointSlices: graph.source('EndpointSlice'),
    accessPolicies: graph.source('AccessPolicy'),
    mutualTlsPolicies: graph.source('MutualTLSPolicy'),
    externalWorkloads: graph.source('ExternalWorkload'),
  };
}

/** Takes changes from a source; they show after the graph's next commit. */
export function applyChanges(collections: ObjectCollections, changes: readonly ObjectChange[]): void {
  for (const change of changes) {
    if (change.kind === 'put') putObject(collections, change.object);
    else {
      const [kind, namespace = '', name = ''] = change.key.split('/');
      collectionOf(collections, kind as MeshKind)?.set(`${namespace}/${name}`, undefined); // An ObjectKey begins with a MeshKind.
    }
  }
}

function putObject(collections: ObjectCollections, object: Extract<ObjectChange, { kind: 'put' }>['object']): void {
  const key = `${object.meta.namespace}/${object.meta.name}`;
  switch (object.kind) {
    case 'Namespace':
      return collections.namespaces.set(key, object);
    case 'Node':
      return collections.nodes.set(key, object);
    case 'Pod':
      return collections.pods.set(key, object);
    case 'Service':
      return collections.services.set(key, object);
    case 'EndpointSlice':
      return collections.endpointSlices.set(key, object);
    case 'AccessPolicy':
      return collections.accessPolicies.set(key, object);
    case 'MutualTLSPolicy':
      return collections.mutualTlsPolicies.set(key, object);
    case 'ExternalWorkload':
      return collections.externalWorkloads.set(key, object);
    case 'ServiceAccount':
      return undefined; // A workload's identity needs no ServiceAccount object.
  }
}

function collectionOf(
  collections: ObjectCollections,
  kind: MeshKind,
): { set(key: string, value: undefined): void } | null {
  switch (kind) {
    case 'Namespace':
      return collections.namespaces;
    case 'Node':
      return collections.nodes;
    case 'Pod':
      return collections.pods;
    case 'Service':
      return collections.services;
    case 'EndpointSlice':
      return collections.endpointSlices;
    case 'AccessPolicy':
      return collections.accessPolicies;
    case 'MutualTLSPolicy':
      return collections.mutualTlsPolicies;
    case 'ExternalWorkload':
      return collections.externalWorkloads;
    case 'ServiceAccount':
      return null;
  }
}
