import { type PolicyClause, policyKey, type PolicyMatch, type RequestPolicy } from '../model/access-policy.ts';
import type { AccessOperation, AccessPolicyObject, AccessRule, AccessSource } from './objects.ts';

/** A match that holds for everything. */
export const MATCH_ALL: PolicyMatch = {
  namespaces: { any: [], none: [] },
  serviceAccounts: { any: [], none: [] },
  principals: { any: [], none: [] },
  sourceIps: { any: [], none: [] },
  destinationIps: { any: [], none: [] },
  destinationPorts: { any: [], none: [] },
};

const ACTIONS: Readonly<Record<AccessPolicyObject['action'], RequestPolicy['action']>> = {
  Allow: 'allow',
  Deny: 'deny',
  Audit: 'audit',
};

/** All of a policy, for who reads requests. */
export function requestPolicyOf({
  meta: { namespace, name },
  action,
  rules,
  dryRun,
}: AccessPolicyObject): RequestPolicy {
  return {
    key: policyKey({ namespace, name }),
    name,
    namespace,
    action: ACTIONS[action],
    rules: rules.map((rule) => ({ clauses: clausesOf(rule) })),
    dryRun,
  };
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
