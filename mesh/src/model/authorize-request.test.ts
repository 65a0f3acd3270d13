import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { buildPolicy, buildRule, type MatchOptions } from '../testing/policy-builder.ts';
import { type Asked, requestFacts } from '../testing/request-facts.ts';
import { parseIpAddress } from './address.ts';
import { authorize, type ConnectionFacts } from './authorize.ts';
import { policyForConnections } from './policy-for-connections.ts';
import { parseSpiffeId } from './spiffe-id.ts';

const CALLER: ConnectionFacts = {
  sourceIdentity: parseSpiffeId('spiffe://cluster.local/ns/shop/sa/web'),
  sourceIp: parseIpAddress('10.0.0.1'),
  destinationIp: parseIpAddress('10.0.0.2'),
  destinationPort: 8080,
};

/** Whether a policy with this one match matches: an ALLOW then admits. */
function matches(match: MatchOptions, asked: Asked): boolean {
  const policies = [buildPolicy({ match: [match] })];
  return authorize(CALLER, { policies, missing: [] }, requestFacts(asked)).verdict === 'allow';
}

test('authorize() knows methods, paths, hosts and headers of a request', () => {
  const table: readonly (readonly [match: MatchOptions, yes: readonly Asked[], no: readonly Asked[]])[] = [
    [{ methods: ['GET', 'HEAD'] }, [{}, { method: 'HEAD' }], [{ method: 'POST' }, { method: 'get' }]],
    [{ notMethods: ['DELETE'] }, [{}], [{ method: 'DELETE' }]],
    [
      { paths: ['/items/{id}', '/public/**'], notPaths: ['/public/keys/**'] },
      [{ path: '/items/7' }, { path: '/public/a' }, { path: '/public//./a' }],
      [
        { path: '/items' },
        { path: '/public/keys' },
        { path: '/public/x/../keys/a' },
        { path: '/public/%6Beys/a' },
        { path: '/public/keys;a=b/c' },
      ],
    ],
    [
      { hosts: ['web.shop', '*.example'] },
      [{}, { host: 'a.b.example' }],
      [{ host: 'web' }, { host: 'example' }, { host: 'web.shop.evil' }],
    ],
    [{ notHosts: ['*.internal'] }, [{}], [{ host: 'a.internal' }]],
    [
      { headers: { 'x-tenant': { any: ['a', 'b*'], none: ['bad'] } } },
      [{ headers: { 'x-tenant': 'a' } }, { headers: { 'x-tenant': 'b1' } }],
      [{}, { headers: { 'x-tenant': 'c' } }, { headers: { 'x-tenant': 'bad' } }],
    ],
    [{ headers: { debug: { none: ['*'] } } }, [{}], [{ headers: { debug: '' } }]],
    [
      { headers: { a: { any: ['*'] }, b: { any: ['*'] } } },
      [{ headers: { a: '', b: '1' } }],
      [{ headers: { a: '1' } }],
    ],
    [
      { methods: ['GET'], paths: ['/a'], ports: [8080], principals: ['cluster.local/ns/shop/*'] },
      [{ path: '/a' }],
      [{ path: '/b' }, { path: '/a', method: 'PUT' }],
    ],
    [{ methods: ['GET'], ports: [9090] }, [], [{}]],
    [{ methods: ['GET'], namespaces: ['other'] }, [], [{}]],
  ];
  for (const [match, yes, no] of table) {
    for (const asked of yes) assert.equal(matches(match, asked), true, JSON.stringify([match, asked]));
    for (const asked of no) assert.equal(matches(match, asked), false, JSON.stringify([match, asked]));
  }
});

test('authorize() takes what is said of requests in the stricter way where none is read', () => {
  const verdict = (action: 'allow' | 'deny', match: MatchOptions): string =>
    authorize(CALLER, { policies: [buildPolicy({ action, match: [match] })], missing: [] }).verdict;
  const table: readonly (readonly [action: 'allow' | 'deny', match: MatchOptions, expected: string])[] = [
    ['allow', { methods: ['GET'] }, 'deny'],
    ['allow', { notMethods: ['GET'] }, 'deny'],
    ['allow', { paths: ['/**'], ports: [8080] }, 'deny'],
    ['deny', { methods: ['DELETE'] }, 'deny'],
    ['deny', { notPaths: ['/**'] }, 'deny'],
    ['deny', { methods: ['DELETE'], ports: [9090] }, 'allow'],
    ['deny', { headers: { a: { any: ['b'] } }, namespaces: ['other'] }, 'allow'],
  ];
  for (const [action, match, expected] of table) assert.equal(verdict(action, match), expected, JSON.stringify(match));
});

const aMatch: fc.Arbitrary<MatchOptions> = fc.record(
  {
    ports: fc.constantFrom([8080], [9090]),
    namespaces: fc.constantFrom(['shop'], ['other']),
    notPorts: fc.constantFrom([8080], [9090]),
    methods: fc.constantFrom(['GET']),
    notPaths: fc.constantFrom(['/a']),
    headers: fc.constantFrom({ a: { any: ['b'] } }),
  },
  { requiredKeys: [] },
);

test('policyForConnections() says of connections what the policy does, and nothing of requests', () => {
  const clauses = fc.array(fc.array(aMatch, { maxLength: 3 }), { maxLength: 3 });
  const policy = fc.record({
    action: fc.constantFrom('allow' as const, 'deny' as const),
    rules: fc.array(clauses.map(buildRule), { maxLength: 3 }),
    dryRun: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(policy, { maxLength: 3 }), (options) => {
      const policies = options.map((one, index) => buildPolicy({ ...one, name: `p${index}` }));
      const reduced = policies.map(policyForConnections);
      for (const { rules } of reduced) {
        for (const { clauses: left } of rules) {
          assert.ok(left.every(({ matches: inClause }) => inClause.every(({ http }) => http === undefined)));
        }
      }
      assert.deepEqual(
        authorize(CALLER, { policies: reduced, missing: [] }),
        authorize(CALLER, { policies, missing: [] }),
      );
    }),
    { seed: 20_261_126, numRuns: 2_000 },
  );
  const plain = buildPolicy({ match: [{ ports: [1] }] });
  assert.equal(policyForConnections(plain), plain);
});
