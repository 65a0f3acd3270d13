import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LoadBalancing, Port, Workload } from '@ambit/mesh/model';
import type { PortSecurity } from '@ambit/mesh/routes';
import {
  buildService,
  buildWorkload,
  createTestCa,
  listen,
  ManualClock,
  until,
  type WorkloadOptions,
} from '@ambit/mesh/testing';
import { openTable } from '../../test/cluster-tables.ts';
import type { Cluster } from './cluster.ts';
import { WORKLOAD_PORTS_MAX } from './workload-clusters.ts';
import { DEFAULT_UPSTREAM_LIMITS } from './limits.ts';

const balancing = (
  mode: LoadBalancing['mode'],
  more: Partial<LoadBalancing> = {},
): { readonly loadBalancing: LoadBalancing } => ({
  loadBalancing: { mode, routingPreference: ['zone', 'node'], healthPolicy: 'only-healthy', ...more },
});
const zone = (name: string): Workload['locality'] => ({ region: 'r', zone: name, subzone: '' });
const endpoint = (name: string, more: WorkloadOptions = {}): Workload =>
  buildWorkload({ name, services: { 'shop/web.shop.svc.cluster.local': ['80:8080'] }, locality: zone('z2'), ...more });

const here = buildWorkload({ name: 'waypoint', locality: zone('z1'), node: 'n1' });
const near = endpoint('near', { locality: zone('z1'), node: 'n1' });
const besides = endpoint('besides', { locality: zone('z1'), node: 'n2' });
const far = endpoint('far');
const all = [near, besides, far];

for (const [name, workloads, service, place, expected] of [
  ['all there are', all, {}, here, ['near', 'besides', 'far']],
  ['not those of another network', [near, endpoint('x', { network: 'n' })], {}, here, ['near']],
  ['not those that are not ready', [near, endpoint('x', { status: 'unhealthy' })], {}, here, ['near']],
  [
    'those that are not ready, where the service says so',
    [endpoint('x', { status: 'unhealthy' })],
    balancing('unspecified', { healthPolicy: 'allow-all' }),
    here,
    ['x'],
  ],
  [
    'not those of no capacity',
    [far, endpoint('x', { capacity: 0, locality: zone('z1') })],
    balancing('failover'),
    here,
    ['far'],
  ],
  ['not those without the port', [near, endpoint('x', { services: {} })], {}, here, ['near']],
  ['the nearest', all, balancing('failover'), here, ['near']],
  ['the nearest of those that are left', [besides, far], balancing('failover'), here, ['besides']],
  ['whoever there is, when none is near', [far], balancing('failover'), here, ['far']],
  ['those that must be here', all, balancing('strict'), here, ['near']],
  ['nobody, when none of those that must be here is', [far], balancing('strict'), here, []],
  ['all, when it is not known what is near', all, balancing('failover'), undefined, ['near', 'besides', 'far']],
  ['nobody, when it is not known who is here', all, balancing('strict'), undefined, []],
] as const) {
  test(`ClusterTable: a service is served by ${name}`, async () => {
    await using opened = openTable({ place: () => place });
    const { table, store } = opened;
    const web = buildService({ ...service, ports: ['80:0'] });
    store.apply({ services: [web], workloads });
    const { endpoints } = table.ofService(store.view, web, 80);
    assert.deepEqual(new Set(endpoints.map((one) => one.workload?.name)), new Set(expected));
  });
}

test('a cluster of one version has the endpoints of that version, and shares their connections with the whole service', async () => {
  await using opened = openTable();
  const { table, store } = opened;
  const service = buildService();
  const services = { [service.key]: ['80:8080'] };
  store.apply({
    services: [service],
    workloads: ['v1', 'v2', 'v2'].map((canonicalRevision, index) =>
      buildWorkload({ name: `web-${index}`, addresses: [`10.0.0.${index + 1}`], canonicalRevision, services }),
    ),
  });
  const addresses = (version: string | null): readonly string[] =>
    table.ofService(store.view, service, 80, version).endpoints.map(({ address }) => address);
  assert.deepEqual(
    [addresses(null), addresses('v1'), addresses('v2'), addresses('v3')],
    [['10.0.0.1:8080', '10.0.0.2:8080', '10.0.0.3:8080'], ['10.0.0.1:8080'], ['10.0.0.2:8080', '10.0.0.3:8080'], []],
  );
  assert.equal(table.ofService(store.view, service, 80, 'v1').name, 'shop/web:80@v1');
  assert.equal([...table.endpoints].length, 3);
});

test('ports of workloads, which callers choose, are forgotten when there are many, but for those in use', async () => {
  await using opened = openTable();
  const { table, store } = opened;
  const workload = buildWorkload({ addresses: ['127.0.0.1'], tunnelProtocol: 'none' });
  const of = (port: number): Cluster => table.ofWorkload(store.view, workload, port as Port);
  const used = of(1);
  let heard = false;
  const waiter = { onConnection: () => {}, onNoConnection: () => {}, onPoolClosed: () => void (heard = true) };
  assert.equal(used.endpoints[0]?.pool.acquire(waiter), 'waiting');
  const idle = of(2);
  for (let port = 3; port <= WORKLOAD_PORTS_MAX + 1; port += 1) of(port);
  assert.equal([...table.endpoints].length, WORKLOAD_PORTS_MAX);
  assert.equal(of(1), used);
  assert.notEqual(of(2), idle);
  table.close();
  assert.equal(heard, true);
});

test('a connection of bytes is given up when its server accepts it and is silent in the TLS handshake', async () => {
  const clock = new ManualClock();
  await using silent = await listen(() => {});
  const roots = { kind: 'pem', pem: createTestCa().rootPem } as const;
  const security: PortSecurity = { kind: 'tls', serverName: 'web.example', roots, altNames: [] };
  await using opened = openTable({ clock, securityOf: () => security });
  const { table, store } = opened;
  const service = buildService();
  const services = { [service.key]: [`80:${silent.port}`] };
  store.apply({
    services: [service],
    workloads: [buildWorkload({ addresses: ['127.0.0.1'], tunnelProtocol: 'none', services })],
  });
  const [endpoint] = table.ofService(store.view, service, 80).endpoints;
  const opening = endpoint?.open(new AbortController().signal);
  const refused = assert.rejects(opening ?? assert.fail('no endpoint'), { code: 'aborted' });
  await until('the server accepts', () => silent.connectionCount === 1);
  await clock.advance(DEFAULT_UPSTREAM_LIMITS.connectTimeoutMs);
  await refused;
  assert.equal(endpoint?.avoided, true);
});
