import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMeshViewStore, type Workload } from '@ambit/mesh/model';
import { servicePolicySet } from '@ambit/mesh/policies';
import { buildService, buildWorkload } from '@ambit/mesh/testing';
import { AccessTable } from './access-table.ts';

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
  table.forgetServices();
  const second = table.ofService(store.view, service, 80);
  assert.notEqual(second, first);

  table.apply({ put: [{ name: servicePolicySet(service.key), includes: [], policies: [] }], removed: [] });
  assert.notEqual(table.ofService(store.view, service, 80), second);
});
