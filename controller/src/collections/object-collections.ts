import type { MeshObject, ObjectChange, ObjectOf } from '@ambit/mesh/kinds';
import { frontOfImport, type ServiceFront } from '../translate/service-front.ts';
import type { Collection } from './collection.ts';
import type { CollectionGraph, SourceCollection } from './collection-graph.ts';

/** One source collection per kind, keyed `namespace/name` (`/name` for cluster-scoped kinds). */
export interface ObjectCollections {
  readonly namespaces: SourceCollection<ObjectOf<'Namespace'>>;
  readonly nodes: SourceCollection<ObjectOf<'Node'>>;
  /** A workload's identity needs none; status and warnings say what is missing. */
  readonly serviceAccounts: SourceCollection<ObjectOf<'ServiceAccount'>>;
  readonly pods: SourceCollection<ObjectOf<'Pod'>>;
  readonly services: SourceCollection<ObjectOf<'Service'>>;
  readonly endpointSlices: SourceCollection<ObjectOf<'EndpointSlice'>>;
  readonly configMaps: SourceCollection<ObjectOf<'ConfigMap'>>;
  readonly gateways: SourceCollection<ObjectOf<'Gateway'>>;
  readonly httpRoutes: SourceCollection<ObjectOf<'HTTPRoute'>>;
  readonly grpcRoutes: SourceCollection<ObjectOf<'GRPCRoute'>>;
  readonly tcpRoutes: SourceCollection<ObjectOf<'TCPRoute'>>;
  readonly tlsRoutes: SourceCollection<ObjectOf<'TLSRoute'>>;
  readonly referenceGrants: SourceCollection<ObjectOf<'ReferenceGrant'>>;
  readonly backendTlsPolicies: SourceCollection<ObjectOf<'BackendTLSPolicy'>>;
  readonly serviceImports: SourceCollection<ObjectOf<'ServiceImport'>>;
  readonly accessPolicies: SourceCollection<ObjectOf<'AccessPolicy'>>;
  readonly mutualTlsPolicies: SourceCollection<ObjectOf<'MutualTLSPolicy'>>;
  readonly egressPolicies: SourceCollection<ObjectOf<'EgressPolicy'>>;
  readonly externalServices: SourceCollection<ObjectOf<'ExternalService'>>;
  readonly externalWorkloads: SourceCollection<ObjectOf<'ExternalWorkload'>>;
  /** Derived: the ServiceImports that have endpoints in this cluster, keyed as they are. */
  readonly importFronts: Collection<ServiceFront>;
}

export function createObjectCollections(graph: CollectionGraph): ObjectCollections {
  const services = graph.source<ObjectOf<'Service'>>('Service');
  const serviceImports = graph.source<ObjectOf<'ServiceImport'>>('ServiceImport');
  return {
    namespaces: graph.source('Namespace'),
    nodes: graph.source('Node'),
    serviceAccounts: graph.source('ServiceAccount'),
    pods: graph.source('Pod'),
    services,
    endpointSlices: graph.source('EndpointSlice'),
    configMaps: graph.source('ConfigMap'),
    gateways: graph.source('Gateway'),
    httpRoutes: graph.source('HTTPRoute'),
    grpcRoutes: graph.source('GRPCRoute'),
    tcpRoutes: graph.source('TCPRoute'),
    tlsRoutes: graph.source('TLSRoute'),
    referenceGrants: graph.source('ReferenceGrant'),
    backendTlsPolicies: graph.source('BackendTLSPolicy'),
    serviceImports,
    accessPolicies: graph.source('AccessPolicy'),
    mutualTlsPolicies: graph.source('MutualTLSPolicy'),
    egressPolicies: graph.source('EgressPolicy'),
    externalServices: graph.source('ExternalService'),
    externalWorkloads: graph.source('ExternalWorkload'),
    importFronts: graph.derive('imported services', serviceImports, (imported, read, key) =>
      frontOfImport(imported, read.get(services, key)),
    ),
  };
}

/** Takes changes from a source; they show after the graph's next commit. */
export function applyChanges(collections: ObjectCollections, changes: readonly ObjectChange[]): void {
  for (const change of changes) {
    if (change.kind === 'put') apply(collections, change.object, true);
    else apply(collections, change.last, false);
  }
}

function apply(collections: ObjectCollections, object: MeshObject, present: boolean): void {
  const key = `${object.meta.namespace}/${object.meta.name}`;
  switch (object.kind) {
    case 'Namespace':
      return collections.namespaces.set(key, present ? object : undefined);
    case 'Node':
      return collections.nodes.set(key, present ? object : undefined);
    case 'Pod':
      return collections.pods.set(key, present ? object : undefined);
    case 'Service':
      return collections.services.set(key, present ? object : undefined);
    case 'EndpointSlice':
      return collections.endpointSlices.set(key, present ? object : undefined);
    case 'ConfigMap':
      return collections.configMaps.set(key, present ? object : undefined);
    case 'Gateway':
      return collections.gateways.set(key, present ? object : undefined);
    case 'HTTPRoute':
      return collections.httpRoutes.set(key, present ? object : undefined);
    case 'GRPCRoute':
      return collections.grpcRoutes.set(key, present ? object : undefined);
    case 'TCPRoute':
      return collections.tcpRoutes.set(key, present ? object : undefined);
    case 'TLSRoute':
      return collections.tlsRoutes.set(key, present ? object : undefined);
    case 'ReferenceGrant':
      return collections.referenceGrants.set(key, present ? object : undefined);
    case 'BackendTLSPolicy':
      return collections.backendTlsPolicies.set(key, present ? object : undefined);
    case 'ServiceImport':
      return collections.serviceImports.set(key, present ? object : undefined);
    case 'AccessPolicy':
      return collections.accessPolicies.set(key, present ? object : undefined);
    case 'MutualTLSPolicy':
      return collections.mutualTlsPolicies.set(key, present ? object : undefined);
    case 'EgressPolicy':
      return collections.egressPolicies.set(key, present ? object : undefined);
    case 'ExternalService':
      return collections.externalServices.set(key, present ? object : undefined);
    case 'ExternalWorkload':
      return collections.externalWorkloads.set(key, present ? object : undefined);
    case 'ServiceAccount':
      return collections.serviceAccounts.set(key, present ? object : undefined);
  }
}
