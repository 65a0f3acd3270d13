import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Store, STORES } from '../testing/mesh-view-stores.ts';
import { buildPolicy } from '../testing/policy-builder.ts';
import { buildService } from '../testing/service-builder.ts';
import { buildWorkload } from '../testing/workload-builder.ts';
import type { PolicyKey } from './access-policy.ts';
import { createMeshViewStore } from './mesh-view-store.ts';
import type { MeshViewUpdate } from './mesh-view.ts';
import { type ServiceKey, serviceKey } from './service.ts';
import type { WorkloadUid } from './workload.ts';

const WEB = 'shop/web.shop.svc.cluster.local' as ServiceKey;

for (const [kind, open] of STORES) {
  describe(kind, () => keepsItsPromises(open));
}

test('a change of a mesh view of objects names what was added, changed or removed, and nothing else', () => {
  const shop = buildPolicy({ name: 'all' });
  const one = buildPolicy({ name: 'one', scope: 'workload' });
  const web = buildWorkload({ policies: ['shop/one'] });
  const db = buildWorkload({ name: 'db', addresses: ['10.0.0.2'] });
  const { apply } = createMeshViewStore();
  const first = apply({ workloads: [web, db], services: [buildService()], policies: [shop, one] });
  assert.deepEqual([...first.workloads], [web.uid, db.uid]);
  assert.deepEqual([...first.services], [WEB]);
  assert.deepEqual([...first.policies], [shop.key, one.key]);
  const second = apply({
    removedWorkloads: [db.uid, 'unknown' as WorkloadUid],
    removedServices: [WEB, serviceKey({ namespace: 'shop', hostname: 'unknown' })],
    removedPolicies: [one.key, 'shop/unknown' as PolicyKey],
  });
  assert.deepEqual([[...second.workloads], [...second.services], [...second.policies]], [[db.uid], [WEB], [one.key]]);
});

function keepsItsPromises(createMeshViewStore: () => Store): void {
  describe('policiesFor()', () => {
    const mesh = buildPolicy({ namespace: 'root', name: 'mesh', scope: 'mesh' });
    const shop = buildPolicy({ namespace: 'shop', name: 'all', scope: 'namespace' });
    const bank = buildPolicy({ namespace: 'bank', name: 'all', scope: 'namespace' });
    const one = buildPolicy({ namespace: 'shop', name: 'one', scope: 'workload' });
    const other = buildPolicy({ namespace: 'shop', name: 'other', scope: 'workload' });

    test('gives those of the mesh, of the namespace and those named, in this order', () => {
      const { view, apply } = createMeshViewStore();
      apply({ policies: [one, other, bank, shop, mesh] });
      assert.deepEqual(view.policiesFor(buildWorkload({ policies: ['shop/one'] })), {
        policies: [mesh, shop, one],
        missing: [],
      });
      assert.deepEqual(view.policiesFor(buildWorkload({ namespace: 'bank' })), { policies: [mesh, bank], missing: [] });
    });

    test('gives each once, and each that is missing once', () => {
      const { view, apply } = createMeshViewStore();
      apply({ policies: [shop, mesh] });
      const workload = buildWorkload({ policies: ['shop/all', 'root/mesh', 'shop/late', 'shop/late'] });
      assert.deepEqual(view.policiesFor(workload), { policies: [mesh, shop], missing: ['shop/late'] });
    });

    test('follows arrivals, changes of scope and removals', () => {
      const { view, apply } = createMeshViewStore();
      const workload = buildWorkload({ policies: ['shop/one'] });
      const effective = (): unknown => {
        const { policies, missing } = view.policiesFor(workload);
        return [policies.map(({ key }) => key), missing];
      };
      assert.deepEqual(effective(), [[], ['shop/one']]);
      apply({ policies: [one] });
      assert.deepEqual(effective(), [['shop/one'], []]);
      apply({ policies: [shop, bank] });
      assert.deepEqual(effective(), [['shop/all', 'shop/one'], []]);
      apply({ policies: [{ ...shop, scope: 'workload' }] });
      assert.deepEqual(effective(), [['shop/one'], []]);
      apply({ policies: [{ ...shop, scope: 'mesh' }] });
      assert.deepEqual(effective(), [['shop/all', 'shop/one'], []]);
      apply({ removedPolicies: [shop.key] });
      assert.deepEqual(effective(), [['shop/one'], []]);
      apply({ removedPolicies: [one.key] });
      assert.deepEqual(effective(), [[], ['shop/one']]);
    });

    test('keeps the other policies of a namespace when one goes, and of the mesh', () => {
      const { view, apply } = createMeshViewStore();
      const [two, three] = [buildPolicy({ name: 'two' }), buildPolicy({ name: 'three' })];
      const meshTwo = buildPolicy({ namespace: 'root', name: 'mesh-two', scope: 'mesh' });
      apply({ policies: [shop, two, three, mesh, meshTwo] });
      apply({ removedPolicies: [two.key, mesh.key] });
      assert.deepEqual(view.policiesFor(buildWorkload()).policies, [meshTwo, shop, three]);
      apply({ removedPolicies: [three.key] });
      assert.deepEqual(view.policiesFor(buildWorkload()).policies, [meshTwo, shop]);
      apply({ removedPolicies: [shop.key] });
      apply({ policies: [two] });
      assert.deepEqual(view.policiesFor(buildWorkload()).policies, [meshTwo, two]);
    });

    test('gives one answer until a policy changes', () => {
      const { view, apply } = createMeshViewStore();
      const workload = buildWorkload();
      apply({ policies: [shop] });
      const answer = view.policiesFor(workload);
      apply({ workloads: [workload] });
      assert.equal(view.policiesFor(workload), answer);
      apply({ policies: [other] });
      assert.notEqual(view.policiesFor(workload), answer);
    });
  });

  describe('a mesh view change', () => {
    const shop = buildPolicy({ name: 'all' });
    const mesh = buildPolicy({ namespace: 'root', name: 'mesh', scope: 'mesh' });
    const one = buildPolicy({ name: 'one', scope: 'workload' });
    const web = buildWorkload({ policies: ['shop/one'] });
    const db = buildWorkload({ name: 'db', addresses: ['10.0.0.2'] });
    const teller = buildWorkload({ namespace: 'bank', addresses: ['10.0.0.3'] });

    const reach: readonly [name: string, update: MeshViewUpdate, expected: readonly boolean[]][] = [
      ['nothing', {}, [false, false, false]],
      ['a service', { services: [buildService()] }, [false, false, false]],
      ['the workload itself', { workloads: [db] }, [false, true, false]],
      ['a policy of the namespace', { policies: [{ ...shop, dryRun: true }] }, [true, true, false]],
      ['the removal of a policy of the namespace', { removedPolicies: [shop.key] }, [true, true, false]],
      ['a policy of the mesh', { policies: [mesh] }, [true, true, true]],
      ['a policy one workload names', { policies: [one] }, [true, false, false]],
      [
        'a policy nobody names',
        { policies: [buildPolicy({ name: 'idle', scope: 'workload' })] },
        [false, false, false],
      ],
      ['a policy that left the namespace', { policies: [{ ...shop, scope: 'workload' }] }, [true, true, false]],
      ['the removal of an unknown policy', { removedPolicies: ['shop/unknown' as PolicyKey] }, [false, false, false]],
    ];
    for (const [name, update, expected] of reach) {
      test(`by ${name} may differ at: ${expected.join(', ')}`, () => {
        const { apply } = createMeshViewStore();
        apply({ workloads: [web, db, teller], policies: [shop] });
        const change = apply(update);
        assert.deepEqual(
          [web, db, teller].map((workload) => change.policiesMayDifferAt(workload)),
          expected,
        );
      });
    }
  });
}
