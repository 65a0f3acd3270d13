import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatCidr } from '../model/address.ts';
import { decideEgress } from './decide-egress.ts';
import type { EgressPolicy } from './objects.ts';
import { parseObject } from './parse-object.ts';

function policy(name: string, spec: object): EgressPolicy {
  const metadata = { name, namespace: 'shop' };
  const parsed = parseObject({ apiVersion: 'ambit.dev/v1alpha1', kind: 'EgressPolicy', metadata, spec });
  return parsed?.kind === 'EgressPolicy' ? parsed : assert.fail();
}

const refuse = (name: string, ...allow: readonly object[]): EgressPolicy =>
  policy(name, { unknownDestinations: 'Refuse', allow });
const open = policy('open', { unknownDestinations: 'Allow' });

const cases: readonly (readonly [
  string,
  readonly EgressPolicy[],
  readonly EgressPolicy[],
  readonly string[] | null,
])[] = [
  ['everything without any policy', [], [], null],
  ['what the mesh says where the namespace says nothing', [], [refuse('m')], []],
  ['what the namespace says against the mesh', [open], [refuse('m')], null],
  ['what the namespace says where the mesh says nothing', [refuse('n')], [], []],
  [
    'the stricter of several, and what they allow together',
    [
      refuse('b', { cidrs: ['192.0.2.0/24', '2001:db8::/32'], ports: [443, 8443] }),
      open,
      refuse('a', { cidrs: ['198.51.100.7'] }),
    ],
    [refuse('m', { cidrs: ['203.0.113.1'] })],
    ['198.51.100.7/32 all', '192.0.2.0/24 443,8443', '2001:db8::/32 443,8443'],
  ],
];

for (const [what, own, mesh, expected] of cases) {
  test(`decideEgress() says ${what}`, () => {
    const decided = decideEgress(own, mesh);
    const shown = decided?.allowed.map(({ block, ports }) => `${formatCidr(block)} ${ports.join() || 'all'}`);
    assert.deepEqual(shown ?? null, expected);
  });
}

test('decideEgress() allows no more blocks than an agent takes', () => {
  const blocks = (name: string, second: number): EgressPolicy => {
    const cidrs = (third: number): string[] => Array.from({ length: 64 }, (_, at) => `10.${second}.${third}.${at}`);
    return refuse(name, ...Array.from({ length: 32 }, (_, third) => ({ cidrs: cidrs(third) })));
  };
  assert.equal(decideEgress([blocks('a', 1), blocks('b', 2)], [])?.allowed.length, 1024);
});
