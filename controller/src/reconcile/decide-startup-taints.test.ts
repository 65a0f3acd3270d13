import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideStartupTaints, type StartupTaintWorld } from './decide-startup-taints.ts';

const key = 'ambit.dev/not-ready';
const ours = { key, effect: 'NoSchedule' } as const;
const other = {
  key: 'node.kubernetes.io/unreachable',
  effect: 'NoExecute',
  timeAdded: '2026-01-01T00:00:00Z',
} as const;
const both = new Set(['ambit-cni', 'ambit-node-agent']);

const world = (
  taints: StartupTaintWorld['nodes'][number]['taints'],
  ready?: ReadonlySet<string>,
): StartupTaintWorld => ({
  key,
  nodes: [{ name: 'n1', taints }],
  required: ['ambit-cni', 'ambit-node-agent'],
  ready: new Map(ready === undefined ? [] : [['n1', ready]]),
});

const table: readonly (readonly [name: string, world: StartupTaintWorld, expected: StartupTaintWorld['nodes']])[] = [
  ['a node with both agents is free', world([ours], both), [{ name: 'n1', taints: [] }]],
  ['its other taints stay as they are', world([other, ours], both), [{ name: 'n1', taints: [other] }]],
  ['both effects of the taint go', world([ours, { key, effect: 'NoExecute' }], both), [{ name: 'n1', taints: [] }]],
  ['one agent is not enough', world([ours], new Set(['ambit-cni'])), []],
  ['no agent is not enough', world([ours]), []],
  ['a node without the taint is not written', world([other], both), []],
];

for (const [name, given, expected] of table) {
  test(`decideStartupTaints(): ${name}`, () => assert.deepEqual(decideStartupTaints(given), expected));
}
