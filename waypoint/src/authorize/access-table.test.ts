import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMeshViewStore, type Workload } from '@ambit/mesh/model';
import { servicePolicySet, workloadPolicySet } from '@ambit/mesh/policies';
import { buildService, buildWorkload } from '@ambit/mesh/testing';
import { AccessTable, AUTHORIZERS_MAX } from './access-table.ts';

const service = buildService({});
const endpoint = (name: string, targetPort: number): Workload =>
  buildWorkload({ name, services: { [service.key]: [`80:${targetPort}`] } });

test('AccessTable keeps what it says of a service until policies or endpoints change', () => {
  const store = createMeshViewStore();
  const table = new AccessTable();
  store.apply({ workloads: [endpoint('a', 8080)], services: [service] });
  const first = table.ofService(store.view, service, 80);
  assert.equal(table.ofService(store.view, service, 80), first);
  assert.notEqual(table.ofService(store.view, service, 81), first);

  store.apply({ workloads: [endpoint('b', 9090)], services: [] });
  table.forgetDestinations();
  const second = table.ofService(store.view, service, 80);
  assert.notEqual(second, first);

  table.apply({ put: [{ name: servicePolicySet(service.key), includes: [], policies: [] }], removed: [] });
  assert.notEqual(table.ofService(store.view, service, 80), second);
});

test('AccessTable keeps what it says of a workload until policies change, or callers have asked for many ports', () => {
  const table = new AccessTable();
  const workload = endpoint('a', 8080);
  const first = table.ofWorkload(workload, 1);
  assert.equal(table.ofWorkload(workload, 1), first);
  assert.notEqual(table.ofWorkload(endpoint('b', 8080), 1), first);

  table.forgetDestinations();
  assert.equal(table.ofWorkload(endpoint('a', 9090), 1), first, 'the policies are the same');
  table.apply({ put: [{ name: workloadPolicySet(workload.uid), includes: [], policies: [] }], removed: [] });
  const second = table.ofWorkload(workload, 1);
  assert.notEqual(second, first);

  for (let port = 2; port <= AUTHORIZERS_MAX + 1; port += 1) table.ofWorkload(workload, port);
  assert.notEqual(table.ofWorkload(workload, 1), second);
});
