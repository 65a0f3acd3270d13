import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { RequestPolicy } from '../model/access-policy.ts';
import { parseIpAddress } from '../model/address.ts';
import { authorize } from '../model/authorize.ts';
import { parsePathTemplate, templateMatches } from '../model/path-template.ts';
import { parseSpiffeId, type SpiffeId } from '../model/spiffe-id.ts';
import { buildPolicy, buildRule, type MatchOptions, type PolicyOptions } from '../testing/policy-builder.ts';
import { type Asked, requestFacts } from '../testing/request-facts.ts';
import { normalPath } from '../testing/route-builder.ts';
import { type AccessCaller, type AccessDestination, Authorizer } from './authorizer.ts';
import { pathMatches } from './request-match.ts';

const WEB = caller('spiffe://cluster.local/ns/shop/sa/web');
const PLAINTEXT = caller(null);
const DB: AccessDestination = { ports: [8080], address: parseIpAddress('10.0.0.2') };

function caller(identity: string | null, address = '10.0.0.1'): AccessCaller {
  return { identity: identity === null ? null : parseSpiffeId(identity), address: parseIpAddress(address) };
}

interface Named extends Omit<PolicyOptions, 'action'> {
  readonly action?: RequestPolicy['action'];
}

function policies(...all: readonly Named[]): readonly RequestPolicy[] {
  return all.map(({ action = 'allow', ...options }, index) => ({
    ...buildPolicy({ name: `p${index}`, ...options }),
    action,
  }));
}

/** `by` and what became of it. */
function told(
  all: readonly RequestPolicy[],
  asked: Asked | null,
  {
    from = WEB,
    to = DB,
    missing = null,
  }: { from?: AccessCaller; to?: AccessDestination; missing?: 'mesh' | null } = {},
): string {
  const verdict = new Authorizer({ policies: all, missing }, to).decide(
    from,
    asked === null ? null : requestFacts(asked),
  );
  const notes = verdict.notes.map(({ policy, effect }) => `${effect} ${policy}`);
  return [verdict.refusal ?? 'allowed', verdict.by, ...notes].filter((text) => text !== '').join(' ');
}

test('Authorizer.decide() asks Deny, then what is missing, then Allow', () => {
  const get: Named = { match: [{ methods: ['GET'] }] };
  const denyAdmin: Named = { action: 'deny', match: [{ paths: ['/admin/**'] }] };
  const table: readonly (readonly [string, string])[] = [
    [told([], {}), 'allowed'],
    [told(policies(get), {}), 'allowed shop/p0'],
    [told(policies(get), { method: 'PUT' }), 'access-denied'],
    [told(policies(get), { method: 'get' }), 'access-denied'],
    [told(policies({}), {}), 'access-denied'],
    [told(policies(get, denyAdmin), { path: '/admin/x' }), 'access-denied shop/p1'],
    [told(policies(get, denyAdmin), { path: '/admin' }), 'access-denied shop/p1'],
    [told(policies(get, denyAdmin), { path: '/admins' }), 'allowed shop/p0'],
    [told(policies(denyAdmin), { path: '/a/../%61dmin;v=1/' }), 'access-denied shop/p0'],
    [told(policies({ action: 'deny', match: [{ paths: ['/a/b'] }, { notPorts: [1] }] }), {}), 'access-denied shop/p0'],
    [told(policies(get), {}, { missing: 'mesh' }), 'policy-missing mesh'],
    [told(policies(denyAdmin), { path: '/admin' }, { missing: 'mesh' }), 'access-denied shop/p0'],
    [told(policies({ action: 'deny', match: [{ principals: ['*'] }] }), {}), 'access-denied shop/p0'],
    [told(policies({ action: 'deny', match: [{ principals: ['*'] }] }), {}, { from: PLAINTEXT }), 'allowed'],
    [told(policies({ match: [{ hosts: ['web.shop'] }] }), { host: 'web.shop.' }), 'allowed shop/p0'],
    [
      told(policies({ action: 'deny', match: [{ hosts: ['*.shop'] }] }), { host: 'web.shop.' }),
      'access-denied shop/p0',
    ],
  ];
  for (const [found, expected] of table) assert.equal(found, expected);
});

test('Authorizer.decide() takes what nobody can tell in the stricter way', () => {
  const twoPorts: AccessDestination = { ports: [80, 81], address: null };
  const at80: MatchOptions = { ports: [80] };
  const block: MatchOptions = { destinationIps: ['0.0.0.0/0'] };
  const table: readonly (readonly [string, string])[] = [
    // No request is read: bytes of some other protocol.
    [told(policies({ match: [{ methods: ['GET'] }] }), null), 'access-denied'],
    [told(policies({ match: [{ namespaces: ['shop'] }] }), null), 'allowed shop/p0'],
    [told(policies({ action: 'deny', match: [{ methods: ['GET'] }] }), null), 'access-denied shop/p0'],
    [told(policies({ action: 'deny', match: [{ paths: ['/a/**'] }] }), null), 'access-denied shop/p0'],
    [told(policies({ action: 'deny', match: [{ methods: ['GET'], ports: [1] }] }), null), 'allowed'],
    // Servers take the first line of a header, the last, or all.
    [told(policies({ match: [{ headers: { a: { any: ['1'] } } }] }), { headers: { a: '1\n2' } }), 'access-denied'],
    [told(policies({ match: [{ headers: { a: { any: ['1*'] } } }] }), { headers: { a: '1\n2' } }), 'access-denied'],
    [told(policies({ match: [{ headers: { a: { any: ['1*'] } } }] }), { headers: { a: '1, 2' } }), 'allowed shop/p0'],
    [told(policies({ match: [{ headers: { a: { none: ['2'] } } }] }), { headers: { a: '1\n2' } }), 'access-denied'],
    [
      told(policies({ action: 'deny', match: [{ headers: { a: { any: ['2'] } } }] }), { headers: { a: '1\n2' } }),
      'access-denied shop/p0',
    ],
    [
      told(policies({ action: 'deny', match: [{ headers: { a: { none: ['1'] } } }] }), { headers: { a: '1\n1' } }),
      'access-denied shop/p0',
    ],
    // Endpoints listen on different ports.
    [told(policies({ match: [at80] }), {}, { to: twoPorts }), 'access-denied'],
    [told(policies({ match: [{ ports: [80, 81] }] }), {}, { to: twoPorts }), 'allowed shop/p0'],
    [told(policies({ action: 'deny', match: [at80] }), {}, { to: twoPorts }), 'access-denied shop/p0'],
    [told(policies({ action: 'deny', match: [{ notPorts: [80] }] }), {}, { to: twoPorts }), 'access-denied shop/p0'],
    [told(policies({ match: [at80] }), {}, { to: { ports: [], address: null } }), 'access-denied'],
    // No endpoint has been picked.
    [told(policies({ match: [block] }), {}, { to: twoPorts }), 'access-denied'],
    [told(policies({ action: 'deny', match: [block] }), {}, { to: twoPorts }), 'access-denied shop/p0'],
    [told(policies({ match: [block] }), {}), 'allowed shop/p0'],
  ];
  for (const [found, expected] of table) assert.equal(found, expected);
});

test('Authorizer.decide() tells of Audit and dry run without deciding by them', () => {
  const all: Named = { match: [{ notPorts: [1] }] };
  const never: Named = { match: [{ ports: [1] }] };
  const table: readonly (readonly [string, string])[] = [
    [told(policies({ ...all, action: 'audit' }), {}), 'allowed audit shop/p0'],
    [told(policies({ ...all, action: 'audit', dryRun: true }), {}), 'allowed audit shop/p0'],
    [told(policies({ ...never, action: 'audit' }), {}), 'allowed'],
    [told(policies({ ...all, action: 'deny', dryRun: true }), {}), 'allowed dry-run-deny shop/p0'],
    [
      told(policies({ ...all, action: 'audit' }, { ...all, action: 'deny' }), {}),
      'access-denied shop/p1 audit shop/p0',
    ],
    [told(policies({ ...never, dryRun: true }), {}), 'allowed dry-run-deny shop/p0'],
    [told(policies({ ...never, dryRun: true }, { ...all, dryRun: true }), {}), 'allowed dry-run-allow shop/p1'],
    [told(policies(all, { ...never, dryRun: true }), {}), 'allowed shop/p0'],
    [told(policies(never, { ...all, dryRun: true }), {}), 'access-denied dry-run-allow shop/p1'],
  ];
  for (const [found, expected] of table) assert.equal(found, expected);
});

test('Authorizer.decide() gives the same object where there is nothing to tell', () => {
  const authorizer = new Authorizer({ policies: policies({ match: [{ paths: ['/a'] }] }), missing: null }, DB);
  for (const path of ['/a', '/b']) {
    const asked = requestFacts({ path });
    assert.equal(authorizer.decide(WEB, asked), authorizer.decide(WEB, asked));
  }
});

const identities = [
  'spiffe://cluster.local/ns/shop/sa/web',
  'spiffe://cluster.local/ns/other/sa/web',
  null,
] as const satisfies readonly (string | null)[];
const names = fc.constantFrom('a', 'b', 'ab');
const aPath = fc.array(
  fc.oneof(
    names,
    names.map((name) => `${name};v=1`),
  ),
  { maxLength: 3 },
);
const pathText = fc.tuple(aPath, fc.boolean()).map(([parts, slash]) => `/${parts.join('/')}${slash ? '/' : ''}`);
const template = fc
  .tuple(fc.array(fc.oneof(names, fc.constant('*')), { maxLength: 3 }), fc.boolean())
  .map(([parts, open]) => `/${[...parts, ...(open ? ['**'] : [])].join('/')}`);

test('pathMatches() says what templateMatches() says', () => {
  fc.assert(
    fc.property(template, fc.oneof(pathText, fc.constant('*')), (source, path) => {
      const parsed = parsePathTemplate(source);
      assert.ok(parsed !== null);
      assert.equal(
        pathMatches(parsed, normalPath(path)),
        templateMatches(parsed, normalPath(path)),
        `${source} ${path}`,
      );
    }),
    { seed: 20_261_126, numRuns: 3_000 },
  );
});

const some = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(value, { minLength: 1, maxLength: 2 });
/** One or two conditions: with more, hardly any would ever hold. */
const aMatch: fc.Arbitrary<MatchOptions> = fc
  .array(
    fc.oneof(
      fc.record({ ports: fc.constantFrom([8080], [9090]) }),
      fc.record({ notPorts: fc.constantFrom([8080], [9090]) }),
      fc.record({ namespaces: fc.constantFrom(['shop'], ['other'], ['*']) }),
      fc.record({ notNamespaces: fc.constantFrom(['shop']) }),
      fc.record({ serviceAccounts: fc.constantFrom(['shop/web'], ['shop/db']) }),
      fc.record({ principals: fc.constantFrom(['*'], ['cluster.local/ns/shop/*'], ['*/sa/web']) }),
      fc.record({ notPrincipals: fc.constantFrom(['*']) }),
      fc.record({ sourceIps: fc.constantFrom(['10.0.0.0/24'], ['10.0.1.0/24']) }),
      fc.record({ destinationIps: fc.constantFrom(['10.0.0.2/32']) }),
      fc.record({ methods: some(fc.constantFrom('GET', 'PUT')) }),
      fc.record({ notMethods: fc.constantFrom(['PUT']) }),
      fc.record({ paths: some(template) }),
      fc.record({ paths: some(template) }),
      fc.record({ notPaths: some(template) }),
      fc.record({ hosts: fc.constantFrom(['web.shop'], ['*.shop'], ['*']) }),
      fc.record({ notHosts: fc.constantFrom(['*.shop']) }),
      fc.record({
        headers: fc.constantFrom(
          { a: { any: ['1'] } },
          { a: { none: ['1'] } },
          { a: { any: ['*'] }, b: { none: ['2'] } },
        ),
      }),
    ),
    { maxLength: 2 },
  )
  .map((fields) => Object.assign({}, ...fields));

/** No path that is asked for is in these. With them a policy has so many rules that they are found by path. */
const NEVER_MET = [1, 2, 3, 4, 5].map((index) => buildRule([[{ paths: [`/never/${index}`] }]]));

test('Authorizer.decide() names the first of many rules that match, whether found by path or not', () => {
  const any: Named = { action: 'deny', match: [{ methods: ['GET'] }] };
  const byPath: Named = { action: 'deny', rules: [...NEVER_MET, buildRule([[{ paths: ['/a'] }]])] };
  for (const order of [
    [any, byPath],
    [byPath, any],
  ]) {
    assert.match(told(policies(...order), { method: 'GET', path: '/a' }), /^access-denied .*p0$/);
  }
});

test('Authorizer.decide() decides as authorize(), whatever policies, callers and requests', () => {
  const clauses = fc.array(fc.array(aMatch, { minLength: 1, maxLength: 2 }), { minLength: 1, maxLength: 2 });
  const aPolicy = fc.record({
    action: fc.constantFrom('allow' as const, 'deny' as const),
    rules: fc.array(clauses.map(buildRule), { maxLength: 3 }),
    dryRun: fc.boolean(),
  });
  const asked = fc.record({
    method: fc.constantFrom('GET', 'PUT'),
    host: fc.constantFrom('web.shop', 'other', 'web.shop.', 'other.', '.'),
    path: pathText,
    headers: fc.constantFrom({}, { a: '1' }, { a: '2', b: '2' }, { a: '1\n2' }, { a: '1, 2' }, { b: '2\n2' }),
  });
  const verdicts = new Map<string, number>();
  fc.assert(
    fc.property(
      fc.array(aPolicy, { maxLength: 4 }),
      fc.constantFrom(...identities),
      fc.option(asked),
      fc.constantFrom(false, false, true),
      fc.boolean(),
      (options, identity, wanted, isMissing, hasMany) => {
        const all = options.map(({ rules, ...one }, index) =>
          buildPolicy({ ...one, rules: hasMany ? [...rules, ...NEVER_MET] : rules, name: `p${index}` }),
        );
        const from = caller(identity);
        const naive = authorize(
          {
            ...(from.identity === null ? {} : { sourceIdentity: from.identity satisfies SpiffeId }),
            sourceIp: from.address,
            destinationIp: DB.address ?? assert.fail(),
            destinationPort: 8080,
          },
          { policies: all, missing: isMissing ? [buildPolicy({ name: 'gone' }).key] : [] },
          wanted === null ? null : requestFacts(wanted),
        );
        const found = new Authorizer({ policies: all, missing: isMissing ? 'mesh' : null }, DB).decide(
          from,
          wanted === null ? null : requestFacts(wanted),
        );
        verdicts.set(naive.reason, (verdicts.get(naive.reason) ?? 0) + 1);
        assert.equal(found.refusal === null, naive.verdict === 'allow');
        assert.equal(found.refusal === 'policy-missing', naive.reason === 'policy-not-received');
        if (naive.reason !== 'policy-not-received') assert.equal(found.by, 'policy' in naive ? naive.policy : '');
        assert.deepEqual(
          found.notes.map(({ policy, effect }) => ({ policy, would: effect.slice('dry-run-'.length) })),
          naive.dryRun,
        );
      },
    ),
    { seed: 20_261_126, numRuns: 3_000 },
  );
  for (const count of verdicts.values()) assert.ok(count > 100, JSON.stringify([...verdicts]));
  assert.equal(verdicts.size, 5);
});
