import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMeshViewStore } from '@ambit/mesh/model';
import { buildService, buildWorkload } from '@ambit/mesh/testing';
import { isKnownName } from './known-name.ts';

test('isKnownName() finds what a resource can be asked for by', () => {
  const { view, apply } = createMeshViewStore();
  const service = buildService();
  const [vip] = service.addresses;
  const workload = buildWorkload({ name: 'vm', network: 'far', addresses: ['10.0.0.1'] });
  const named = { ...buildWorkload({ name: 'db', addresses: [] }), hostname: 'db.example' };
  apply({ services: [service], workloads: [workload, named] });
  const names = [
    workload.uid,
    'far/10.0.0.1',
    `${vip?.network}/${vip?.ip}`,
    service.key,
    `*/${service.hostname}`,
    `${named.namespace}/db.example`,
  ];
  assert.deepEqual(
    names.filter((name) => !isKnownName(view, name)),
    [],
  );
  const others = ['c//Pod/shop/other', '/10.0.0.1', 'shop/other.example', '*/other.example'];
  assert.deepEqual(
    others.filter((name) => isKnownName(view, name)),
    [],
  );
});
