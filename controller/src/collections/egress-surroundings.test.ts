import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatCidr } from '@ambit/mesh/model';
import { MeshWorld, ours, pod, SHOP } from '../../test/mesh-world.ts';

const refuse = { unknownDestinations: 'Refuse' };

/** What the workload may call outside the mesh. */
function egress(world: MeshWorld, name: string): string {
  const { egress: locked } = world.workload(name);
  return locked === undefined ? 'open' : ['locked', ...locked.allowed.map(({ block }) => formatCidr(block))].join(' ');
}

test('workloads that are enrolled carry what the EgressPolicies of their namespace, or of the mesh, say', () => {
  const out = pod('out', '10.0.0.2', {}, { labels: { 'ambit.dev/mode': 'none' } });
  const world = new MeshWorld(SHOP, pod('web', '10.0.0.1'), out);
  const both = (): readonly string[] => [egress(world, 'web'), egress(world, 'out')];
  assert.deepEqual(both(), ['open', 'open']);
  world.put(ours('EgressPolicy', 'mesh', refuse, { namespace: 'ambit-system' }));
  assert.deepEqual(both(), ['locked', 'open']);
  world.put(ours('EgressPolicy', 'own', { ...refuse, allow: [{ cidrs: ['192.0.2.7'] }] }));
  assert.deepEqual(both(), ['locked 192.0.2.7/32', 'open']);
  world.remove('EgressPolicy/ambit-system/mesh');
  world.remove('EgressPolicy/shop/own');
  assert.deepEqual(both(), ['open', 'open']);
});

test('machines with a node agent are locked too, and those without one are not', () => {
  const machine = (name: string, address: string, tunnel: string): ReturnType<typeof ours> =>
    ours('ExternalWorkload', name, { addresses: [address], tunnel });
  const world = new MeshWorld(SHOP, machine('vm', '192.0.2.1', 'HBONE'), machine('bare', '192.0.2.2', 'None'));
  world.put(ours('EgressPolicy', 'own', refuse));
  assert.deepEqual([egress(world, 'vm'), egress(world, 'bare')], ['locked', 'open']);
});

test('nothing may be called where a policy cannot be read', () => {
  const world = new MeshWorld(
    SHOP,
    pod('web', '10.0.0.1'),
    ours('EgressPolicy', 'own', { unknownDestinations: 'Allow' }),
  );
  for (const namespace of ['shop', 'ambit-system']) {
    world.mesh.unreadableEgress.set('broken', namespace);
    world.graph.commit();
    assert.equal(egress(world, 'web'), namespace === 'shop' ? 'locked' : 'open', namespace);
  }
  world.mesh.unreadableEgress.set('broken', undefined);
  world.graph.commit();
  assert.equal(egress(world, 'web'), 'open');
});
