import { type AccessPolicyObject, requestPolicyOf } from '@ambit/mesh/kinds';
import { type AccessPolicy, policyForConnections, type PolicyKey, policyKey } from '@ambit/mesh/model';

/** Of a mesh-wide policy: the empty namespace is every namespace. */
const MESH_NAMESPACE = '';

/**
 * The policy as node agents get it, who see connections: without what it says of requests, in the stricter way. Null for one
 * that decides nothing.
 */
export function policyFromAccessPolicy(policy: AccessPolicyObject, rootNamespace: string): AccessPolicy | null {
  const { action, ...request } = requestPolicyOf(policy);
  if (action === 'audit') return null;
  const place = pushedPolicyPlace(policy, rootNamespace);
  return policyForConnections({ ...request, ...place, key: policyKey(place), action });
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

/** The names under which workloads refer to policies that select them or are attached to them. */
export function namedPolicyKeys(policies: readonly AccessPolicyObject[]): readonly PolicyKey[] {
  return policies
    .filter(({ action }) => action !== 'Audit')
    .map(({ meta: { namespace, name } }) => policyKey({ namespace, name }));
}
