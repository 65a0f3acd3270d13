import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Store, STORES } from '../testing/mesh-view-stores.ts';
import { buildPolicy } from '../testing/policy-builder.ts';
import { buildService } from '../testing/service-builder.ts';
import { buildWorkload } from '../testing/workload-builder.ts';
import { parseIpAddress } from './address.ts';
import { type ServiceKey } from './service.ts';
import type { WorkloadUid } from './workload.ts';

const ip = parseIpAddress;
const WEB = 'shop/web.shop.svc.cluster.local' as ServiceKey;
const DB = 'shop/db.shop.svc.cluster.local' as ServiceKey;

for (const [kind, open] of STORES) {
  describe(kind, () => keepsItsPromises(open));
}

function keepsItsPromises(createMeshViewStore: () => Store): void {
  describe('a mesh view', () => {
    test('is empty at first', () => {
      const { view } = createMeshViewStore();
      assert.equal(view.epoch, 0);
      assert.deepEqual(view.workload('x' as WorkloadUid), undefined);
      assert.deepEqual(view.workloadByAddress('', ip('10.0.0.1')), undefined);
      assert.deepEqual(view.service(WEB), undefined);
      assert.deepEqual(view.serviceByAddress('', ip('10.96.0.1')), undefined);
      assert.deepEqual(view.servicesByHostname('web'), []);
      assert.deepEqual([...view.endpoints(WEB)], []);
      assert.deepEqual(view.policiesFor(buildWorkload()), { policies: [], missing: [] });
      assert.deepEqual([...view.workloads(), ...view.services(), ...view.policies()], []);
    });

    test('counts its updates, also one without content', () => {
      const { view, apply } = createMeshViewStore();
      assert.equal(apply({}).epoch, 1);
      assert.equal(apply({ workloads: [buildWorkload()] }).epoch, 2);
      assert.equal(view.epoch, 2);
    });

    test('lists everything it holds', () => {
      const { view, apply } = createMeshViewStore();
      const [workload, service, policy] = [buildWorkload(), buildService(), buildPolicy()];
      apply({ workloads: [workload], services: [service], policies: [policy] });
      assert.deepEqual(
        [[...view.workloads()], [...view.services()], [...view.policies()]],
        [[workload], [service], [policy]],
      );
    });
  });

  describe('workloads of a mesh view', () => {
    test('are found by uid and by each of their addresses in their network', () => {
      const { view, apply } = createMeshViewStore();
      const web = buildWorkload({ network: 'east', addresses: ['10.0.0.1', 'fd00::1'] });
      apply({ workloads: [web] });
      assert.deepEqual(view.workload(web.uid), web);
      assert.deepEqual(view.workloadByAddress('east', ip('10.0.0.1')), web);
      assert.deepEqual(view.workloadByAddress('east', ip('fd00::1')), web);
      assert.deepEqual(view.workloadByAddress('', ip('10.0.0.1')), undefined);
      assert.deepEqual(view.workloadByAddress('east', ip('10.0.0.2')), undefined);
    });

    test('that have a name are found by it in their namespace, until they have another one', () => {
      const { view, apply } = createMeshViewStore();
      const name = (
        hostname: string,
        namespace = 'shop',
      ): { readonly namespace: string; readonly hostname: string } => ({
        namespace,
        hostname,
      });
      const db = buildWorkload({ name: 'db', addresses: [], hostname: 'db.example' });
      apply({ workloads: [db, buildWorkload()] });
      assert.deepEqual(view.workloadByHostname(name('db.example')), db);
      assert.deepEqual(view.workloadByHostname(name('db.example', 'other')), undefined);
      assert.deepEqual(view.workloadByHostname(name('')), undefined);
      const renamed = { ...db, hostname: 'db2.example' };
      const second = buildWorkload({ name: 'second', addresses: [], hostname: 'db2.example' });
      apply({ workloads: [renamed, second] });
      assert.deepEqual(view.workloadByHostname(name('db.example')), undefined);
      assert.deepEqual(view.workloadByHostname(name('db2.example')), renamed);
      apply({ removedWorkloads: [db.uid] });
      assert.deepEqual(view.workloadByHostname(name('db2.example')), second);
      apply({ removedWorkloads: [second.uid] });
      assert.deepEqual(view.workloadByHostname(name('db2.example')), undefined);
    });

    test('of the host network are not found by address', () => {
      const { view, apply } = createMeshViewStore();
      const host = buildWorkload({ networkMode: 'host-network' });
      apply({ workloads: [host] });
      assert.deepEqual(view.workload(host.uid), host);
      assert.deepEqual(view.workloadByAddress('', ip('10.0.0.1')), undefined);
      apply({ removedWorkloads: [host.uid] });
      assert.deepEqual(view.workload(host.uid), undefined);
    });

    test('that moved are found at their new address alone', () => {
      const { view, apply } = createMeshViewStore();
      apply({ workloads: [buildWorkload({ addresses: ['10.0.0.1', '10.0.0.2'] })] });
      const moved = buildWorkload({ addresses: ['10.0.0.2', '10.0.0.3'] });
      apply({ workloads: [moved] });
      const found = ['10.0.0.1', '10.0.0.2', '10.0.0.3'].map((text) => view.workloadByAddress('', ip(text)));
      assert.deepEqual(found, [undefined, moved, moved]);
    });

    test('that changed network or went to the host network are not found where they were', () => {
      const { view, apply } = createMeshViewStore();
      apply({ workloads: [buildWorkload()] });
      const east = buildWorkload({ network: 'east' });
      apply({ workloads: [east] });
      assert.deepEqual(view.workloadByAddress('', ip('10.0.0.1')), undefined);
      assert.deepEqual(view.workloadByAddress('east', ip('10.0.0.1')), east);
      apply({ workloads: [buildWorkload({ network: 'east', networkMode: 'host-network' })] });
      assert.deepEqual(view.workloadByAddress('east', ip('10.0.0.1')), undefined);
    });

    test('that claim one address: the latest counts, until it goes', () => {
      const { view, apply } = createMeshViewStore();
      const first = buildWorkload({ name: 'first' });
      const second = buildWorkload({ name: 'second' });
      apply({ workloads: [first] });
      apply({ workloads: [second] });
      assert.deepEqual(view.workloadByAddress('', ip('10.0.0.1')), second);
      const firstAgain = buildWorkload({ name: 'first', status: 'unhealthy' });
      apply({ workloads: [firstAgain] });
      assert.deepEqual(view.workloadByAddress('', ip('10.0.0.1')), second, 'a repeated claim is not a new one');
      apply({ removedWorkloads: [second.uid] });
      assert.deepEqual(view.workloadByAddress('', ip('10.0.0.1')), firstAgain);
      apply({ removedWorkloads: [first.uid] });
      assert.deepEqual(view.workloadByAddress('', ip('10.0.0.1')), undefined);
    });

    test('whose earlier claim goes leave the later one in place', () => {
      const { view, apply } = createMeshViewStore();
      const [first, second] = [buildWorkload({ name: 'first' }), buildWorkload({ name: 'second' })];
      apply({ workloads: [first, second] });
      apply({ removedWorkloads: [first.uid] });
      assert.deepEqual(view.workloadByAddress('', ip('10.0.0.1')), second);
    });

    test('removed and added in one update are there: removals come first', () => {
      const { view, apply } = createMeshViewStore();
      const web = buildWorkload();
      apply({ workloads: [web] });
      apply({ workloads: [web], removedWorkloads: [web.uid] });
      assert.deepEqual(view.workloadByAddress('', ip('10.0.0.1')), web);
    });
  });

  describe('services of a mesh view', () => {
    test('are found by key, hostname and VIP', () => {
      const { view, apply } = createMeshViewStore();
      const web = buildService({ addresses: ['10.96.0.1', 'east/10.96.0.9'] });
      apply({ services: [web] });
      assert.deepEqual(view.service(WEB), web);
      assert.deepEqual(view.servicesByHostname('web.shop.svc.cluster.local'), [web]);
      assert.deepEqual(view.serviceByAddress('', ip('10.96.0.1')), web);
      assert.deepEqual(view.serviceByAddress('east', ip('10.96.0.9')), web);
      assert.deepEqual(view.serviceByAddress('east', ip('10.96.0.1')), undefined);
    });

    test('of one hostname in several namespaces are all found', () => {
      const { view, apply } = createMeshViewStore();
      const [a, b] = [
        buildService({ namespace: 'a', hostname: 'x.example' }),
        buildService({ namespace: 'b', hostname: 'x.example' }),
      ];
      apply({ services: [a, b] });
      assert.deepEqual(view.servicesByHostname('x.example'), [a, b]);
      apply({ removedServices: [a.key] });
      assert.deepEqual(view.servicesByHostname('x.example'), [b]);
    });

    test('that changed are found by what they are now alone', () => {
      const { view, apply } = createMeshViewStore();
      apply({ services: [buildService({ addresses: ['10.96.0.1', '10.96.0.2', '172.16.0.0/12'] })] });
      const web = buildService({ addresses: ['10.96.0.2', '10.96.0.3'] });
      apply({ services: [web] });
      const found = ['10.96.0.1', '10.96.0.2', '10.96.0.3', '172.16.0.1'].map((text) =>
        view.serviceByAddress('', ip(text)),
      );
      assert.deepEqual(found, [undefined, web, web, undefined]);
      const renamed = { ...web, hostname: 'renamed.example' };
      apply({ services: [renamed] });
      assert.deepEqual(view.servicesByHostname(web.hostname), []);
      assert.deepEqual(view.servicesByHostname('renamed.example'), [renamed]);
    });

    test('removed are found no more; removing the unknown is nothing', () => {
      const { view, apply } = createMeshViewStore();
      apply({ services: [buildService({ addresses: ['10.96.0.1', '10.96.0.1', '172.16.0.0/12', '172.16.0.0/12'] })] });
      apply({ removedServices: [WEB, DB] });
      assert.deepEqual(view.service(WEB), undefined);
      assert.deepEqual(view.serviceByAddress('', ip('10.96.0.1')), undefined);
      assert.deepEqual(view.serviceByAddress('', ip('172.16.0.1')), undefined);
      assert.deepEqual(view.servicesByHostname('web.shop.svc.cluster.local'), []);
    });
  });

  describe('serviceByAddress()', () => {
    const services = [
      buildService({ namespace: 'a', name: 'exact', addresses: ['10.0.0.5'], canonical: false }),
      buildService({ namespace: 'b', name: 'wide', addresses: ['10.0.0.0/8', 'fd00::/16'] }),
      buildService({ namespace: 'a', name: 'narrow', addresses: ['10.0.0.0/24'] }),
      buildService({ namespace: 'b', name: 'plain', addresses: ['192.168.0.0/16', '10.7.0.1'], canonical: false }),
      buildService({ namespace: 'c', name: 'canonical', addresses: ['192.168.0.0/16', '10.7.0.1'] }),
      buildService({ namespace: 'a', name: 'twin', addresses: ['10.8.0.1'] }),
      buildService({ namespace: 'b', name: 'twin', addresses: ['10.8.0.1'] }),
      buildService({
        namespace: 'a',
        name: 'private',
        addresses: ['10.9.0.1', '172.16.0.0/16'],
        visibility: 'namespace',
      }),
      buildService({ namespace: 'b', name: 'public', addresses: ['172.16.0.0/12'] }),
      buildService({ namespace: 'b', name: 'all6', addresses: ['fd00:1::/32'] }),
    ];
    const table: readonly [address: string, client: string | undefined, expected: string | undefined, why: string][] = [
      ['10.0.0.5', undefined, 'a/exact', 'an exact VIP comes before blocks'],
      ['10.0.0.5', 'b', 'a/exact', "an exact VIP comes before a block of the client's namespace"],
      ['10.0.0.6', undefined, 'a/narrow', 'the longest prefix wins'],
      ['10.0.0.6', 'c', 'a/narrow', 'the longest prefix wins for a stranger'],
      ['10.0.0.6', 'b', 'b/wide', "a block of the client's namespace wins over a longer one"],
      ['10.0.1.6', 'a', 'b/wide', 'the shorter block is found where the longer ends'],
      ['192.168.1.1', undefined, 'c/canonical', 'of equal blocks the canonical one'],
      ['192.168.1.1', 'b', 'b/plain', "of equal blocks the client's own before the canonical one"],
      ['10.7.0.1', undefined, 'c/canonical', 'of equal VIPs the canonical one'],
      ['10.7.0.1', 'b', 'b/plain', "of equal VIPs the client's own before the canonical one"],
      ['10.8.0.1', undefined, 'a/twin', 'of equals the least key'],
      ['10.8.0.1', 'b', 'b/twin', "of equals the client's own"],
      ['10.9.0.1', undefined, 'a/private', 'without a client everything is visible'],
      ['10.9.0.1', 'a', 'a/private', 'a private VIP is visible in its namespace'],
      ['10.9.0.1', 'b', 'b/wide', 'a private VIP is not visible elsewhere'],
      ['172.16.0.1', 'a', 'a/private', 'a private block is visible in its namespace'],
      ['172.16.0.1', 'b', 'b/public', 'a private block is not visible elsewhere'],
      ['fd00:2::1', undefined, 'b/wide', 'IPv6 blocks are found'],
      ['fd00:1::1', undefined, 'b/all6', 'the longest IPv6 prefix wins'],
      ['11.0.0.1', undefined, undefined, 'nothing is found outside all blocks'],
      ['fe80::1', undefined, undefined, 'nothing is found outside all IPv6 blocks'],
    ];
    for (const order of ['in order', 'reversed'] as const) {
      const { view, apply } = createMeshViewStore();
      apply({ services: order === 'in order' ? services : services.toReversed() });
      for (const [address, client, expected, why] of table) {
        test(`${address} for ${client ?? 'anybody'}: ${why} (added ${order})`, () => {
          const found = view.serviceByAddress('', ip(address), client);
          assert.equal(found === undefined ? undefined : `${found.namespace}/${found.name}`, expected);
        });
      }
    }
  });

  describe('endpoints of a mesh view', () => {
    const ports = ['80:8080'];
    test('follow what workloads back, also before the service is known', () => {
      const { view, apply } = createMeshViewStore();
      const one = buildWorkload({ name: 'one', services: { [WEB]: ports, [DB]: ports } });
      const two = buildWorkload({ name: 'two', services: { [WEB]: ports } });
      apply({ workloads: [one, two] });
      assert.deepEqual([...view.endpoints(WEB)], [one, two]);
      assert.deepEqual([...view.endpoints(DB)], [one]);

      const oneLess = buildWorkload({ name: 'one', services: { [WEB]: ports } });
      apply({ workloads: [oneLess] });
      assert.deepEqual([...view.endpoints(WEB)], [oneLess, two]);
      assert.deepEqual([...view.endpoints(DB)], []);

      apply({ removedWorkloads: [one.uid] });
      assert.deepEqual([...view.endpoints(WEB)], [two]);
      apply({ removedWorkloads: [two.uid] });
      assert.deepEqual([...view.endpoints(WEB)], []);
    });
  });
}
