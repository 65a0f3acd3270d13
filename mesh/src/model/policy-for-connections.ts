import type { AccessPolicy, PolicyClause, PolicyMatch, PolicyRule } from './access-policy.ts';

/**
 * The policy for who sees connections and no requests, without anything about requests, in the stricter way: what an ALLOW
 * says of requests matches nothing there, and what a DENY says of them matches everything. The verdict is that of
 * `authorize` without a request.
 */
export function policyForConnections(policy: AccessPolicy): AccessPolicy {
  const saysOfRequests = policy.rules.some((rule) => rule.clauses.some(({ matches }) => matches.some(hasHttp)));
  if (!saysOfRequests) return policy;
  const rules =
    policy.action === 'deny'
      ? policy.rules.map((rule) => ({ clauses: rule.clauses.map(widened) }))
      : policy.rules.map(narrowed).filter((rule) => rule !== null);
  return { ...policy, rules };
}

function hasHttp(match: PolicyMatch): boolean {
  return match.http !== undefined;
}

function widened(clause: PolicyClause): PolicyClause {
  const matches = clause.matches.map(({ http: _http, ...match }): PolicyMatch => match);
  // An empty match would be skipped, an empty clause is true.
  const isTrue = clause.matches.some((match, index) => hasHttp(match) && saysNothing(matches[index]));
  return isTrue ? { matches: [] } : { matches };
}

function saysNothing(match: PolicyMatch | undefined): boolean {
  return match !== undefined && Object.values(match).every(({ any, none }) => any.length === 0 && none.length === 0);
}

/** Null when nothing can match any more. */
function narrowed(rule: PolicyRule): PolicyRule | null {
  const clauses = rule.clauses.map(({ matches }) => ({ matches: matches.filter((match) => !hasHttp(match)) }));
  const isDead = clauses.some(
    ({ matches }, index) => matches.length === 0 && rule.clauses[index]?.matches.length !== 0,
  );
  return isDead ? null : { clauses };
}
