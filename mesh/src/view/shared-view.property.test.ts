import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseIpAddress } from '../model/address.ts';
import { createMeshViewStore } from '../model/mesh-view-store.ts';
import type { MeshView, MeshViewUpdate } from '../model/mesh-view.ts';
import { parseServiceKey, type Service } from '../model/service.ts';
import type { Workload } from '../model/workload.ts';
import { anyService, anyWorkload } from '../testing/model-arbitraries.ts';
import { buildPolicy } from '../testing/policy-builder.ts';
import { buildService } from '../testing/service-builder.ts';
import { createSharedStore } from '../testing/shared-store.ts';
import { buildWorkload } from '../testing/workload-builder.ts';
import { SharedViewReader } from './shared-view-reader.ts';
import { SharedViewWriter } from './shared-view-writer.ts';
import type { ViewPublication } from './shared-view.ts';

const NAMES = ['a', 'b', 'c', 'd'];
const NETWORKS = ['', 'east'];
const ADDRESSES = ['10.0.0.1', '10.0.0.2', '10.0.0.3', 'fd00::1', '10.96.0.1', '10.96.1.1', '11.0.0.1'];
const VIPS = ['10.96.0.1', 'east/10.96.0.1', '10.96.0.0/16', '10.0.0.0/8', 'east/0.0.0.0/0', 'fd00::/16'];
const SERVICES = NAMES.map((name) => buildService({ name }).key);

const name = fc.constantFrom(...NAMES);
const workload: fc.Arbitrary<Workload> = fc
  .record({
    name,
    network: fc.constantFrom(...NETWORKS),
    networkMode: fc.constantFrom('standard' as const, 'standard' as const, 'host-network' as const),
    // Claimed by several at times.
    addresses: fc.array(fc.constantFrom(...ADDRESSES.slice(0, 4)), { maxLength: 3 }),
    services: fc.subarray([...SERVICES]).map((keys) => Object.fromEntries(keys.map((key) => [key, ['80']]))),
    policies: fc.subarray(NAMES.map((n) => `shop/${n}`)),
    hostname: fc.constantFrom('', '', 'x.example', 'y.example'),
    status: fc.constantFrom('healthy' as const, 'unhealthy' as const),
    node: fc.constantFrom('node-1', 'node-2'),
  })
  .map(buildWorkload);
const service: fc.Arbitrary<Service> = fc
  .record({
    name,
    addresses: fc.array(fc.constantFrom(...VIPS), { maxLength: 4 }),
    canonical: fc.boolean(),
    visibility: fc.constantFrom('public' as const, 'namespace' as const),
  })
  .map(buildService);
const update: fc.Arbitrary<MeshViewUpdate> = fc.record({
  // A pushed update names nothing twice.
  workloads: fc.uniqueArray(workload, { maxLength: 4, selector: ({ uid }) => uid }),
  services: fc.uniqueArray(service, { maxLength: 3, selector: ({ key }) => key }),
  policies: fc.array(
    name.map((n) => buildPolicy({ name: n })),
    { maxLength: 2 },
  ),
  removedWorkloads: fc.subarray(NAMES).map((names) => names.map((n) => buildWorkload({ name: n }).uid)),
  removedServices: fc.subarray([...SERVICES]),
  removedPolicies: fc.subarray(NAMES).map((names) => names.map((n) => buildPolicy({ name: n }).key)),
});

/** A reader and what it has not adopted yet. */
interface Late {
  readonly view: SharedViewReader;
  readonly waiting: ViewPublication[];
}

test('readers that are late each see the view of objects as it was at their epoch, whatever is written meanwhile', () => {
  const step = fc.tuple(update, fc.array(fc.nat(2), { maxLength: 4 }));
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 25 }), (steps) => {
      const objects = createMeshViewStore();
      const writer = new SharedViewWriter(7);
      const readers: readonly Late[] = NAMES.slice(0, 3).map(() => ({ view: new SharedViewReader(), waiting: [] }));
      const expected = [lookups(objects.view)];
      for (const [one, advances] of steps) {
        objects.apply(one);
        expected.push(lookups(objects.view));
        const publication = writer.apply(one);
        for (const reader of readers) reader.waiting.push(publication);
        for (const index of advances) advance(readers[index]);
        writer.acknowledge(Math.min(...readers.map(({ view }) => view.epoch)));
        for (const { view } of readers) assert.deepEqual(lookups(view), expected[view.epoch]);
      }
    }),
    { seed: 20261126, numRuns: 150 },
  );
});

test('memory is used again: a mesh that changes for long takes no more than at first', () => {
  const writer = new SharedViewWriter(3);
  const reader = new SharedViewReader();
  const sizes: number[] = [];
  for (let round = 0; round < 300; round++) {
    const workloads = Array.from({ length: 20 }, (_, index) =>
      buildWorkload({
        name: `pod-${(round + index) % 40}`,
        addresses: [`10.0.${round % 7}.${index}`],
        services: { [SERVICES[round % 4] ?? '']: ['80'] },
        canonicalRevision: `v${round % 5}`,
      }),
    );
    const removedWorkloads = [buildWorkload({ name: `pod-${(round + 30) % 40}` }).uid];
    reader.adopt(writer.apply({ workloads, removedWorkloads }));
    writer.acknowledge(reader.epoch);
    sizes.push(writer.recordBytes);
  }
  assert.ok(Math.max(...sizes.slice(150)) <= Math.max(...sizes.slice(0, 150)), 'no growth');
  const removedWorkloads = Array.from({ length: 40 }, (_, index) => buildWorkload({ name: `pod-${index}` }).uid);
  for (const one of [{ removedWorkloads }, {}, {}, {}]) {
    reader.adopt(writer.apply(one));
    writer.acknowledge(reader.epoch);
  }
  assert.equal(writer.recordBytes, 0);
});

test('any workload and service comes out as it went in', () => {
  fc.assert(
    fc.property(fc.array(anyWorkload, { maxLength: 3 }), anyService, (workloads, one) => {
      const { view, apply } = createSharedStore();
      apply({ workloads, services: [one] });
      for (const each of new Map(workloads.map((w) => [w.uid, w])).values()) {
        assert.deepEqual(view.workload(each.uid), each);
      }
      assert.deepEqual(view.service(one.key), one);
      assert.deepEqual([...view.services()], [one]);
    }),
    { seed: 20261126, numRuns: 500 },
  );
});

function advance(reader: Late | undefined): void {
  const next = reader?.waiting.shift();
  if (next !== undefined) reader?.view.adopt(next);
}

function lookups(view: MeshView): unknown {
  const addresses = ADDRESSES.map(parseIpAddress);
  const by = (a: { readonly name: string }, b: { readonly name: string }): number => a.name.localeCompare(b.name);
  return {
    byUid: NAMES.map((n) => view.workload(buildWorkload({ name: n }).uid)),
    byAddress: NETWORKS.flatMap((network) => addresses.map((ip) => view.workloadByAddress(network, ip))),
    byName: ['x.example', 'y.example', ''].map((hostname) => view.workloadByHostname({ namespace: 'shop', hostname })),
    byKey: SERVICES.map((key) => view.service(key)),
    byVip: NETWORKS.flatMap((network) =>
      addresses.flatMap((ip) =>
        [undefined, 'shop', 'bank'].map((client) => view.serviceByAddress(network, ip, client)),
      ),
    ),
    byHostname: NAMES.map((n) => view.servicesByHostname(`${n}.shop.svc.cluster.local`)),
    endpoints: SERVICES.map((key) => [...view.endpoints(parseServiceKey(key))]),
    all: [[...view.workloads()].sort(by), [...view.services()].sort(by), [...view.policies()].sort(by)],
    policies: [...view.workloads()].sort(by).map((one) => view.policiesFor(one).missing),
  };
}
