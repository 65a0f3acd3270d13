import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ObjectKey } from '@ambit/mesh/kinds';
import { ADDRESS_TYPE_URL, AUTHORIZATION_TYPE_URL } from '@ambit/mesh/wire';
import { core, own, parsed, pod, worldOf } from '../../test/policy-objects.ts';
import type { NodeProgress } from '../push/push-server.ts';
import { decideAcknowledgement } from './decide-acknowledgement.ts';
import { UNNAMED } from './decide-carriers.ts';
import { decidePresence, NOBODY_SEEN } from './decide-presence.ts';
import type { MeshProgress, ReplicaProgress } from './mesh-progress.ts';

const KEY = 'AccessPolicy/shop/p';
const POLICY = parsed(
  own('AccessPolicy', 'shop', 'p', { action: 'Allow' }, { uid: 'u', generation: 2 }),
  'AccessPolicy',
);

interface Version {
  readonly uid?: string;
  readonly generation?: number;
  /** Since which revisions of addresses and policies. */
  readonly since: readonly [addresses: number, policies: number];
}

/** A replica with that version in force, or none, and the revisions that its nodes have. */
function replica(
  version: Version | null,
  nodes: Readonly<Record<string, readonly [addresses: number, policies: number, refused?: string]>>,
): ReplicaProgress {
  const { uid = 'u', generation = 2, since = [0, 0] } = version ?? {};
  const byType = ([addresses, policies]: readonly [number, number, string?]): ReadonlyMap<string, number> =>
    new Map([
      [ADDRESS_TYPE_URL, addresses],
      [AUTHORIZATION_TYPE_URL, policies],
    ]);
  const inForce = { uid, generation, revisions: byType([since[0], since[1]]) };
  return {
    id: 'r',
    version: (key: ObjectKey) => (version !== null && key === KEY ? inForce : undefined),
    nodes: Object.entries(nodes).map(([node, has]): NodeProgress => {
      return { node, settled: byType(has), refused: new Map([[AUTHORIZATION_TYPE_URL, new Set([has[2] ?? ''])]]) };
    }),
  };
}

/** At the first look, with nobody else expected. */
function progressAt(replicas: readonly ReplicaProgress[]): MeshProgress {
  return decidePresence(NOBODY_SEEN, { replicas, silent: [], expected: [], nowMs: 0, awayMs: 0 }).progress;
}

test('decideAcknowledgement compares each node with the revisions of the replica it is connected to', () => {
  const table: readonly (readonly [
    what: string,
    replicas: readonly ReplicaProgress[],
    expected: readonly [acknowledged: readonly string[], pending: readonly string[], refused: readonly string[]],
  ])[] = [
    ['nobody is connected', [replica({ since: [1, 1] }, {})], [[], [], []]],
    ['all have it', [replica({ since: [1, 1] }, { b: [1, 1], a: [9, 1] })], [['a', 'b'], [], []]],
    ['one type is behind', [replica({ since: [5, 1] }, { a: [4, 1], b: [5, 0] })], [[], ['a', 'b'], []]],
    ['it is not in force', [replica(null, { a: [9, 9] })], [[], ['a'], []]],
    ['another generation is', [replica({ generation: 1, since: [1, 1] }, { a: [9, 9] })], [[], ['a'], []]],
    ['one of the same name is', [replica({ uid: 'old', since: [1, 1] }, { a: [9, 9] })], [[], ['a'], []]],
    ['one refuses it', [replica({ since: [1, 1] }, { a: [1, 1, 'shop/p'], b: [1, 1] })], [['b'], [], ['a']]],
    ['one refuses another', [replica({ since: [1, 1] }, { a: [1, 1, 'shop/q'] })], [['a'], [], []]],
    [
      'replicas count their own revisions',
      [replica({ since: [100, 100] }, { a: [100, 100] }), replica({ since: [1, 1] }, { b: [2, 2] })],
      [['a', 'b'], [], []],
    ],
    [
      'a replica that has not heard of it yet',
      [replica({ since: [1, 1] }, { a: [1, 1] }), replica(null, { b: [9, 9] })],
      [['a'], ['b'], []],
    ],
    [
      'an agent that moved counts once',
      [replica({ since: [1, 1] }, { a: [1, 1] }), replica({ since: [1, 1] }, { a: [1, 1], b: [1, 1] })],
      [['a', 'b'], [], []],
    ],
    [
      'and by the slower of its streams',
      [replica({ since: [1, 1] }, { a: [1, 1] }), replica({ since: [2, 2] }, { a: [1, 1], b: [2, 2] })],
      [['b'], ['a'], []],
    ],
    [
      'waiting for it is more than having refused it',
      [replica({ since: [1, 1] }, { a: [1, 1, 'shop/p'] }), replica({ since: [2, 2] }, { a: [1, 1] })],
      [[], ['a'], []],
    ],
  ];
  for (const [what, replicas, [acknowledged, pending, refused]] of table) {
    const expected = { acknowledged, pending, refused, unheard: [], missing: [], silent: [] };
    const progress = progressAt(replicas.map((one, index) => ({ ...one, id: `r${index}` })));
    assert.deepEqual(decideAcknowledgement(POLICY, progress, worldOf([])), expected, what);
  }
});

test('decideAcknowledgement does not look for a resource of what has none', () => {
  const external = own('ExternalWorkload', 'shop', 'p', { addresses: ['192.0.2.1'] }, { uid: 'u', generation: 2 });
  const object = parsed(external, 'ExternalWorkload');
  const { id, version, nodes } = replica({ since: [1, 1] }, { a: [1, 1, 'shop/p'] });
  const progress = progressAt([{ id, nodes, version: () => version(KEY) }]);
  assert.deepEqual(decideAcknowledgement(object, progress, worldOf([])).acknowledged, ['a']);
});

test('decideAcknowledgement counts a refusal of the resource that carries an object against that object alone', () => {
  const version = { uid: 'u', generation: 2 };
  const hosts = (host: string, age: number) =>
    [
      { hosts: [host, 'shared.example'], ports: [{ port: 443 }], resolution: 'DNS' },
      { ...version, creationTimestamp: new Date(age).toISOString() },
    ] as const;
  const egress = own('EgressPolicy', 'shop', 'p', { unknownDestinations: 'Refuse' }, version);
  const open = own('EgressPolicy', 'open', 'p', { unknownDestinations: 'Allow' }, version);
  const older = own('ExternalService', 'shop', 'older', ...hosts('a.example', 1000));
  const younger = own('ExternalService', 'shop', 'younger', ...hosts('b.example', 2000));
  const machine = own('ExternalWorkload', 'shop', 'p', { addresses: ['192.0.2.1'] }, version);
  const ambient = { labels: { 'ambit.dev/mode': 'ambient' } };
  const world = worldOf([
    ...['shop', 'open'].map((name) => core('Namespace', '', name, {}, ambient)),
    ...[egress, open, older, younger, machine],
    ...[pod('shop', 'web', 'web'), pod('open', 'web', 'web')],
  ]);
  const shopPod = 'Kubernetes//Pod/shop/web';
  const place = (name: string, host: string): string => `Kubernetes/ambit.dev/ExternalService/shop/${name}/${host}`;
  const objects = {
    egress: parsed(egress, 'EgressPolicy'),
    open: parsed(open, 'EgressPolicy'),
    older: parsed(older, 'ExternalService'),
    younger: parsed(younger, 'ExternalService'),
    machine: parsed(machine, 'ExternalWorkload'),
  };
  const table: readonly (readonly [node: string, refused: string, expected: readonly (keyof typeof objects)[]])[] = [
    ['node-a', shopPod, ['egress']],
    // What it may call is told to the agent of its own node alone.
    ['node-b', shopPod, []],
    ['node-a', 'Kubernetes//Pod/open/web', []],
    ['node-a', 'shop/a.example', ['older']],
    ['node-a', 'shop/b.example', ['younger']],
    ['node-a', 'shop/shared.example', ['older']],
    ['node-a', place('older', 'a.example'), ['older']],
    ['node-b', place('younger', 'b.example'), ['younger']],
    ['node-a', 'Kubernetes/ambit.dev/ExternalWorkload/shop/p', ['machine']],
    ['node-a', 'shop/p', []],
    ['node-a', UNNAMED, ['egress', 'older', 'younger', 'machine']],
    ['node-b', UNNAMED, ['older', 'younger', 'machine']],
  ];
  for (const [node, name, expected] of table) {
    const settled = new Map([ADDRESS_TYPE_URL, AUTHORIZATION_TYPE_URL].map((typeUrl) => [typeUrl, 1]));
    const refused = new Map([[ADDRESS_TYPE_URL, new Set([name])]]);
    const progress = progressAt([
      { id: 'r', version: () => ({ ...version, revisions: settled }), nodes: [{ node, settled, refused }] },
    ]);
    const refusing = Object.entries(objects)
      .filter(([, object]) => decideAcknowledgement(object, progress, world).refused.includes(node))
      .map(([key]) => key);
    assert.deepEqual(refusing, expected, `${node} ${name}`);
  }
});
