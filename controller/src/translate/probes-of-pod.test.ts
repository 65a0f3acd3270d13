import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseObject } from '@ambit/mesh/kinds';
import { nodeAddresses } from './probes-of-pod.ts';

type Json = Readonly<Record<string, unknown>>;

describe('nodeAddresses()', () => {
  const internal = (address: string): Json => ({ type: 'InternalIP', address });
  const rows: readonly [what: string, node: Json, expected: readonly string[]][] = [
    ['a node that says nothing', {}, []],
    [
      'Calico or a VPC network: the addresses of the node',
      { status: { addresses: [internal('192.0.2.1'), internal('2001:db8::1')] } },
      ['192.0.2.1', '2001:db8::1'],
    ],
    [
      'bridge and point-to-point networks: the first address of each range',
      { spec: { podCIDRs: ['10.244.1.0/24', 'fd00:1::/64'] } },
      ['10.244.1.1', 'fd00:1::1'],
    ],
    ['a range without room for a gateway', { spec: { podCIDRs: ['10.244.1.4/31', '10.244.1.8/30'] } }, ['10.244.1.9']],
    [
      'Cilium: its host interface',
      {
        metadata: {
          name: 'n',
          annotations: { 'network.cilium.io/ipv4-cilium-host': '10.0.0.77', 'network.cilium.io/ipv6-cilium-host': 'x' },
        },
      },
      ['10.0.0.77'],
    ],
    [
      'the same address twice',
      { spec: { podCIDRs: ['10.244.1.0/24'] }, status: { addresses: [internal('10.244.1.1')] } },
      ['10.244.1.1'],
    ],
  ];
  for (const [what, fields, expected] of rows) {
    test(what, () => {
      const node = parseObject({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'n' }, ...fields });
      assert.ok(node?.kind === 'Node');
      assert.deepEqual(nodeAddresses(node), expected);
    });
  }
});
