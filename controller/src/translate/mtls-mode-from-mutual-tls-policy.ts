import { MATCH_ALL, type MutualTlsMode, type MutualTlsPolicy } from '@ambit/mesh/kinds';
import { type AccessPolicy, type PolicyKey, policyKey, type PolicyMatch } from '@ambit/mesh/model';
import { selectorMatches } from './service-membership.ts';

/** Kubernetes names have no underscore, so these can never be the name of somebody's AccessPolicy. */
const STRICT_NAME = 'ambit_strict';
const EXCEPTIONS_PREFIX = 'ambit_mtls_';

const DEFAULT_MODE: MutualTlsMode = 'Permissive';
/** Holds for callers without an identity: those that come in plaintext. */
export const NO_IDENTITY: PolicyMatch = { ...MATCH_ALL, principals: { any: [], none: [{ kind: 'presence' }] } };

/** The policy that refuses every caller without an identity; named by workloads whose mode is Strict on all ports. */
export function strictPolicy(rootNamespace: string): AccessPolicy {
  return denyPolicy(rootNamespace, STRICT_NAME, NO_IDENTITY);
}

/** The policies that apply to one workload, from wide to narrow. */
export interface MutualTlsLayers {
  readonly mesh: readonly MutualTlsPolicy[];
  readonly namespace: readonly MutualTlsPolicy[];
  /** All policies with a selector that may match. */
  readonly selecting: readonly MutualTlsPolicy[];
}

/**
 * The policy by which a workload refuses plaintext, or null when it refuses none. Workload over namespace over mesh; of
 * several at one level the oldest counts, then the first by name.
 */
export function mutualTlsPolicyKey(
  labels: ReadonlyMap<string, string>,
  layers: MutualTlsLayers,
  rootNamespace: string,
): PolicyKey | null {
  const selecting = layers.selecting.filter(
    ({ target }) => target.kind === 'selector' && selectorMatches(target.matchLabels, labels),
  );
  const own = oldestPolicy(selecting);
  if (own !== undefined && own.ports.size > 0) return exceptionsPolicyKey(own);
  const mode = own?.mode ?? inheritedMode(layers);
  return mode === 'Strict' ? policyKey({ namespace: rootNamespace, name: STRICT_NAME }) : null;
}

/** The policy for workloads whose ports differ in mode; null when this one has no exceptions. */
export function exceptionsPolicy(
  policy: MutualTlsPolicy,
  wider: Pick<MutualTlsLayers, 'mesh' | 'namespace'>,
): AccessPolicy | null {
  if (policy.ports.size === 0) return null;
  const mode = policy.mode ?? inheritedMode(wider);
  const exceptions = [...policy.ports].filter(([, portMode]) => portMode !== mode).map(([port]) => port);
  exceptions.sort((a, b) => a - b);
  // Strict but for some ports, or on some ports only. Without real exceptions: everywhere, or (no port is 0) nowhere.
  const destinationPorts = mode === 'Strict' ? { any: [], none: exceptions } : { any: exceptions, none: [] };
  const rules = mode === 'Permissive' && exceptions.length === 0 ? [] : [{ ...NO_IDENTITY, destinationPorts }];
  return denyPolicy(policy.meta.namespace, `${EXCEPTIONS_PREFIX}${policy.meta.name}`, ...rules);
}

/** Names the policy that `exceptionsPolicy` gives. */
export function exceptionsPolicyKey(policy: MutualTlsPolicy): PolicyKey {
  return policyKey({ namespace: policy.meta.namespace, name: `${EXCEPTIONS_PREFIX}${policy.meta.name}` });
}

function inheritedMode({ mesh, namespace }: Pick<MutualTlsLayers, 'mesh' | 'namespace'>): MutualTlsMode {
  return oldestPolicy(namespace)?.mode ?? oldestPolicy(mesh)?.mode ?? DEFAULT_MODE;
}

/** Of policies that reach as far, the one that counts: the oldest, then the first by name. */
export function oldestPolicy(policies: readonly MutualTlsPolicy[]): MutualTlsPolicy | undefined {
  return policies.toSorted(byAge)[0];
}

function byAge(a: MutualTlsPolicy, b: MutualTlsPolicy): number {
  const age = a.meta.creationTimestampMs - b.meta.creationTimestampMs;
  if (age !== 0) return age;
  if (a.meta.namespace !== b.meta.namespace) return a.meta.namespace < b.meta.namespace ? -1 : 1;
  return a.meta.name < b.meta.name ? -1 : a.meta.name > b.meta.name ? 1 : 0;
}

function denyPolicy(namespace: string, name: string, ...matches: readonly PolicyMatch[]): AccessPolicy {
  const rules = matches.map((match) => ({ clauses: [{ matches: [match] }] }));
  return {
    key: policyKey({ namespace, name }),
    name,
    namespace,
    scope: 'workload',
    action: 'deny',
    rules,
    dryRun: false,
  };
}
