import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type MeshRanges, parseCidr } from '@ambit/mesh/model';
import { type LogFields, silentLogger } from '@ambit/mesh/runtime';
import { buildWorkload } from '@ambit/mesh/testing';
import { RangeWatch } from './range-watch.ts';

function watch(ranges: readonly string[]): { readonly watch: RangeWatch; readonly warned: (string | undefined)[] } {
  const warned: (string | undefined)[] = [];
  const logger = {
    ...silentLogger,
    warn: (_: string, fields?: LogFields) => void warned.push(String(fields?.['address'])),
  };
  return { watch: new RangeWatch({ ranges: ranges.map(parseCidr), network: '', logger }), warned };
}

test('RangeWatch counts enrolled workloads outside the ranges, and tells of the first', () => {
  const world = watch(['10.244.0.0/24', 'fd00::/64']);
  const inside = buildWorkload({ name: 'inside', addresses: ['10.244.0.9', 'fd00::9'] });
  const outside = buildWorkload({ name: 'outside', addresses: ['10.244.1.9', 'fd00::a'] });
  const second = buildWorkload({ name: 'second', addresses: ['10.244.1.10'] });
  world.watch.see({ workloads: [inside] });
  assert.deepEqual([world.watch.count, world.warned], [0, []]);
  world.watch.see({ workloads: [outside] });
  world.watch.see({ workloads: [second, outside] });
  assert.deepEqual([world.watch.count, world.warned], [2, ['10.244.1.9,fd00::a']]);
  world.watch.see({ removedWorkloads: [outside.uid], workloads: [{ ...second, tunnelProtocol: 'none' }] });
  assert.equal(world.watch.count, 0);
  world.watch.see({ workloads: [second] });
  assert.deepEqual(world.warned, ['10.244.1.9,fd00::a', '10.244.1.10']);
});

test('RangeWatch leaves those alone that no range is about', () => {
  const world = watch(['10.244.0.0/24']);
  world.watch.see({
    workloads: [
      buildWorkload({ name: 'plain', addresses: ['10.9.9.1'], tunnelProtocol: 'none' }),
      buildWorkload({ name: 'host', addresses: ['10.9.9.2'], networkMode: 'host-network' }),
      buildWorkload({ name: 'far', addresses: ['10.9.9.3'], network: 'far' }),
    ],
  });
  const without = watch([]);
  without.watch.see({ workloads: [buildWorkload()] });
  assert.deepEqual([world.watch.count, world.warned, without.watch.count, without.warned], [0, [], 0, []]);
});

test('RangeWatch counts pushed ranges as those that are configured, as they come and go', () => {
  const world = watch([]);
  const far = buildWorkload({ name: 'far', addresses: ['10.244.1.9'] });
  const range = (name: string, block: string): MeshRanges => ({ name, network: '', blocks: [parseCidr(block)] });
  world.watch.see({ ranges: [range('Node/a', '10.244.0.0/24')], workloads: [far] });
  assert.deepEqual([world.watch.count, world.warned], [1, ['10.244.1.9']]);
  world.watch.see({ ranges: [range('Node/b', '10.244.1.0/24')] });
  assert.equal(world.watch.count, 0);
  world.watch.see({ removedRanges: ['Node/b'], workloads: [far] });
  assert.equal(world.watch.count, 1);
});
