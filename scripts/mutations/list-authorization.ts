import type { Mutation } from './mutation.ts';

const mutation = (find: string, replace: string): Mutation => ({
  area: 'authorization',
  file: 'mesh/src/model/authorize.ts',
  find,
  replace,
  tests: ['mesh/src/model/authorize.test.ts'],
});

const inFile =
  (file: string, test: string) =>
  (find: string, replace: string): Mutation => ({ area: 'authorization', file, find, replace, tests: [test] });

const REQUESTS = 'mesh/src/policies/authorizer.test.ts';
const authorizer = inFile('mesh/src/policies/authorizer.ts', REQUESTS);
const callerMatch = inFile('mesh/src/policies/caller-match.ts', REQUESTS);
const requestMatch = inFile('mesh/src/policies/request-match.ts', REQUESTS);
const hosts = inFile('mesh/src/model/authorize.ts', REQUESTS);
const ruleList = inFile('mesh/src/policies/rule-list.ts', REQUESTS);
const guard = inFile(
  'controller/src/translate/decide-waypoint-guard.ts',
  'controller/src/collections/policies-at-waypoints.test.ts',
);

/** Who may do what, where requests are read; and that nobody goes past who reads them. */
const REQUEST_MUTATIONS: readonly Mutation[] = [
  authorizer("rulesOf(those('deny', false), true)", "rulesOf(those('deny', false), false)"),
  authorizer('allow.length === 0 ? null : rulesOf(allow, false)', 'rulesOf(allow, false)'),
  authorizer("if (denied !== null) return this.#verdict('access-denied', denied, notes);", ''),
  authorizer("if (this.#missing !== null) return this.#verdict('policy-missing', this.#missing, notes);", ''),
  authorizer('this.#allow === null || allowed !== null ?', 'this.#allow === null || allowed === null ?'),
  authorizer('policy.action === action && policy.dryRun === dryRun', 'policy.action === action'),
  callerMatch('unread ? known.some(atPort) : known.every(atPort)', 'known.some(atPort)'),
  callerMatch('if (address === null) return unread;', 'if (address === null) return !unread;'),
  callerMatch('ports.length === 0 ? [0] : ports', 'ports'),
  requestMatch("path === '*') return open && segments.length === 0", "path === '*') return open"),
  requestMatch('contentEnd - at !== segment.length ||', ''),
  requestMatch('return open || at > end;', 'return true;'),
  requestMatch('if (path.charCodeAt(at) === SEMICOLON) return at;', ''),
  requestMatch('|| methods.none.includes(method)) return false;', ') return false;'),
  requestMatch('|| anyTemplate(paths.none, path)) return false;', ') return false;'),
  hosts('host.charCodeAt(last) === DOT ? host.slice(0, last) : host', 'host.charCodeAt(last) === DOT ? host : host'),
  requestMatch('if (prefix.length === 0) return null;', ''),
  ruleList('} else if (code === SEMICOLON) skips = true;', '}'),
  ruleList('this.#unread || clauses.length === 0', 'this.#unread'),
  ruleList('this.#depthMax = Math.max(this.#depthMax, prefix.length);', 'this.#depthMax = 1;'),
  ruleList('found.order < below.order', 'found.order > below.order'),
  ruleList('if (left.length === 0) return null;', 'if (left.length === 0) continue;'),
  ruleList('if (isTrue) continue;', 'if (isTrue) return [];'),
  ruleList('isEmptyMatch(match) || ', ''),
  guard('standing.filter(({ bypass }) => !bypass)', 'standing'),
  guard('isEnforced(policy) && saysOfRequests(policy)', 'isEnforced(policy)'),
  guard('.filter(({ fault }) => fault === null)', ''),
  guard("action !== 'Audit' && !dryRun", "action !== 'Audit'"),
  guard('clauses: [...clauses, others]', 'clauses'),
  guard("if (value !== undefined && value !== '') return", 'if (value === WAYPOINT_BYPASS) return'),
];

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
  ...REQUEST_MUTATIONS,
];
