import type { Mutation } from './mutation.ts';

const inFile =
  (file: string, ...tests: readonly string[]) =>
  (find: string, replace: string): Mutation => ({ area: 'routes', file: `mesh/src/${file}`, find, replace, tests });

const ROUTES = 'mesh/src/routes';
const TABLE = [`${ROUTES}/route-table.test.ts`, `${ROUTES}/route-table.property.test.ts`];
const path = inFile('model/normal-path.ts', 'mesh/src/model/normal-path.test.ts');
const template = inFile('model/path-template.ts', 'mesh/src/model/path-template.test.ts');
const connections = inFile('model/policy-for-connections.ts', 'mesh/src/model/authorize-request.test.ts');
const authorize = inFile('model/authorize.ts', 'mesh/src/model/authorize-request.test.ts');
const candidate = inFile('routes/candidate.ts', ...TABLE);
const bucket = inFile('routes/bucket.ts', ...TABLE);
const index = inFile('routes/path-index.ts', ...TABLE);
const table = inFile('routes/route-table.ts', ...TABLE);
const request = inFile('routes/decide-request.ts', `${ROUTES}/decide-request.test.ts`);
const backend = inFile('routes/pick-backend.ts', `${ROUTES}/decide-backend.test.ts`);
const cors = inFile('routes/decide-cors.ts', `${ROUTES}/decide-cors.test.ts`);
const retry = inFile('routes/decide-retry.ts', `${ROUTES}/decide-retry.test.ts`);
const session = inFile('routes/decide-session.ts', `${ROUTES}/decide-session.test.ts`);
const sessionBackend = inFile('routes/decide-session-backend.ts', `${ROUTES}/decide-session-backend.test.ts`);
const seal = inFile('routes/aes-seal.ts', `${ROUTES}/aes-seal.test.ts`);

/** Normal paths, precedence, and what is decided of a request. */
export const ROUTES_MUTATIONS: readonly Mutation[] = [
  path("      return 'encoded-slash';", '      return null;'),
  path(
    "return { kind: 'refused', fault: 'dot-segment-parameter' };",
    "return { kind: 'path', path: branded(decoded) };",
  ),
  path('if (kept.length > 1) kept.pop();', 'kept.pop();'),
  path('      start = index + 1;', '      start = index;'),
  template('const part = withoutParameters(parts[index] ??', 'const part = String(parts[index] ??'),
  path("if (decoded.includes('/;')) return", "if (decoded.includes('/;;')) return"),
  connections('return isDead ? null : { clauses };', 'return { clauses };'),
  connections('return isTrue ? { matches: [] } : { matches };', 'return { matches };'),
  authorize("const unread = policy.action === 'deny';", "const unread = policy.action === 'allow';"),
  authorize(
    '(match) => !isEmptyMatch(match) && matchHolds(match, subject, unread)',
    '(match) => !isEmptyMatch(match) && matchHolds(match, subject, !unread)',
  ),
  candidate('Number(b.hasMethod) - Number(a.hasMethod) ||', ''),
  candidate('a.createdMs - b.createdMs ||', 'b.createdMs - a.createdMs ||'),
  candidate('a.ruleIndex - b.ruleIndex ||', 'b.ruleIndex - a.ruleIndex ||'),
  bucket('next.place < head.place', 'next.place > head.place'),
  index(
    'for (let index = buckets.length - 1; index >= 0; index--) {',
    'for (let index = 0; index < buckets.length; index++) {',
  ),
  index(".split('/').slice(0, -1);", ".split('/');"),
  table("for (let dot = host.indexOf('.', 1);", "for (let dot = host.indexOf('.');"),
  request("if (rule.fault !== null) return ownAnswer('faulty-rule', 500, rule);", ''),
  request(
    "if (backend.kind === 'invalid') return ownAnswer('invalid-backend', 500, rule);",
    "if (backend.kind === 'invalid') return ownAnswer('invalid-backend', 503, rule);",
  ),
  backend('if (left < 0) return backend;', 'if (left <= 0) return backend;'),
  cors("return filter.allowCredentials ? asked : '*';", "return '*';"),
  cors('origin.host.length > suffix.length && ', ''),
  retry("if (outcome.kind !== 'not-sent' && !replayable)", 'if (false)'),
  retry('return idempotent || policy.codes.length > 0;', 'return true;'),
  session('nowMs - beganMs >= policy.absoluteTimeoutMs', 'nowMs - beganMs > policy.absoluteTimeoutMs'),
  session('found.length < COOKIES_TRIED_MAX', 'found.length < 5'),
  session('if (beginsCookie(header, at)) found', 'found'),
  session("session.kind === 'bound' && session.isCurrent && isSame", "session.kind === 'bound' && isSame"),
  sessionBackend("(place === 'others' && found.weight > 0)", "place === 'others'"),
  sessionBackend("place === 'endpoint' ||", "(place === 'endpoint' && found.weight > 0) ||"),
  session('return `${rule.routeKey}/${rule.name ?? rule.index}`;', 'return rule.routeKey;'),
  seal('  decipher.setAAD(Buffer.from(context));', ''),
  seal('return known.context === context ? known.opened : null;', 'return known.opened;'),
  seal('young.size >= tokensMax / 2', 'young.size > tokensMax'),
];
