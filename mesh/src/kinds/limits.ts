/**
 * Words, patterns and bounds of Ambit's own kinds. Parser and custom resource definitions both take them from here, so
 * that what the API server lets in is what the controller reads.
 */

/** DNS subdomain, RFC 1123: what Kubernetes allows as an object's name. */
export const OBJECT_NAME: RegExp = /^[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?$/;
/** DNS label, RFC 1123. */
export const NAMESPACE_NAME: RegExp = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/;
/** What Kubernetes allows as a label's value; what becomes part of a pushed resource is bounded by it. */
export const LABEL_VALUE: RegExp = /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;
export const OBJECT_NAME_LENGTH_MAX = 253;
export const LABEL_VALUE_LENGTH_MAX = 63;

/** `name` or `namespace/name`. */
export const ACCOUNT_NAME: RegExp = new RegExp(
  `^(?:${NAMESPACE_NAME.source.slice(1, -1)}/)?${OBJECT_NAME.source.slice(1, -1)}$`,
);
/** A namespace's name and a slash before an object's. */
export const ACCOUNT_NAME_LENGTH_MAX: number = LABEL_VALUE_LENGTH_MAX + 1 + OBJECT_NAME_LENGTH_MAX;

/**
 * `*` any, `a*` prefix, `*a` suffix, else exact; a `*` elsewhere is refused rather than taken literally. What ends in a
 * slash names no identity.
 */
export const PRINCIPAL_MATCH: RegExp = /^(?:spiffe:\/\/)?(?:\*|\*?[!-)+-~]*[!-)+-.0-~]|[!-)+-~]+\*)$/;
/** A SPIFFE ID of Kubernetes names is shorter. */
export const PRINCIPAL_LENGTH_MAX = 800;
export const NAMESPACE_MATCH: RegExp = /^(\*|\*?[-a-z0-9]+|[-a-z0-9]+\*)$/;
export const NAMESPACE_MATCH_LENGTH_MAX: number = LABEL_VALUE_LENGTH_MAX + 1;
/** An IPv6 address with an IPv4 tail and a prefix length. */
export const IP_BLOCK_LENGTH_MAX = 49;
export const IP_ADDRESS_LENGTH_MAX = 45;

/** A method as HTTP has it: letters count as they are written. */
export const METHOD: RegExp = /^[A-Z][A-Z0-9_-]{0,31}$/;
export const METHOD_LENGTH_MAX = 32;
/** `*` any, `*.example.com` any below it, else exact. */
export const HOST_MATCH: RegExp = /^(?:\*|(?:\*\.)?[a-z0-9](?:[-a-z0-9.]{0,249}[a-z0-9])?)$/;
export const HOST_LENGTH_MAX = 253;
/** Of a header in a policy: a token. */
export const POLICY_HEADER_NAME: RegExp = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;
export const POLICY_HEADER_NAME_LENGTH_MAX = 256;
/** `*` any, `a*` prefix, `*a` suffix, else exact; visible characters, spaces inside. */
export const HEADER_MATCH: RegExp = /^(?:\*|\*?[!-)+-~](?:[ -)+-~]*[!-)+-~])?|[!-)+-~](?:[ -)+-~]*[!-)+-~])?\*)$/;
export const HEADER_MATCH_LENGTH_MAX = 1024;

export const ACCESS_ACTIONS = ['Allow', 'Deny', 'Audit'] as const;
/** What `targetRefs` of an AccessPolicy may name, and of which API group that is. */
export const POLICY_TARGET_GROUPS = {
  Service: '',
  Gateway: 'gateway.networking.k8s.io',
  GatewayClass: 'gateway.networking.k8s.io',
  ExternalWorkload: 'ambit.dev',
} as const;
export const MUTUAL_TLS_MODES = ['Strict', 'Permissive'] as const;
/** Of hosts outside the mesh: labels of RFC 1123, at least two. */
export const EXTERNAL_HOST: RegExp =
  /^(?:[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/;
/** Ends of names that the cluster itself gives. */
export const OWN_DOMAINS = ['.svc', '.svc.cluster.local', '.clusterset.local'] as const;
export const RESOLUTIONS = ['DNS', 'Static', 'None'] as const;
export const EXTERNAL_PROTOCOLS = ['TCP', 'TLS', 'HTTP', 'HTTP2', 'GRPC'] as const;
export const UNKNOWN_DESTINATIONS = ['Refuse', 'Allow'] as const;
export const TUNNELS = ['HBONE', 'None'] as const;

type KindLimit =
  | 'selectorLabels'
  | 'targetRefs'
  | 'rules'
  | 'ruleEntries'
  | 'ruleValues'
  | 'ruleBlocks'
  | 'ruleHeaders'
  | 'policyValues'
  | 'portModes'
  | 'addresses'
  | 'services'
  | 'workloadPorts'
  | 'portNameLength'
  | 'weight'
  | 'externalHosts'
  | 'externalPorts'
  | 'externalAddresses'
  | 'externalEndpoints'
  | 'egressEntries'
  | 'egressBlocks'
  | 'egressPorts';

/** How much one object may hold. More is said with more objects. */
export const KIND_LIMITS: Readonly<Record<KindLimit, number>> = {
  selectorLabels: 64,
  targetRefs: 16,
  rules: 32,
  /** Entries of one `from` or `to`. */
  ruleEntries: 16,
  /** Values of one list of accounts, principals, namespaces or ports. */
  ruleValues: 64,
  /** Values of one list of IP blocks. */
  ruleBlocks: 256,
  /** Headers of one entry of `to`. */
  ruleHeaders: 16,
  /** Values of all lists of one policy together: it is walked for every new connection. */
  policyValues: 10_000,
  portModes: 64,
  addresses: 16,
  services: 64,
  workloadPorts: 64,
  portNameLength: 63,
  weight: 1000,
  externalHosts: 16,
  externalPorts: 64,
  externalAddresses: 64,
  externalEndpoints: 64,
  egressEntries: 32,
  /** Blocks of one entry of `allow`. */
  egressBlocks: 64,
  egressPorts: 64,
};
