import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildService } from '../testing/service-builder.ts';
import { buildWorkload } from '../testing/workload-builder.ts';
import { parseIpAddress } from './address.ts';
import { addresseeOf } from './addressee.ts';
import { createMeshViewStore } from './mesh-view-store.ts';
import { preferredService } from './vip-index.ts';

test('who is meant by an address: its service, its workload, then the service of its block', () => {
  const { view, apply } = createMeshViewStore();
  const block = buildService({ name: 'block', addresses: ['10.0.0.0/24'] });
  const exact = buildService({ name: 'exact', addresses: ['10.0.0.1', '10.0.9.0/24'] });
  const [first, second] = [buildWorkload(), buildWorkload({ name: 'second', addresses: ['10.0.0.2', '10.0.9.2'] })];
  apply({ services: [block, exact], workloads: [first, second] });
  const meant = (ip: string): unknown => addresseeOf(view, '', parseIpAddress(ip));
  assert.deepEqual(meant('10.0.0.1'), { kind: 'service', service: exact });
  assert.deepEqual(meant('10.0.0.2'), { kind: 'workload', workload: second });
  assert.deepEqual(meant('10.0.9.2'), { kind: 'workload', workload: second });
  assert.deepEqual(meant('10.0.0.3'), { kind: 'service', service: block });
  assert.deepEqual(meant('10.0.9.3'), { kind: 'service', service: exact });
  assert.equal(meant('10.1.0.1'), undefined);
  assert.equal(addresseeOf(view, 'far', parseIpAddress('10.0.0.1')), undefined);
});

test('of services of one name that of the own namespace is preferred, then a canonical one, of those that may be seen', () => {
  const hostname = 'api.example';
  const of = (namespace: string, more: object = {}): ReturnType<typeof buildService> =>
    buildService({ name: namespace, namespace, hostname, canonical: false, addresses: [], ...more });
  const [a, b, canonical, hidden] = [
    of('a'),
    of('b'),
    of('c', { canonical: true }),
    of('d', { visibility: 'namespace' }),
  ];
  const preferred = (...args: Parameters<typeof preferredService>): string | undefined =>
    preferredService(...args)?.name;
  assert.equal(preferred([b, a, canonical, hidden], 'b'), 'b');
  assert.equal(preferred([b, a, canonical, hidden], 'z'), 'c');
  assert.equal(preferred([b, a, hidden], 'z'), 'a');
  assert.equal(preferred([hidden], 'z'), undefined);
  assert.equal(preferred([hidden], 'd'), 'd');
  assert.equal(preferred([hidden], undefined), 'd');
  assert.equal(preferred([], 'a'), undefined);
});
