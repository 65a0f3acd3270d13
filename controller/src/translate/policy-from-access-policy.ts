import type { AccessOperation, AccessPolicyObject, AccessRule, AccessSource } from '@ambit/mesh/kinds';
import {
  type AccessPolicy,
  type PolicyClause,
  policyForConnections,
  type PolicyKey,
  policyKey,
  type PolicyMatch,
} from '@ambit/mesh/model';

/** Of a mesh-wide policy: the empty namespace is every namespace. */
const MESH_NAMESPACE = '';

/** A match that holds for everything. */
export const MATCH_ALL: PolicyMatch = {
  namespaces: { any: [], none: [] },
  serviceAccounts: { any: [], none: [] },
  principals: { any: [], none: [] },
  sourceIps: { any: [], none: [] },
  destinationIps: { any: [], none: [] },
  destinationPorts: { any: [], none: [] },
};

/** The policy as node agents get it, who see connections: without what it says of requests, in the stricter way. */
export function policyFromAccessPolicy(policy: AccessPolicyObject, rootNamespace: string): AccessPolicy {
  return policyForConnections(requestPolicyFromAccessPolicy(policy, rootNamespace));
}

/** All of the policy, for who sees requests. */
export function requestPolicyFromAccessPolicy(policy: AccessPolicyObject, rootNamespace: string): AccessPolicy {
  const place = pushedPolicyPlace(policy, rootNamespace);
  return {
    key: policyKey(place),
    ...place,
    action: policy.action === 'Allow' ? 'allow' : 'deny',
    rules: policy.rules.map((rule) => ({ clauses: clausesOf(rule) })),
    dryRun: policy.dryRun,
  };
}

/** The name that a policy is pushed under, and for whom it holds. */
export function pushedPolicyPlace(
  policy: AccessPolicyObject,
  rootNamespace: string,
): Pick<AccessPolicy, 'name' | 'namespace' | 'scope'> {
  const { name, namespace } = policy.meta;
  if (policy.target.kind !== 'namespace') return { name, namespace, scope: 'workload' };
  return namespace === rootNamespace
    ? { name, namespace: MESH_NAMESPACE, scope: 'mesh' }
    : { name, namespace, scope: 'namespace' };
}

/** The name under which workloads refer to a policy that selects them. */
export function selectedPolicyKey(policy: AccessPolicyObject): PolicyKey {
  return policyKey({ namespace: policy.meta.namespace, name: policy.meta.name });
}

/** One clause of alternatives per side that says anything; a rule that says nothing holds for everything. */
function clausesOf(rule: AccessRule): readonly PolicyClause[] {
  const clauses: PolicyClause[] = [];
  if (rule.from.length > 0) clauses.push({ matches: rule.from.map(sourceMatch) });
  if (rule.to.length > 0) clauses.push({ matches: rule.to.map(operationMatch) });
  return clauses;
}

function sourceMatch(source: AccessSource): PolicyMatch {
  const account = ({ namespace, name }: { readonly namespace: string; readonly name: string }) => ({
    namespace,
    serviceAccount: name,
  });
  return {
    ...MATCH_ALL,
    namespaces: source.namespaces,
    serviceAccounts: { any: source.serviceAccounts.any.map(account), none: source.serviceAccounts.none.map(account) },
    principals: source.principals,
    sourceIps: source.ipBlocks,
  };
}

function operationMatch(operation: AccessOperation): PolicyMatch {
  const { ports, ipBlocks, http } = operation;
  const match = { ...MATCH_ALL, destinationPorts: ports, destinationIps: ipBlocks };
  return http === null ? match : { ...match, http };
}
