import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { buildPolicy, buildRule, type MatchOptions, type PolicyOptions } from '../testing/policy-builder.ts';
import type { PolicyKey } from './access-policy.ts';
import { parseIpAddress } from './address.ts';
import { type AuthorizationDecision, authorize, type ConnectionFacts } from './authorize.ts';
import { parseSpiffeId } from './spiffe-id.ts';

const key = (text: string): PolicyKey => text as PolicyKey;

const MESH: ConnectionFacts = {
  sourceIdentity: parseSpiffeId('spiffe://cluster.local/ns/shop/sa/web'),
  sourceIp: parseIpAddress('10.0.0.1'),
  destinationIp: parseIpAddress('10.0.0.2'),
  destinationPort: 8080,
};
const PLAINTEXT: ConnectionFacts = {
  sourceIp: MESH.sourceIp,
  destinationIp: MESH.destinationIp,
  destinationPort: MESH.destinationPort,
};
const V6: ConnectionFacts = {
  ...PLAINTEXT,
  sourceIp: parseIpAddress('fd00::1'),
  destinationIp: parseIpAddress('fd00:0:0:1::2'),
};

/** Policies are told apart by their names; `match` any connection or none. */
const MATCHING: readonly MatchOptions[] = [{ ports: [8080] }];
const OTHER: readonly MatchOptions[] = [{ ports: [9090] }];

interface Case {
  readonly name: string;
  readonly policies: readonly PolicyOptions[];
  readonly missing?: readonly string[];
  readonly expected: AuthorizationDecision;
}

const ORDER: readonly Case[] = [
  {
    name: 'admits everything when there is no policy',
    policies: [],
    expected: { verdict: 'allow', reason: 'no-allow-policy', dryRun: [] },
  },
  {
    name: 'refuses by a DENY policy that matches',
    policies: [{ name: 'd', action: 'deny', match: MATCHING }],
    expected: { verdict: 'deny', reason: 'deny-policy-matched', policy: key('shop/d'), dryRun: [] },
  },
  {
    name: 'admits when the only policy is a DENY that does not match',
    policies: [{ name: 'd', action: 'deny', match: OTHER }],
    expected: { verdict: 'allow', reason: 'no-allow-policy', dryRun: [] },
  },
  {
    name: 'names the first DENY policy that matches',
    policies: [
      { name: 'd0', action: 'deny', match: OTHER },
      { name: 'd1', action: 'deny', match: MATCHING },
      { name: 'd2', action: 'deny', match: MATCHING },
    ],
    expected: { verdict: 'deny', reason: 'deny-policy-matched', policy: key('shop/d1'), dryRun: [] },
  },
  {
    name: 'puts DENY before ALLOW whatever their order',
    policies: [
      { name: 'a', match: MATCHING },
      { name: 'd', action: 'deny', match: MATCHING },
    ],
    expected: { verdict: 'deny', reason: 'deny-policy-matched', policy: key('shop/d'), dryRun: [] },
  },
  {
    name: 'admits by an ALLOW policy that matches',
    policies: [
      { name: 'a0', match: OTHER },
      { name: 'a1', match: MATCHING },
      { name: 'a2', match: MATCHING },
    ],
    expected: { verdict: 'allow', reason: 'allow-policy-matched', policy: key('shop/a1'), dryRun: [] },
  },
  {
    name: 'refuses when ALLOW policies exist and none matches',
    policies: [{ name: 'a', match: OTHER }],
    expected: { verdict: 'deny', reason: 'no-allow-policy-matched', dryRun: [] },
  },
  {
    name: 'refuses everything by an ALLOW policy without rules',
    policies: [{ name: 'a', rules: [] }],
    expected: { verdict: 'deny', reason: 'no-allow-policy-matched', dryRun: [] },
  },
  {
    name: 'refuses nothing by a DENY policy without rules',
    policies: [{ name: 'd', action: 'deny', rules: [] }],
    expected: { verdict: 'allow', reason: 'no-allow-policy', dryRun: [] },
  },
  {
    name: 'refuses when a referenced policy has not arrived, also beside an ALLOW that matches',
    policies: [{ name: 'a', match: MATCHING }],
    missing: ['shop/late', 'shop/later'],
    expected: { verdict: 'deny', reason: 'policy-not-received', policy: key('shop/late'), dryRun: [] },
  },
  {
    name: 'refuses when a referenced policy has not arrived and there is no other',
    policies: [],
    missing: ['shop/late'],
    expected: { verdict: 'deny', reason: 'policy-not-received', policy: key('shop/late'), dryRun: [] },
  },
  {
    name: 'gives a DENY that matches as the reason before a policy that has not arrived',
    policies: [{ name: 'd', action: 'deny', match: MATCHING }],
    missing: ['shop/late'],
    expected: { verdict: 'deny', reason: 'deny-policy-matched', policy: key('shop/d'), dryRun: [] },
  },
  {
    name: 'gives a policy that has not arrived as the reason before an ALLOW that does not match',
    policies: [
      { name: 'a', match: OTHER },
      { name: 'ad', dryRun: true, match: MATCHING },
      { name: 'dd', action: 'deny', dryRun: true, match: MATCHING },
    ],
    missing: ['shop/late'],
    expected: {
      verdict: 'deny',
      reason: 'policy-not-received',
      policy: key('shop/late'),
      dryRun: [{ policy: key('shop/dd'), would: 'deny' }],
    },
  },
];

const DRY_RUN: readonly Case[] = [
  {
    name: 'a DENY in dry run refuses nothing and is reported when it matches',
    policies: [
      { name: 'd0', action: 'deny', dryRun: true, match: OTHER },
      { name: 'd1', action: 'deny', dryRun: true, match: MATCHING },
      { name: 'd2', action: 'deny', dryRun: true, match: MATCHING },
    ],
    expected: {
      verdict: 'allow',
      reason: 'no-allow-policy',
      dryRun: [
        { policy: key('shop/d1'), would: 'deny' },
        { policy: key('shop/d2'), would: 'deny' },
      ],
    },
  },
  {
    name: 'a DENY in dry run is reported beside an enforced DENY',
    policies: [
      { name: 'd', action: 'deny', match: MATCHING },
      { name: 'dd', action: 'deny', dryRun: true, match: MATCHING },
      { name: 'ad', dryRun: true, match: MATCHING },
    ],
    expected: {
      verdict: 'deny',
      reason: 'deny-policy-matched',
      policy: key('shop/d'),
      dryRun: [{ policy: key('shop/dd'), would: 'deny' }],
    },
  },
  {
    name: 'an ALLOW in dry run that does not match would refuse, but does not',
    policies: [{ name: 'ad', dryRun: true, match: OTHER }],
    expected: { verdict: 'allow', reason: 'no-allow-policy', dryRun: [{ policy: key('shop/ad'), would: 'deny' }] },
  },
  {
    name: 'an ALLOW in dry run that matches would admit, but does not',
    policies: [
      { name: 'a', match: OTHER },
      { name: 'ad', dryRun: true, match: MATCHING },
    ],
    expected: {
      verdict: 'deny',
      reason: 'no-allow-policy-matched',
      dryRun: [{ policy: key('shop/ad'), would: 'allow' }],
    },
  },
  {
    name: 'an ALLOW in dry run that does not match changes nothing where an enforced ALLOW matches',
    policies: [
      { name: 'a', match: MATCHING },
      { name: 'ad', dryRun: true, match: OTHER },
    ],
    expected: { verdict: 'allow', reason: 'allow-policy-matched', policy: key('shop/a'), dryRun: [] },
  },
  {
    name: 'ALLOW policies in dry run are weighed together: one that matches spares the others',
    policies: [
      { name: 'ad1', dryRun: true, match: OTHER },
      { name: 'ad2', dryRun: true, match: MATCHING },
      { name: 'dd', action: 'deny', dryRun: true, match: MATCHING },
    ],
    expected: {
      verdict: 'allow',
      reason: 'no-allow-policy',
      dryRun: [
        { policy: key('shop/dd'), would: 'deny' },
        { policy: key('shop/ad2'), would: 'allow' },
      ],
    },
  },
];

describe('authorize() order', () => {
  for (const { name, policies, missing = [], expected } of [...ORDER, ...DRY_RUN]) {
    test(name, () => {
      const effective = { policies: policies.map(buildPolicy), missing: missing.map(key) };
      assert.deepEqual(authorize(MESH, effective), expected);
    });
  }
});

/** Whether one rule of the given clauses matches, seen through an ALLOW policy and, the other way round, a DENY. */
function matches(connection: ConnectionFacts, clauses: readonly (readonly MatchOptions[])[]): boolean {
  const rules = [buildRule(clauses)];
  const allowed = authorize(connection, { policies: [buildPolicy({ rules })], missing: [] }).verdict === 'allow';
  const denied =
    authorize(connection, { policies: [buildPolicy({ action: 'deny', rules })], missing: [] }).verdict === 'deny';
  assert.equal(allowed, denied);
  return allowed;
}

describe('authorize() rules', () => {
  const yes: MatchOptions = MATCHING[0] ?? {};
  const no: MatchOptions = OTHER[0] ?? {};
  const empty: MatchOptions = {};
  const table: readonly [name: string, clauses: readonly (readonly MatchOptions[])[], expected: boolean][] = [
    ['a rule without clauses holds', [], true],
    ['an empty clause holds', [[]], true],
    ['an empty clause does not rescue another that fails', [[], [no]], false],
    ['a clause is the OR of its matches', [[no, yes]], true],
    ['a clause fails when none of its matches holds', [[no, no]], false],
    ['a rule is the AND of its clauses', [[yes], [yes]], true],
    ['a rule fails by its first clause', [[no], [yes]], false],
    ['a rule fails by its last clause', [[yes], [no]], false],
    ['an empty match is skipped, so a clause of nothing else fails', [[empty]], false],
    ['an empty match beside one that holds is skipped', [[empty, yes]], true],
    ['a match is the AND of its fields', [[{ ports: [8080], namespaces: ['shop'] }]], true],
    ['a match fails by one field of several', [[{ ports: [8080], namespaces: ['bank'] }]], false],
  ];
  for (const [name, clauses, expected] of table) {
    test(name, () => assert.equal(matches(MESH, clauses), expected));
  }

  test('a policy is the OR of its rules', () => {
    const rules = [buildRule([[no]]), buildRule([[yes]])];
    const decision = authorize(MESH, { policies: [buildPolicy({ rules })], missing: [] });
    assert.equal(decision.reason, 'allow-policy-matched');
  });
});

describe('authorize() fields', () => {
  const table: readonly [match: MatchOptions, mesh: boolean, plaintext: boolean][] = [
    [{ ports: [8080] }, true, true],
    [{ ports: [80, 8080] }, true, true],
    [{ ports: [80] }, false, false],
    [{ notPorts: [8080] }, false, false],
    [{ notPorts: [80] }, true, true],
    [{ ports: [8080], notPorts: [8080] }, false, false],

    [{ principals: ['cluster.local/ns/shop/sa/web'] }, true, false],
    [{ principals: ['spiffe://cluster.local/ns/shop/sa/web'] }, false, false],
    [{ principals: ['cluster.local/ns/shop/sa/webb'] }, false, false],
    [{ principals: ['cluster.local/ns/shop/sa/we'] }, false, false],
    [{ principals: ['other', 'cluster.local/ns/shop/sa/web'] }, true, false],
    [{ principals: ['cluster.local/ns/shop/*'] }, true, false],
    [{ principals: ['ns/shop/*'] }, false, false],
    [{ principals: ['*/sa/web'] }, true, false],
    [{ principals: ['*/sa/we'] }, false, false],
    [{ principals: ['*'] }, true, false],
    [{ notPrincipals: ['*'] }, false, true],
    [{ notPrincipals: ['cluster.local/ns/shop/sa/web'] }, false, true],
    [{ notPrincipals: ['cluster.local/ns/shop/sa/db'] }, true, true],
    [{ principals: ['*'], notPrincipals: ['*/sa/web'] }, false, false],
    [{ principals: ['*'], notPrincipals: ['*/sa/db'] }, true, false],

    [{ namespaces: ['shop'] }, true, false],
    [{ namespaces: ['sho'] }, false, false],
    [{ namespaces: ['sho*'] }, true, false],
    [{ namespaces: ['hop*'] }, false, false],
    [{ namespaces: ['*hop'] }, true, false],
    [{ namespaces: ['*sho'] }, false, false],
    [{ namespaces: ['*'] }, true, false],
    [{ namespaces: ['web'] }, false, false],
    [{ notNamespaces: ['shop'] }, false, true],
    [{ notNamespaces: ['bank'] }, true, true],

    [{ serviceAccounts: ['shop/web'] }, true, false],
    [{ serviceAccounts: ['bank/web'] }, false, false],
    [{ serviceAccounts: ['shop/db'] }, false, false],
    [{ serviceAccounts: ['shop/db', 'shop/web'] }, true, false],
    [{ notServiceAccounts: ['shop/web'] }, false, true],
    [{ notServiceAccounts: ['bank/web'] }, true, true],
    [{ notServiceAccounts: ['shop/db'] }, true, true],

    [{ sourceIps: ['10.0.0.1'] }, true, true],
    [{ sourceIps: ['10.0.0.2'] }, false, false],
    [{ sourceIps: ['10.0.0.0/31'] }, true, true],
    [{ sourceIps: ['10.0.0.2/31'] }, false, false],
    [{ sourceIps: ['::/0'] }, false, false],
    [{ sourceIps: ['0.0.0.0/0'] }, true, true],
    [{ notSourceIps: ['10.0.0.0/8'] }, false, false],
    [{ notSourceIps: ['192.168.0.0/16'] }, true, true],
    [{ sourceIps: ['10.0.0.0/8'], notSourceIps: ['10.0.0.1'] }, false, false],

    [{ destinationIps: ['10.0.0.2'] }, true, true],
    [{ destinationIps: ['10.0.0.1'] }, false, false],
    [{ destinationIps: ['10.0.0.1', '10.0.0.0/30'] }, true, true],
    [{ notDestinationIps: ['10.0.0.2'] }, false, false],
    [{ notDestinationIps: ['10.0.0.1'] }, true, true],
  ];
  for (const [match, mesh, plaintext] of table) {
    test(`${JSON.stringify(match)}: ${mesh} with an identity, ${plaintext} without`, () => {
      assert.deepEqual([matches(MESH, [[match]]), matches(PLAINTEXT, [[match]])], [mesh, plaintext]);
    });
  }

  test('IPv6 addresses are matched by IPv6 blocks alone', () => {
    assert.equal(matches(V6, [[{ sourceIps: ['fd00::/64'], destinationIps: ['fd00:0:0:1::/64'] }]]), true);
    assert.equal(matches(V6, [[{ sourceIps: ['fd00:0:0:1::/64'] }]]), false);
    assert.equal(matches(V6, [[{ destinationIps: ['fd00::/64'] }]]), false);
    assert.equal(matches(V6, [[{ sourceIps: ['0.0.0.0/0'] }]]), false);
  });

  test('an account is compared without its trust domain, a principal with it', () => {
    const foreign = { ...MESH, sourceIdentity: parseSpiffeId('spiffe://partner.example/ns/shop/sa/web') };
    assert.equal(matches(foreign, [[{ serviceAccounts: ['shop/web'] }]]), true);
    assert.equal(matches(foreign, [[{ principals: ['cluster.local/ns/shop/sa/web'] }]]), false);
  });

  test('STRICT as Istio converts it refuses plaintext alone', () => {
    const strict = buildPolicy({ action: 'deny', match: [{ notPrincipals: ['*'] }] });
    assert.equal(authorize(MESH, { policies: [strict], missing: [] }).verdict, 'allow');
    assert.equal(authorize(PLAINTEXT, { policies: [strict], missing: [] }).verdict, 'deny');
  });
});
