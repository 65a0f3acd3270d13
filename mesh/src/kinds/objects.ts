import type { Cidr, IpAddress, Port } from '../model/address.ts';
import type { HttpPolicyMatch, StringMatch } from '../model/access-policy.ts';
import type { Probe } from '../model/probe.ts';
import type {
  ACCESS_ACTIONS,
  MUTUAL_TLS_MODES,
  POLICY_TARGET_GROUPS,
  TUNNELS,
  UNKNOWN_DESTINATIONS,
  EXTERNAL_PROTOCOLS,
  RESOLUTIONS,
} from './limits.ts';
import type { CaptureRisk } from './parse-capture-risks.ts';
import type {
  BackendTlsPolicy,
  GrpcRoute,
  HttpRoute,
  ReferenceGrant,
  ServiceImport,
  TcpRoute,
  TlsRoute,
} from './route-objects.ts';

/** `<kind>/<namespace>/<name>`; the namespace is empty for cluster-scoped kinds. Compares objects. */
export type ObjectKey = `${MeshKind}/${string}/${string}`;

/** The part of Kubernetes metadata that Ambit reads. */
export interface ObjectMeta {
  readonly name: string;
  /** Empty for cluster-scoped kinds. */
  readonly namespace: string;
  readonly uid: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly annotations: ReadonlyMap<string, string>;
  /** Milliseconds since the epoch; 0 when the object does not say. */
  readonly creationTimestampMs: number;
  /** Counts the changes of the spec; 0 when the object does not say. */
  readonly generation: number;
}

export interface Namespace {
  readonly kind: 'Namespace';
  readonly meta: ObjectMeta;
}

export interface Node {
  readonly kind: 'Node';
  readonly meta: ObjectMeta;
  /** Addresses of type InternalIP. */
  readonly addresses: readonly IpAddress[];
  /** Ranges that pods of this node get their addresses from, where Kubernetes assigns them. */
  readonly podCidrs: readonly Cidr[];
}

export interface ServiceAccount {
  readonly kind: 'ServiceAccount';
  readonly meta: ObjectMeta;
}

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly controller: boolean;
}

export type PortProtocol = 'TCP' | 'UDP' | 'SCTP';

export interface ContainerPort {
  readonly name: string;
  readonly port: number;
  readonly protocol: PortProtocol;
}

export interface Pod {
  readonly kind: 'Pod';
  readonly meta: ObjectMeta & {
    readonly ownerReferences: readonly OwnerReference[];
    readonly generateName: string;
    /** The pod is being deleted. */
    readonly deleting: boolean;
  };
  /** Empty until scheduled. */
  readonly nodeName: string;
  readonly serviceAccountName: string;
  readonly hostNetwork: boolean;
  readonly containerPorts: readonly ContainerPort[];
  readonly podIps: readonly IpAddress[];
  readonly phase: 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Unknown';
  /** Condition Ready is True. */
  readonly ready: boolean;
  /** What the kubelet connects to at the pod's own addresses; each once. */
  readonly probes: readonly Probe[];
  /** By which rights of its containers its programs may get past redirection. */
  readonly captureRisks: readonly CaptureRisk[];
}

export interface KubeServicePort {
  readonly name: string;
  readonly port: number;
  /** A container port's name, or a number; equal to `port` when the manifest has none. */
  readonly targetPort: number | string;
  readonly protocol: PortProtocol;
  readonly appProtocol: string;
}

export interface KubeService {
  readonly kind: 'Service';
  readonly meta: ObjectMeta;
  readonly type: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName';
  /** Virtual addresses; empty when headless. */
  readonly clusterIps: readonly IpAddress[];
  /** `clusterIP: None`. */
  readonly headless: boolean;
  /** Null when the service has no selector: its endpoints are EndpointSlices that somebody else writes. */
  readonly selector: ReadonlyMap<string, string> | null;
  readonly ports: readonly KubeServicePort[];
  readonly publishNotReadyAddresses: boolean;
  readonly internalTrafficPolicy: 'Cluster' | 'Local';
  /** As written; unknown ones are treated as absent. */
  readonly trafficDistribution: string;
  readonly ipFamilies: readonly ('IPv4' | 'IPv6')[];
}

export interface EndpointSlicePort {
  readonly name: string;
  readonly port: number;
  readonly protocol: PortProtocol;
}

export interface SliceEndpoint {
  readonly addresses: readonly IpAddress[];
  /** Absent conditions count as true, as Kubernetes says. */
  readonly ready: boolean;
  readonly targetRef: { readonly kind: string; readonly namespace: string; readonly name: string } | null;
}

export interface EndpointSlice {
  readonly kind: 'EndpointSlice';
  readonly meta: ObjectMeta;
  /** From label `kubernetes.io/service-name`; empty when the slice belongs to no service. */
  readonly serviceName: string;
  readonly endpoints: readonly SliceEndpoint[];
  readonly ports: readonly EndpointSlicePort[];
}

/** Of a ConfigMap nothing is kept but the certificates of authorities in it. */
export interface ConfigMap {
  readonly kind: 'ConfigMap';
  readonly meta: ObjectMeta;
  /** Key `ca.crt`: its certificates in PEM, each once; or why it has none. */
  readonly authorities:
    | { readonly kind: 'pem'; readonly pem: string }
    | { readonly kind: 'none'; readonly reason: string };
}

/** Everything in it must hold; empty selects everything. */
export interface LabelSelector {
  readonly matchLabels: ReadonlyMap<string, string>;
  readonly matchExpressions: readonly {
    readonly key: string;
    readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
    readonly values: readonly string[];
  }[];
}

export interface GatewayListener {
  readonly name: string;
  readonly port: number;
  /** As written: HTTP, HTTPS, TLS, TCP, UDP, or somebody's own such as `example.com/hbone`. */
  readonly protocol: string;
  /** Null: all; `*.` at the beginning stands for one label or more. */
  readonly hostname: string | null;
  readonly tlsMode: 'Terminate' | 'Passthrough' | null;
  readonly allowedRoutes: {
    /** Namespaces that routes may be in. */
    readonly from:
      | { readonly kind: 'same' | 'all' | 'none' }
      | { readonly kind: 'selector'; readonly selector: LabelSelector };
    /** Null: whatever fits the protocol. */
    readonly kinds: readonly { readonly group: string; readonly kind: string }[] | null;
  };
}

export type GatewayAddress =
  | { readonly kind: 'ip'; readonly ip: IpAddress }
  | { readonly kind: 'hostname'; readonly hostname: string };

export interface GatewayInfrastructure {
  readonly labels: ReadonlyMap<string, string>;
  readonly annotations: ReadonlyMap<string, string>;
  /** An object of its namespace with more; whoever runs the class says of which kind. */
  readonly parametersRef: { readonly group: string; readonly kind: string; readonly name: string } | null;
}

/** Of any class; what it takes when it is a waypoint is in label `ambit.dev/waypoint-for`. */
export interface Gateway {
  readonly kind: 'Gateway';
  readonly meta: ObjectMeta;
  readonly className: string;
  readonly listeners: readonly GatewayListener[];
  /** What is to be on everything that is made for it. */
  readonly infrastructure: GatewayInfrastructure;
  /** What its author wants it to have. */
  readonly requestedAddresses: readonly GatewayAddress[];
  /** Where it is, as whoever runs it says. */
  readonly addresses: readonly GatewayAddress[];
  /** Fields of its spec that say something and that this version acts upon for no class. */
  readonly unserved: readonly ('tls' | 'allowedListeners' | 'defaultScope')[];
}

/** A field and its negation, as in `namespaces` and `notNamespaces`. */
export interface OneOf<T> {
  readonly any: readonly T[];
  readonly none: readonly T[];
}

export interface ServiceAccountName {
  readonly namespace: string;
  readonly name: string;
}

/** One entry of `from`: all its fields must hold. */
export interface AccessSource {
  readonly serviceAccounts: OneOf<ServiceAccountName>;
  /** Without `spiffe://`. */
  readonly principals: OneOf<StringMatch>;
  readonly namespaces: OneOf<StringMatch>;
  readonly ipBlocks: OneOf<Cidr>;
}

/** One entry of `to`: all its fields must hold. */
export interface AccessOperation {
  readonly ports: OneOf<number>;
  readonly ipBlocks: OneOf<Cidr>;
  /** What it says of requests; null for nothing, and then it holds for connections. */
  readonly http: HttpPolicyMatch | null;
}

/** Matches when an entry of `from` and an entry of `to` match; an empty list matches everything. */
export interface AccessRule {
  readonly from: readonly AccessSource[];
  readonly to: readonly AccessOperation[];
}

export type PolicyTargetKind = keyof typeof POLICY_TARGET_GROUPS;

/** An object of the policy's namespace, or a GatewayClass. */
export interface PolicyTargetRef {
  readonly kind: PolicyTargetKind;
  readonly name: string;
}

/** What a policy is attached to. `namespace` of the root namespace means the whole mesh. */
export type PolicyTarget =
  | { readonly kind: 'namespace' }
  | { readonly kind: 'selector'; readonly matchLabels: ReadonlyMap<string, string> }
  | { readonly kind: 'objects'; readonly refs: readonly PolicyTargetRef[] };

export interface AccessPolicyObject {
  readonly kind: 'AccessPolicy';
  readonly meta: ObjectMeta;
  readonly target: PolicyTarget;
  readonly action: (typeof ACCESS_ACTIONS)[number];
  /** None: the policy never matches, so that an Allow policy without rules denies everything. */
  readonly rules: readonly AccessRule[];
  readonly dryRun: boolean;
}

export type MutualTlsMode = (typeof MUTUAL_TLS_MODES)[number];

export interface MutualTlsPolicy {
  readonly kind: 'MutualTLSPolicy';
  readonly meta: ObjectMeta;
  readonly target: Exclude<PolicyTarget, { kind: 'objects' }>;
  /** Null inherits the mode of the next wider policy. */
  readonly mode: MutualTlsMode | null;
  /** Exceptions per port of the workload; only with a selector. */
  readonly ports: ReadonlyMap<number, MutualTlsMode>;
}

/** Addresses outside the mesh, and ports there. */
export interface AllowedDestinations {
  readonly cidrs: readonly Cidr[];
  /** Empty: all. */
  readonly ports: readonly Port[];
}

/** Of its namespace; in the root namespace of the mesh. */
export interface EgressPolicy {
  readonly kind: 'EgressPolicy';
  readonly meta: ObjectMeta;
  readonly unknownDestinations: (typeof UNKNOWN_DESTINATIONS)[number];
  readonly allow: readonly AllowedDestinations[];
}

export interface ExternalPort {
  readonly port: number;
  readonly targetPort: number;
  readonly protocol: (typeof EXTERNAL_PROTOCOLS)[number];
}

export interface ExternalEndpoint {
  /** An IP address where they are static, else a DNS name. */
  readonly address: string;
  /** Relative share of new connections. */
  readonly weight: number;
}

/** Hosts outside the mesh, for workloads of its namespace; in the root namespace for those of the mesh. */
export interface ExternalService {
  readonly kind: 'ExternalService';
  readonly meta: ObjectMeta;
  /** Each once. */
  readonly hosts: readonly string[];
  readonly ports: readonly ExternalPort[];
  readonly resolution: (typeof RESOLUTIONS)[number];
  /** By which it is called; empty: by addresses that the mesh gives it. Blocks only where nothing is resolved. */
  readonly addresses: readonly Cidr[];
  /** Empty where nothing is resolved, and where the hosts themselves are. */
  readonly endpoints: readonly ExternalEndpoint[];
}

export interface ExternalWorkload {
  readonly kind: 'ExternalWorkload';
  readonly meta: ObjectMeta;
  readonly addresses: readonly IpAddress[];
  readonly serviceAccountName: string;
  /** Services of its namespace it backs beside those whose selector matches its labels. */
  readonly services: readonly string[];
  /** Names for the target ports of services. */
  readonly ports: ReadonlyMap<string, number>;
  /** HBONE: an Ambit node agent runs there. */
  readonly tunnel: (typeof TUNNELS)[number];
  /** Null: the network of its namespace. */
  readonly network: string | null;
  /** Name of the host, as its node agent authenticates. */
  readonly nodeName: string;
  readonly locality: { readonly region: string; readonly zone: string; readonly subzone: string };
  readonly ready: boolean;
  /** Relative share of new connections. */
  readonly weight: number;
}

/** Every object the mesh reads, from whichever source. */
export type MeshObject =
  | Namespace
  | Node
  | ServiceAccount
  | Pod
  | KubeService
  | EndpointSlice
  | ConfigMap
  | Gateway
  | HttpRoute
  | GrpcRoute
  | TcpRoute
  | TlsRoute
  | ReferenceGrant
  | BackendTlsPolicy
  | ServiceImport
  | AccessPolicyObject
  | MutualTlsPolicy
  | EgressPolicy
  | ExternalService
  | ExternalWorkload;

export type MeshKind = MeshObject['kind'];
export type ObjectOf<Kind extends MeshKind> = Extract<MeshObject, { readonly kind: Kind }>;

export function objectKey(kind: MeshKind, namespace: string, name: string): ObjectKey {
  return `${kind}/${namespace}/${name}`;
}

export function keyOf(object: MeshObject): ObjectKey {
  return objectKey(object.kind, object.meta.namespace, object.meta.name);
}
