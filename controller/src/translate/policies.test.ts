import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseObject, requestPolicyOf } from '@ambit/mesh/kinds';
import { type AccessPolicy, authorize, type ConnectionFacts, parseIpAddress, parseSpiffeId } from '@ambit/mesh/model';
import { exceptionsPolicy, strictPolicy } from './mtls-mode-from-mutual-tls-policy.ts';
import { policyFromAccessPolicy } from './policy-from-access-policy.ts';

type Json = Readonly<Record<string, unknown>>;

const NONE = { any: [], none: [] };
const ALL = {
  namespaces: NONE,
  serviceAccounts: NONE,
  principals: NONE,
  sourceIps: NONE,
  destinationIps: NONE,
  destinationPorts: NONE,
};

function accessPolicy(spec: Json, namespace = 'shop'): AccessPolicy {
  const json = { apiVersion: 'ambit.dev/v1alpha1', kind: 'AccessPolicy', metadata: { name: 'p', namespace }, spec };
  const object = parseObject(json);
  const policy = object?.kind === 'AccessPolicy' ? policyFromAccessPolicy(object, 'ambit-system') : null;
  return policy ?? assert.fail();
}

function exceptions(spec: Json, wider: readonly Json[] = []): AccessPolicy | null {
  const parse = (metadata: Json, body: Json) => {
    const object = parseObject({ apiVersion: 'ambit.dev/v1alpha1', kind: 'MutualTLSPolicy', metadata, spec: body });
    return object?.kind === 'MutualTLSPolicy' ? object : assert.fail();
  };
  const selector = { matchLabels: { app: 'web' } };
  const namespace = wider.map((body, index) => parse({ name: `n${index}`, namespace: 'shop' }, body));
  return exceptionsPolicy(parse({ name: 'p', namespace: 'shop' }, { selector, ...spec }), { mesh: [], namespace });
}

/** Who is admitted on which port: identity `ns/sa` or `-` for plaintext. */
function admitted(policy: AccessPolicy | null, caller: string, port: number, sourceIp = '10.0.0.1'): boolean {
  const [namespace = '', account = ''] = caller.split('/');
  const facts: ConnectionFacts = {
    ...(caller === '-'
      ? {}
      : { sourceIdentity: parseSpiffeId(`spiffe://cluster.local/ns/${namespace}/sa/${account}`) }),
    sourceIp: parseIpAddress(sourceIp),
    destinationIp: parseIpAddress('10.9.9.9'),
    destinationPort: port,
  };
  return authorize(facts, { policies: policy === null ? [] : [policy], missing: [] }).verdict === 'allow';
}

test('policyFromAccessPolicy gives one clause per side and takes its scope from where it is attached', () => {
  const spec = {
    action: 'Deny',
    dryRun: true,
    rules: [{ from: [{ serviceAccounts: ['web'] }, { namespaces: ['a*'] }], to: [{ ports: [80] }] }, {}],
  };
  assert.deepEqual(accessPolicy(spec), {
    key: 'shop/p',
    name: 'p',
    namespace: 'shop',
    scope: 'namespace',
    action: 'deny',
    dryRun: true,
    rules: [
      {
        clauses: [
          {
            matches: [
              { ...ALL, serviceAccounts: { any: [{ namespace: 'shop', serviceAccount: 'web' }], none: [] } },
              { ...ALL, namespaces: { any: [{ kind: 'prefix', value: 'a' }], none: [] } },
            ],
          },
          { matches: [{ ...ALL, destinationPorts: { any: [80], none: [] } }] },
        ],
      },
      { clauses: [] },
    ],
  });
  const places = [
    accessPolicy({ action: 'Allow' }, 'ambit-system'),
    accessPolicy({ action: 'Allow', selector: { matchLabels: { a: 'b' } } }, 'ambit-system'),
    accessPolicy({ action: 'Allow', targetRefs: [{ group: 'ambit.dev', kind: 'ExternalWorkload', name: 'vm' }] }),
  ];
  assert.deepEqual(
    places.map(({ key, scope, namespace }) => [key, scope, namespace]),
    [
      ['/p', 'mesh', ''],
      ['ambit-system/p', 'workload', 'ambit-system'],
      ['shop/p', 'workload', 'shop'],
    ],
  );
});

test('policyFromAccessPolicy means to authorize() what its author wrote', () => {
  const cases: [string, Json, readonly [caller: string, port: number, expected: boolean][]][] = [
    [
      'allow without rules admits nobody',
      { action: 'Allow' },
      [
        ['shop/web', 80, false],
        ['-', 80, false],
      ],
    ],
    [
      'an empty rule admits everybody',
      { action: 'Allow', rules: [{}] },
      [
        ['shop/web', 80, true],
        ['-', 80, true],
      ],
    ],
    [
      'an account on a port',
      { action: 'Allow', rules: [{ from: [{ serviceAccounts: ['web'] }], to: [{ ports: [80] }] }] },
      [
        ['shop/web', 80, true],
        ['shop/web', 81, false],
        ['other/web', 80, false],
        ['-', 80, false],
      ],
    ],
    [
      'fields of one entry must all hold, entries are alternatives',
      {
        action: 'Allow',
        rules: [{ from: [{ namespaces: ['shop'], notServiceAccounts: ['bad'] }, { principals: ['*/sa/root'] }] }],
      },
      [
        ['shop/web', 1, true],
        ['shop/bad', 1, false],
        ['other/root', 1, true],
        ['other/web', 1, false],
      ],
    ],
    [
      'deny everything with an identity except one namespace',
      { action: 'Deny', rules: [{ from: [{ principals: ['*'], notNamespaces: ['shop'] }] }] },
      [
        ['shop/web', 1, true],
        ['other/web', 1, false],
        ['-', 1, true],
      ],
    ],
    [
      'deny plaintext',
      { action: 'Deny', rules: [{ from: [{ notPrincipals: ['*'] }] }] },
      [
        ['shop/web', 1, true],
        ['-', 1, false],
      ],
    ],
    ['dry run does nothing', { action: 'Deny', dryRun: true, rules: [{}] }, [['shop/web', 1, true]]],
  ];
  for (const [what, spec, expectations] of cases) {
    const policy = accessPolicy(spec);
    for (const [caller, port, expected] of expectations)
      assert.equal(admitted(policy, caller, port), expected, `${what}: ${caller}:${port}`);
  }
  const byAddress = accessPolicy({
    action: 'Allow',
    rules: [
      { from: [{ ipBlocks: ['10.0.0.0/24'], notIpBlocks: ['10.0.0.128/25'] }], to: [{ ipBlocks: ['10.9.9.9'] }] },
    ],
  });
  assert.deepEqual(
    ['10.0.0.1', '10.0.0.200', '10.0.1.1'].map((ip) => admitted(byAddress, '-', 1, ip)),
    [true, false, false],
  );
});

test('policyFromAccessPolicy takes what is said of requests in the stricter way', () => {
  const rules = (to: readonly Json[]): Json => ({ rules: [{ from: [{ namespaces: ['shop'] }], to }] });
  const get = { methods: ['GET'] };
  const cases: [what: string, spec: Json, expected: readonly [shop80: boolean, shop81: boolean, other: boolean]][] = [
    ['allow by method', { action: 'Allow', ...rules([get]) }, [false, false, false]],
    ['allow by method or port', { action: 'Allow', ...rules([get, { ports: [80] }]) }, [true, false, false]],
    ['deny by method', { action: 'Deny', ...rules([get]) }, [false, false, true]],
    ['deny by path at a port', { action: 'Deny', ...rules([{ paths: ['/a'], ports: [80] }]) }, [false, true, true]],
    ['deny other hosts', { action: 'Deny', ...rules([{ notHosts: ['a'] }]) }, [false, false, true]],
  ];
  for (const [what, spec, expected] of cases) {
    const policy = accessPolicy(spec);
    const found = [admitted(policy, 'shop/web', 80), admitted(policy, 'shop/web', 81), admitted(policy, 'other/x', 80)];
    assert.deepEqual(found, expected, what);
  }
});

test('requestPolicyOf keeps what is said of requests', () => {
  const to = [{ methods: ['GET'], ports: [80] }, { ports: [81] }];
  const json = { apiVersion: 'ambit.dev/v1alpha1', kind: 'AccessPolicy', metadata: { name: 'p', namespace: 'shop' } };
  const object = parseObject({ ...json, spec: { action: 'Allow', rules: [{ to }] } });
  assert.ok(object?.kind === 'AccessPolicy');
  const http = { methods: { any: ['GET'], none: [] }, paths: NONE, hosts: NONE, headers: [] };
  assert.deepEqual(requestPolicyOf(object).rules, [
    {
      clauses: [
        {
          matches: [
            { ...ALL, destinationPorts: { any: [80], none: [] }, http },
            { ...ALL, destinationPorts: { any: [81], none: [] } },
          ],
        },
      ],
    },
  ]);
});

test('strictPolicy refuses exactly the callers without an identity', () => {
  const policy = strictPolicy('ambit-system');
  assert.deepEqual([policy.key, policy.scope, policy.action], ['ambit-system/ambit_strict', 'workload', 'deny']);
  assert.deepEqual([admitted(policy, 'shop/web', 80), admitted(policy, '-', 80)], [true, false]);
});

test('exceptionsPolicy refuses plaintext port by port, inheriting the mode it does not say', () => {
  const permissive80 = [{ port: 80, mode: 'Permissive' }];
  const strict80 = [{ port: 80, mode: 'Strict' }];
  const cases: [string, AccessPolicy | null, readonly [open80: boolean, open81: boolean]][] = [
    ['strict but for 80', exceptions({ mode: 'Strict', ports: permissive80 }), [true, false]],
    ['permissive but for 80', exceptions({ mode: 'Permissive', ports: strict80 }), [false, true]],
    ['inherits permissive', exceptions({ ports: strict80 }), [false, true]],
    ['inherits strict', exceptions({ ports: permissive80 }, [{ mode: 'Strict' }]), [true, false]],
    ['strict without a real exception', exceptions({ mode: 'Strict', ports: strict80 }), [false, false]],
    ['permissive without a real exception', exceptions({ mode: 'Permissive', ports: permissive80 }), [true, true]],
  ];
  for (const [what, policy, expected] of cases) {
    assert.equal(policy?.key, 'shop/ambit_mtls_p', what);
    assert.deepEqual([admitted(policy, '-', 80), admitted(policy, '-', 81)], expected, what);
    assert.deepEqual([admitted(policy, 'a/b', 80), admitted(policy, 'a/b', 81)], [true, true], what);
  }
  assert.equal(exceptions({ mode: 'Strict' }), null);
});
