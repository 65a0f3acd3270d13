import type { Mutation } from './mutation.ts';

const mutation = (find: string, replace: string): Mutation => ({
  area: 'authorization',
  file: 'mesh/src/model/authorize.ts',
  find,
  replace,
  tests: ['mesh/src/model/authorize.test.ts'],
});

/** Who may connect (protocol.md 4.9). */
export const AUTHORIZATION_MUTATIONS: readonly Mutation[] = [
  mutation("if (policy.action === 'deny' && !policy.dryRun &&", "if (policy.action === 'deny' &&"),
  mutation('if (missing !== undefined)', 'if (missing !== undefined && policies.length > 0)'),
  mutation("if (policy.action !== 'allow' || policy.dryRun) continue;", "if (policy.action !== 'allow') continue;"),
  mutation('if (allowPolicies === 0)', 'if (allowPolicies <= 1)'),
  mutation('policy.rules.some((rule) =>', 'policy.rules.every((rule) =>'),
  mutation('rule.clauses.every((clause) =>', 'rule.clauses.some((clause) =>'),
  mutation('if (clause.matches.length === 0) return true;', 'if (clause.matches.length === 0) return false;'),
  mutation('!isEmptyMatch(match) && matchHolds', 'matchHolds'),
  mutation('port === subject.port', 'port >= subject.port'),
  mutation('parts?.namespace === wanted.namespace && parts', 'parts !== undefined && parts'),
  mutation('cidrContainsBytes(block, subject.sourceBytes)', 'cidrContainsBytes(block, subject.destinationBytes)'),
  mutation('(field.any.length === 0 || field.any.some(matches))', 'field.any.some(matches)'),
  mutation(' && !field.none.some(matches)', ''),
  mutation('if (text === undefined) return false;', 'if (text === undefined) return true;'),
  mutation('text.startsWith(match.value)', 'text.includes(match.value)'),
  mutation('text.endsWith(match.value)', 'text.includes(match.value)'),
  mutation("'spiffe://'.length", "'spiffe:/'.length"),
  mutation('if (anyMatched) return;', ''),
];
