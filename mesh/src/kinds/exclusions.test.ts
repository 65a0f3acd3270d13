import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatCidr } from '../model/address.ts';
import { decideExclusions, NO_EXCLUSIONS } from './exclusions.ts';
import { parseObject } from './parse-object.ts';

type Texts = Readonly<Record<string, string>>;

/** What is excluded, as text, then the problems. */
function decided(onPod: Texts, onNamespace: Texts | null = {}): readonly (readonly string[])[] {
  const annotations = (texts: Texts): Texts =>
    Object.fromEntries(Object.entries(texts).map(([name, text]) => [`ambit.dev/exclude-${name}`, text]));
  const pod = parseObject({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'shop', annotations: annotations(onPod) },
  });
  const around = { name: 'shop', annotations: annotations(onNamespace ?? {}) };
  const namespace = parseObject({ apiVersion: 'v1', kind: 'Namespace', metadata: around });
  if (pod?.kind !== 'Pod' || namespace?.kind !== 'Namespace') assert.fail();
  const { exclusions, problems } = decideExclusions(pod, onNamespace === null ? undefined : namespace);
  const ports = (ranges: typeof exclusions.inboundPorts): string[] =>
    ranges.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`));
  return [
    ports(exclusions.outboundPorts),
    exclusions.outboundCidrs.map(formatCidr),
    ports(exclusions.inboundPorts),
    problems.map(({ annotation, on, reason }) => `${on} ${annotation.slice(18)}: ${reason}`),
  ];
}

const many = (count: number): string => Array.from({ length: count }, (_, at) => 2 * at + 1).join(',');

const cases: readonly (readonly [string, Texts, Texts | null, readonly (readonly string[])[]])[] = [
  ['nothing said', {}, {}, [[], [], [], []]],
  ['a namespace that is not known yet', { 'inbound-ports': '80' }, null, [[], [], ['80'], []]],
  [
    'all three, in any order, joined where they meet',
    {
      'outbound-ports': ' 9000, 3306,6000-6010,6005-6020,6021 ',
      'outbound-cidrs': '192.0.2.7, 10.0.0.0/8,10.1.0.0/16,2001:db8::1/32,10.0.0.0/8',
      'inbound-ports': '1-65535',
    },
    {},
    [
      ['3306', '6000-6021', '9000'],
      ['10.0.0.0/8', '192.0.2.7/32', '2001:db8::/32'],
      [],
      ["Pod inbound-ports: port 15001 is the node agent's own"],
    ],
  ],
  ['those of the namespace', {}, { 'outbound-ports': '3306' }, [['3306'], [], [], []]],
  ['those of the pod instead', { 'outbound-ports': '80' }, { 'outbound-ports': '3306' }, [['80'], [], [], []]],
  ['none, as the pod says', { 'outbound-ports': ' ' }, { 'outbound-ports': '3306' }, [[], [], [], []]],
  [
    'nothing of an annotation that is wrong, not even what the namespace says',
    { 'outbound-ports': '80,http', 'outbound-cidrs': '10.0.0.0/8' },
    { 'outbound-ports': '3306', 'inbound-ports': '15000-15010' },
    [
      [],
      ['10.0.0.0/8'],
      [],
      [
        'Pod outbound-ports: "http" is no port and no range such as 6000-6010',
        "Namespace inbound-ports: port 15001 is the node agent's own",
      ],
    ],
  ],
  ['as much as there may be', { 'outbound-ports': many(64) }, {}, [many(64).split(','), [], [], []]],
];

for (const [what, onPod, onNamespace, expected] of cases)
  test(`decideExclusions() tells ${what}`, () => assert.deepEqual(decided(onPod, onNamespace), expected));

const mistakes: readonly (readonly [string, string, string])[] = [
  ['outbound-ports', '0', '0 is no port from 1 to 65535'],
  ['outbound-ports', '70000', '70000 is no port from 1 to 65535'],
  ['outbound-ports', '90-80', '"90-80" ends before it begins'],
  ['outbound-ports', '80,', '"" is no port and no range such as 6000-6010'],
  ['outbound-ports', '80 90', '"80 90" is no port and no range such as 6000-6010'],
  ['outbound-ports', '15053', "port 15053 is the node agent's own"],
  ['inbound-ports', '*', '"*" is no port and no range such as 6000-6010'],
  ['inbound-ports', many(65), 'more than 64 entries'],
  ['inbound-ports', ' '.repeat(4097), 'longer than 4096 characters'],
  ['outbound-cidrs', '10.0.0.0/33', '"10.0.0.0/33" is no block of addresses such as 192.0.2.0/24'],
  ['outbound-cidrs', 'example.com', '"example.com" is no block of addresses such as 192.0.2.0/24'],
];

for (const [annotation, text, reason] of mistakes) {
  test(`decideExclusions() excludes nothing by ${annotation} ${text.slice(0, 20)}`, () =>
    assert.deepEqual(decided({ [annotation]: text }), [[], [], [], [`Pod ${annotation}: ${reason}`]]));
}

test('decideExclusions() has one value for nothing', () => {
  const pod = parseObject({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', namespace: 'shop' } });
  assert.equal(pod?.kind === 'Pod' && decideExclusions(pod, undefined).exclusions, NO_EXCLUSIONS);
});
