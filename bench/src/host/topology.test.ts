import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planTopology, staleNamespaces } from './topology.ts';

test('planTopology() gives every pair pods, addresses and routes of its own', () => {
  const plan = planTopology(77, 2);
  assert.deepEqual(plan.pairs, [
    {
      clientNetns: 'ambit-bench-77-client-0',
      serverNetns: 'ambit-bench-77-server-0',
      clientAddress: '10.211.0.2',
      serverAddress: '10.212.0.2',
    },
    {
      clientNetns: 'ambit-bench-77-client-1',
      serverNetns: 'ambit-bench-77-server-1',
      clientAddress: '10.211.1.2',
      serverAddress: '10.212.1.2',
    },
  ]);
  assert.equal(plan.commands.filter((command) => command.startsWith('netns add ')).length, 6);
  assert.equal(new Set(plan.commands).size, plan.commands.length);
  assert.ok(plan.commands.includes('-n ambit-bench-77-server-1 route add default via 10.212.1.1'));
});

test('staleNamespaces() names those of dead benches only', () => {
  const names = ['ambit-bench-5-host-a', 'ambit-bench-6-client-0', 'ambit-bench-x', 'production', 'ambit-demo-5-a'];
  assert.deepEqual(
    staleNamespaces(names, (pid) => pid === 6),
    ['ambit-bench-5-host-a'],
  );
});
