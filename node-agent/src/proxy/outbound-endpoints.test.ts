import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type LoadBalancing, type Workload } from '@ambit/mesh/model';
import { buildService, buildWorkload } from '@ambit/mesh/testing';
import { decide, endpoint, service } from '../../test/outbound-decision.ts';

describe('decideOutbound() chooses among endpoints', () => {
  const near = { region: 'r1', zone: 'z1', subzone: 's1' };
  const here = buildWorkload({
    name: 'client',
    addresses: ['10.0.0.9'],
    node: 'node-1',
    locality: near,
    clusterId: 'c1',
  });
  const names = (workloads: readonly Workload[], balancing?: LoadBalancing): readonly string[] => {
    const to = balancing === undefined ? service : buildService({ loadBalancing: balancing });
    const found = new Set<string>();
    for (let i = 0; i < 20; i++) {
      const route = decide({ services: [to], workloads }, '10.96.0.1:80', { source: here, random: () => i / 20 });
      found.add(route.kind === 'direct-hbone' ? route.workload.name : route.kind);
    }
    return [...found].sort();
  };
  const balancing = (
    mode: 'strict' | 'failover',
    ...routingPreference: LoadBalancing['routingPreference']
  ): LoadBalancing => ({
    mode,
    routingPreference,
    healthPolicy: 'only-healthy',
  });
  const sameNode = endpoint('a', { locality: near, node: 'node-1', clusterId: 'c1' });
  const sameZone = endpoint('bb', { locality: { ...near, subzone: 's2' }, node: 'node-2', clusterId: 'c1' });
  const sameRegion = endpoint('ccc', {
    locality: { region: 'r1', zone: 'z2', subzone: 's1' },
    node: 'node-3',
    clusterId: 'c2',
  });
  const elsewhere = endpoint('dddd', {
    locality: { region: 'r2', zone: 'z1', subzone: 's1' },
    node: 'node-4',
    clusterId: 'c2',
  });
  const all = [elsewhere, sameRegion, sameZone, sameNode];

  const rows: readonly (readonly [string, readonly Workload[], LoadBalancing | undefined, readonly string[]])[] = [
    ['without preference: all of them', all, undefined, ['a', 'bb', 'ccc', 'dddd']],
    ['strict node: the same node only', all, balancing('strict', 'node'), ['a']],
    ['strict node without one there: nobody', [sameZone], balancing('strict', 'node'), ['refused']],
    ['strict region and cluster: both must match', all, balancing('strict', 'region', 'cluster'), ['a', 'bb']],
    ['failover zone: the same zone', all, balancing('failover', 'network', 'region', 'zone'), ['a', 'bb']],
    [
      'failover zone falls back to the region',
      [elsewhere, sameRegion],
      balancing('failover', 'network', 'region', 'zone'),
      ['ccc'],
    ],
    ['failover with no match takes anybody', [elsewhere], balancing('failover', 'region'), ['dddd']],
    [
      'failover counts leading matches only',
      [elsewhere, sameRegion],
      balancing('failover', 'region', 'node', 'subzone'),
      ['ccc'],
    ],
    ['failover subzone', all, balancing('failover', 'region', 'zone', 'subzone'), ['a']],
    ['failover cluster', [sameRegion, sameZone], balancing('failover', 'cluster'), ['bb']],
    [
      'the unhealthy neighbour is passed over',
      [{ ...sameNode, status: 'unhealthy' }, sameZone],
      balancing('failover', 'node'),
      ['bb'],
    ],
  ];
  for (const [name, workloads, preference, expected] of rows) {
    test(name, () => assert.deepEqual(names(workloads, preference), expected));
  }

  test('in proportion to capacity, never one of capacity 0', () => {
    const workloads = [
      endpoint('a', { capacity: 3 }),
      endpoint('bb', { capacity: 0 }),
      endpoint('ccc', { capacity: 1 }),
    ];
    const chosen = [0, 0.2, 0.74, 0.75, 0.999].map((random) => {
      const route = decide({ services: [service], workloads }, '10.96.0.1:80', { random: () => random });
      return route.kind === 'direct-hbone' && route.workload.name;
    });
    assert.deepEqual(chosen, ['a', 'a', 'a', 'ccc', 'ccc']);
  });
});
