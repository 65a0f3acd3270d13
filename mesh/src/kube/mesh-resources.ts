import type { MeshKind } from '../kinds/objects.ts';
import type { KubeResource } from './kube-client.ts';

/** A kind that Ambit reads, and whether a cluster may do without it. */
export interface MeshResource extends KubeResource {
  /** Others install its definition, or nobody does: its absence is not worth a warning. */
  readonly optional: boolean;
}

const AMBIT = { group: 'ambit.dev', version: 'v1alpha1', scope: 'namespaced', optional: false } as const;
const CORE = { group: '', version: 'v1', scope: 'namespaced', optional: false } as const;
const GATEWAY_API = { ...CORE, group: 'gateway.networking.k8s.io', optional: true } as const;

/** Where the API server has each kind. */
export const MESH_RESOURCES: Readonly<Record<MeshKind, MeshResource>> = {
  Namespace: { ...CORE, scope: 'cluster', plural: 'namespaces', kind: 'Namespace' },
  Node: { ...CORE, scope: 'cluster', plural: 'nodes', kind: 'Node' },
  ServiceAccount: { ...CORE, plural: 'serviceaccounts', kind: 'ServiceAccount' },
  Pod: { ...CORE, plural: 'pods', kind: 'Pod' },
  Service: { ...CORE, plural: 'services', kind: 'Service' },
  EndpointSlice: { ...CORE, group: 'discovery.k8s.io', plural: 'endpointslices', kind: 'EndpointSlice' },
  ConfigMap: { ...CORE, plural: 'configmaps', kind: 'ConfigMap' },
  Gateway: { ...GATEWAY_API, plural: 'gateways', kind: 'Gateway' },
  HTTPRoute: { ...GATEWAY_API, plural: 'httproutes', kind: 'HTTPRoute' },
  GRPCRoute: { ...GATEWAY_API, plural: 'grpcroutes', kind: 'GRPCRoute' },
  TCPRoute: { ...GATEWAY_API, plural: 'tcproutes', kind: 'TCPRoute' },
  TLSRoute: { ...GATEWAY_API, plural: 'tlsroutes', kind: 'TLSRoute' },
  ReferenceGrant: { ...GATEWAY_API, plural: 'referencegrants', kind: 'ReferenceGrant' },
  BackendTLSPolicy: { ...GATEWAY_API, plural: 'backendtlspolicies', kind: 'BackendTLSPolicy' },
  ServiceImport: {
    ...GATEWAY_API,
    group: 'multicluster.x-k8s.io',
    version: 'v1alpha1',
    plural: 'serviceimports',
    kind: 'ServiceImport',
  },
  AccessPolicy: { ...AMBIT, plural: 'accesspolicies', kind: 'AccessPolicy' },
  MutualTLSPolicy: { ...AMBIT, plural: 'mutualtlspolicies', kind: 'MutualTLSPolicy' },
  EgressPolicy: { ...AMBIT, plural: 'egresspolicies', kind: 'EgressPolicy' },
  ExternalService: { ...AMBIT, plural: 'externalservices', kind: 'ExternalService' },
  ExternalWorkload: { ...AMBIT, plural: 'externalworkloads', kind: 'ExternalWorkload' },
};
