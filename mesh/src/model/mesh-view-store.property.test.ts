import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { buildPolicy } from '../testing/policy-builder.ts';
import { buildService } from '../testing/service-builder.ts';
import { buildWorkload } from '../testing/workload-builder.ts';
import type { AccessPolicy } from './access-policy.ts';
import { parseIpAddress } from './address.ts';
import type { MeshViewUpdate } from './mesh-view.ts';
import { createMeshViewStore } from './mesh-view-store.ts';
import type { Service } from './service.ts';
import type { Workload } from './workload.ts';

const NAMES = ['a', 'b', 'c'];
const SERVICE_KEYS = NAMES.map((name) => `shop/${name}.shop.svc.cluster.local`);
const VIPS = ['10.96.0.1', '10.96.0.2', '10.96.0.0/16', '10.0.0.0/8', '0.0.0.0/0'];

const name = fc.constantFrom(...NAMES);
const workload: fc.Arbitrary<Workload> = fc
  .record({
    name,
    network: fc.constantFrom('', 'east'),
    networkMode: fc.constantFrom('standard' as const, 'standard' as const, 'host-network' as const),
    // One address per name, so that claims never clash: their order is the table tests' affair.
    addresses: fc.constant([]),
    services: fc.subarray(SERVICE_KEYS).map((keys) => Object.fromEntries(keys.map((key) => [key, ['80']]))),
    policies: fc.subarray(NAMES.map((n) => `shop/${n}`)),
  })
  .map((options) => buildWorkload({ ...options, addresses: [`10.0.0.${NAMES.indexOf(options.name) + 1}`] }));
const service: fc.Arbitrary<Service> = fc
  .record({ name, addresses: fc.subarray(VIPS), canonical: fc.boolean() })
  .map(buildService);
const policy: fc.Arbitrary<AccessPolicy> = fc
  .record({ name, scope: fc.constantFrom('mesh' as const, 'namespace' as const, 'workload' as const) })
  .map(buildPolicy);
const update: fc.Arbitrary<MeshViewUpdate> = fc.record({
  workloads: fc.array(workload, { maxLength: 3 }),
  services: fc.array(service, { maxLength: 3 }),
  policies: fc.array(policy, { maxLength: 3 }),
  removedWorkloads: fc.subarray(NAMES).map((names) => names.map((n) => buildWorkload({ name: n }).uid)),
  removedServices: fc.subarray(NAMES).map((names) => names.map((n) => buildService({ name: n }).key)),
  removedPolicies: fc.subarray(NAMES).map((names) => names.map((n) => buildPolicy({ name: n }).key)),
});

test('after any updates every lookup agrees with a view filled at once with what is left', () => {
  fc.assert(
    fc.property(fc.array(update, { maxLength: 12 }), (updates) => {
      const grown = createMeshViewStore();
      const workloads = new Map<string, Workload>();
      const services = new Map<string, Service>();
      const policies = new Map<string, AccessPolicy>();
      for (const step of updates) {
        grown.apply(step);
        for (const uid of step.removedWorkloads ?? []) workloads.delete(uid);
        for (const key of step.removedServices ?? []) services.delete(key);
        for (const key of step.removedPolicies ?? []) policies.delete(key);
        for (const value of step.workloads ?? []) workloads.set(value.uid, value);
        for (const value of step.services ?? []) services.set(value.key, value);
        for (const value of step.policies ?? []) policies.set(value.key, value);
      }
      const fresh = createMeshViewStore();
      fresh.apply({
        workloads: [...workloads.values()],
        services: [...services.values()],
        policies: [...policies.values()],
      });
      assert.deepEqual(lookups(grown.view), lookups(fresh.view));
      grown.apply({
        removedWorkloads: [...workloads.values()].map(({ uid }) => uid),
        removedServices: [...services.values()].map(({ key }) => key),
        removedPolicies: [...policies.values()].map(({ key }) => key),
      });
      assert.deepEqual(lookups(grown.view), lookups(createMeshViewStore().view));
    }),
    { seed: 20261121, numRuns: 300 },
  );
});

function lookups(view: ReturnType<typeof createMeshViewStore>['view']): unknown {
  const byName = (a: { name: string }, b: { name: string }): number => a.name.localeCompare(b.name);
  const addresses = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.96.0.1', '10.96.0.2', '10.96.1.1', '11.0.0.1'].map(
    parseIpAddress,
  );
  return {
    byUid: NAMES.map((n) => view.workload(buildWorkload({ name: n }).uid)),
    byAddress: ['', 'east'].flatMap((network) => addresses.map((ip) => view.workloadByAddress(network, ip))),
    byVip: addresses.map((ip) => view.serviceByAddress('', ip)),
    byHostname: NAMES.map((n) => view.servicesByHostname(`${n}.shop.svc.cluster.local`)),
    endpoints: SERVICE_KEYS.map((key) => [...view.endpoints(buildService({ name: key.slice(5, 6) }).key)].sort(byName)),
    policies: [...view.workloads()].sort(byName).map((w) => {
      const { policies, missing } = view.policiesFor(w);
      return [policies.toSorted(byName), missing];
    }),
  };
}
