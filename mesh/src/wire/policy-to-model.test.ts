import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { buildMatch, buildPolicy } from '../testing/policy-builder.ts';
import { wireRefusal } from '../testing/wire-refusal.ts';
import { AuthorizationSchema, type MatchSchema } from './gen/istio/security/authorization_pb.ts';
import { parseAuthorizationResource } from './push-to-model.ts';

type PolicyInit = MessageInitShape<typeof AuthorizationSchema>;

const MINIMAL_POLICY = { name: 'p', namespace: 'shop' } satisfies PolicyInit;
const V4 = Uint8Array.of(10, 0, 0, 1);

function policyBytes(init: PolicyInit): Uint8Array {
  return toBinary(AuthorizationSchema, create(AuthorizationSchema, { ...MINIMAL_POLICY, ...init }));
}
function matchBytes(action: 0 | 1, match: MessageInitShape<typeof MatchSchema>): Uint8Array {
  return policyBytes({ action, rules: [{ clauses: [{ matches: [match] }] }] });
}

describe('parseAuthorizationResource()', () => {
  test('fills in what the wire leaves out', () => {
    assert.deepEqual(parseAuthorizationResource(policyBytes({})), buildPolicy({ name: 'p', scope: 'mesh' }));
  });

  const path = 'authorization.rules[0].clauses[0].matches[0]';
  const exact = { matchType: { case: 'exact', value: 'x' } } as const;
  const bad: readonly [name: string, bytes: Uint8Array, expected: string][] = [
    ['no bytes of a message', Uint8Array.of(0xff), 'malformed Authorization'],
    ['no name', policyBytes({ name: '' }), 'invalid-field authorization.name'],
    ['a name with a slash', policyBytes({ name: 'a/b' }), 'invalid-field authorization.namespace or name'],
    ['a namespace with a space', policyBytes({ namespace: 'a b' }), 'invalid-field authorization.namespace or name'],
    ['an unknown scope', policyBytes({ scope: 3 as never }), 'unknown-enum-value authorization.scope'],
    ['an unknown action', policyBytes({ action: 2 as never }), 'unknown-enum-value authorization.action'],
    ['a text match of no kind', matchBytes(0, { principals: [exact, {}] }), `invalid-field ${path}.principals[1]`],
    ['a negative match of no kind', matchBytes(0, { notNamespaces: [{}] }), `invalid-field ${path}.not_namespaces[0]`],
    [
      'a long text',
      matchBytes(0, { namespaces: [{ matchType: { case: 'prefix', value: 'x'.repeat(1025) } }] }),
      `over-limit ${path}.namespaces[0]`,
    ],
    [
      'an account without namespace',
      matchBytes(0, { serviceAccounts: [{ serviceAccount: 'a' }] }),
      `invalid-field ${path}.service_accounts[0].namespace`,
    ],
    [
      'an account without name',
      matchBytes(0, { notServiceAccounts: [{ namespace: 'a' }] }),
      `invalid-field ${path}.not_service_accounts[0].serviceAccount`,
    ],
    [
      'a block of 5 bytes',
      matchBytes(0, { sourceIps: [{ address: new Uint8Array(5) }] }),
      `invalid-field ${path}.source_ips[0]`,
    ],
    [
      'a block of length 33',
      matchBytes(0, { notSourceIps: [{ address: V4, length: 33 }] }),
      `invalid-field ${path}.not_source_ips[0]`,
    ],
    ['a destination of no bytes', matchBytes(0, { destinationIps: [{}] }), `invalid-field ${path}.destination_ips[0]`],
    [
      'a negative destination of no bytes',
      matchBytes(0, { notDestinationIps: [{}] }),
      `invalid-field ${path}.not_destination_ips[0]`,
    ],
    ['port 65536', matchBytes(0, { destinationPorts: [80, 65536] }), `invalid-field ${path}.destination_ports[1]`],
    [
      'not port 65536',
      matchBytes(0, { notDestinationPorts: [65536] }),
      `invalid-field ${path}.not_destination_ports[0]`,
    ],
    [
      'too many rules',
      policyBytes({ rules: Array.from({ length: 100_001 }, () => ({})) }),
      'over-limit authorization.rules',
    ],
    [
      'too many values in all',
      policyBytes({
        rules: [{}, { clauses: [{ matches: [{ destinationPorts: Array.from({ length: 99_997 }, () => 1) }] }] }],
      }),
      'over-limit authorization.rules',
    ],
  ];
  for (const [name, bytes, expected] of bad) {
    test(`refuses ${name}`, () =>
      assert.equal(
        wireRefusal(() => parseAuthorizationResource(bytes)),
        expected,
      ));
  }

  test('accepts exactly as many values as the limit', () => {
    const matches = [{ destinationPorts: Array.from({ length: 99_997 }, () => 1) }];
    assert.equal(
      wireRefusal(() => parseAuthorizationResource(policyBytes({ rules: [{ clauses: [{ matches }] }] }))),
      'accepted',
    );
  });

  describe('makes a policy stricter where it does not know a condition', () => {
    const known = { destinationPorts: [80] };
    const extension = { ...known, extensions: [{ name: 'future' }] };
    /** A match of port 80 with field 14, which nobody defined. */
    const unknownField = (action: number): Uint8Array => {
      const bytes = [...policyBytes({}), 0x20, action, 0x2a, 10, 0x0a, 8, 0x12, 6, 0x4a, 1, 80, 0x72, 1, 65];
      return Uint8Array.from(bytes);
    };
    const table: readonly [name: string, bytes: Uint8Array, expected: ReturnType<typeof buildMatch>][] = [
      ['an ALLOW with an extension never matches', matchBytes(0, extension), buildMatch({})],
      ['an ALLOW with an unknown field never matches', unknownField(0), buildMatch({})],
      ['a DENY loses its extension', matchBytes(1, extension), buildMatch({ ports: [80] })],
      ['a DENY loses its unknown field', unknownField(1), buildMatch({ ports: [80] })],
      [
        'a DENY of nothing but an extension always matches',
        matchBytes(1, { extensions: [{ name: 'future' }] }),
        buildMatch({ destinationIps: ['0.0.0.0/0', '::/0'] }),
      ],
    ];
    /** A rule whose clause is the bytes given, with field 15 where the bytes say so. */
    const rule = (action: number, ...bytes: number[]): Uint8Array =>
      Uint8Array.from([...policyBytes({}), 0x20, action, 0x2a, bytes.length, ...bytes]);
    const unknown = [0x7a, 1, 65];
    const clauseOf80 = [0x0a, 5, 0x12, 3, 0x4a, 1, 80];
    const nested: readonly [name: string, bytes: Uint8Array, expected: ReturnType<typeof buildMatch>][] = [
      ['an ALLOW rule with an unknown field never matches', rule(0, ...clauseOf80, ...unknown), buildMatch({})],
      [
        'a clause of an ALLOW with an unknown field never matches',
        rule(0, 0x0a, 8, 0x12, 3, 0x4a, 1, 80, ...unknown),
        buildMatch({}),
      ],
      ['a DENY rule loses its unknown field', rule(1, ...clauseOf80, ...unknown), buildMatch({ ports: [80] })],
    ];
    for (const [name, bytes, expected] of [...table, ...nested]) {
      test(name, () =>
        assert.deepEqual(parseAuthorizationResource(bytes).rules, [{ clauses: [{ matches: [expected] }] }]),
      );
    }
  });
});
