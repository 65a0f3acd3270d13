import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Port, Workload } from '@ambit/mesh/model';
import type { PortSecurity } from '@ambit/mesh/routes';
import { buildService, buildWorkload, createTestCa } from '@ambit/mesh/testing';
import { openTable } from '../../test/cluster-tables.ts';
import type { Cluster, Endpoint } from './cluster.ts';
import { PooledEndpoint } from './cluster-table.ts';

const SERVICE = buildService({ ports: ['80:0'] });

function workload(index: number, capacity = 1): Workload {
  return buildWorkload({
    name: `web-${index}`,
    addresses: [`127.1.${index >> 8}.${index & 255}`],
    tunnelProtocol: 'none',
    services: { [SERVICE.key]: ['80:1'] },
    capacity,
  });
}

function openService(securityOf: () => PortSecurity | null = () => null) {
  const opened = openTable({ securityOf });
  const { table, store } = opened;
  store.apply({ services: [SERVICE] });
  return {
    ...{ table, store },
    of: (): Cluster => table.ofService(store.view, SERVICE, 80),
    change(workloads: readonly Workload[]): void {
      store.apply({ workloads });
      table.forgetClusters();
      table.prune(store.view);
    },
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}

/** Waits at an endpoint, and when that is closed for one that its cluster picks. */
class Waiter {
  closedCount = 0;
  endpoint: Endpoint | undefined;
  readonly #cluster: Cluster;

  constructor(cluster: Cluster, endpoint: Endpoint | undefined) {
    this.#cluster = cluster;
    this.#wait(endpoint);
  }

  onConnection(): void {
    assert.fail('nobody listens');
  }

  onNoConnection(): void {
    // Nobody listens.
  }

  onPoolClosed(): void {
    this.closedCount += 1;
    this.#wait(this.#cluster.pick());
  }

  #wait(endpoint: Endpoint | undefined): void {
    this.endpoint = endpoint;
    if (endpoint !== undefined) assert.equal(endpoint.pool.acquire(this), 'waiting');
  }
}

test('who waits for one of many endpoints that are replaced at once is told once, and waits at one of now', async () => {
  const count = 1000;
  await using opened = openService();
  opened.change(Array.from({ length: count }, (_, index) => workload(index)));
  const cluster = opened.of();
  const waiters = cluster.endpoints.map((endpoint) => new Waiter(cluster, endpoint));
  opened.change(Array.from({ length: count }, (_, index) => workload(index, 2)));
  assert.deepEqual(new Set(waiters.map(({ closedCount }) => closedCount)), new Set([1]));
  const now = new Set(opened.of().endpoints);
  assert.equal(now.size, count);
  for (const { endpoint } of waiters) assert.ok(endpoint !== undefined && now.has(endpoint) && !endpoint.isClosed);
  let load = 0;
  for (const endpoint of opened.table.endpoints) load += endpoint.load;
  assert.equal(load, count);
});

test('a table that is closed has no endpoint for who waited, not even one that it has never been asked for', async () => {
  await using opened = openService();
  opened.change([workload(0)]);
  const cluster = opened.of();
  const waiter = new Waiter(cluster, cluster.endpoints[0]);
  opened.change([workload(1)]);
  opened.table.close();
  assert.equal(waiter.closedCount, 1);
  assert.equal(waiter.endpoint, undefined);
  assert.equal(cluster.pick(), undefined);
  assert.ok(opened.of().endpoints.every(({ isClosed }) => isClosed));
});

test('the port of a workload that is gone has one endpoint until the view changes, however often it is asked for', async () => {
  await using opened = openService();
  const { table, store } = opened;
  const one = workload(0);
  opened.change([one]);
  const of = (): Cluster => table.ofWorkload(store.view, one, 1 as Port);
  const cluster = of();
  const waiter = new Waiter(cluster, cluster.endpoints[0]);
  store.apply({ removedWorkloads: [one.uid] });
  opened.change([]);
  assert.deepEqual([waiter.closedCount, waiter.endpoint], [1, undefined]);
  const again = of();
  assert.notEqual(again, cluster);
  assert.equal(of(), again);
  assert.equal([...table.endpoints].length, 1);
  opened.change([]);
  assert.equal([...table.endpoints].length, 0);
});

test('who waits for a connection that is to be secured in another way waits for one that is, the endpoint of a session too', async () => {
  const tls = (serverName: string): PortSecurity => ({
    ...{ kind: 'tls', serverName, altNames: [] },
    roots: { kind: 'pem', pem: createTestCa().rootPem },
  });
  const securities = [null, tls('one.example'), tls('two.example')] as const;
  let security: PortSecurity | null = securities[0];
  await using opened = openService(() => security);
  opened.change([workload(0)]);
  const cluster = opened.of();
  const waiter = new Waiter(cluster, cluster.endpoints[0]);
  const securityOf = (endpoint: Endpoint | undefined): unknown =>
    endpoint instanceof PooledEndpoint ? endpoint.secured?.security : assert.fail('no endpoint');
  for (const next of securities.slice(1)) {
    const before = waiter.endpoint ?? assert.fail('no endpoint');
    security = next;
    opened.table.resecure(new Set([SERVICE.key]));
    assert.equal(securityOf(waiter.endpoint), next);
    assert.equal(securityOf(cluster.successorOf(before)), next);
  }
  assert.equal(waiter.closedCount, 2);
  // The workload changes as well: what is found for a session is not what there was.
  const before = waiter.endpoint ?? assert.fail('no endpoint');
  opened.change([workload(0, 2)]);
  assert.equal(cluster.successorOf(before), waiter.endpoint);
  assert.equal(securityOf(waiter.endpoint), securities[2]);
  assert.equal([...opened.table.endpoints].length, 1);
});
