import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cluster, type Endpoint } from './cluster.ts';
import { openSomewhere } from './open-somewhere.ts';

const service = { namespace: 'shop', name: 'db', hostname: 'db.shop' };

/** Endpoints that refuse or do not; says who was asked, in order. */
function clusterOf(...refuse: boolean[]): { readonly cluster: Cluster; readonly asked: number[] } {
  const asked: number[] = [];
  const endpoints = refuse.map((refuses, index) => {
    const open = (): Promise<number> => {
      asked.push(index);
      return refuses ? Promise.reject(new Error(`refused by ${index}`)) : Promise.resolve(index);
    };
    return { address: String(index), load: 0, capacity: 1, avoided: false, open } as unknown as Endpoint;
  });
  return { cluster: new Cluster('shop/db:80', service, endpoints, { random: () => 0 }), asked };
}

for (const [name, refuse, expected, asked] of [
  ['the first', [false, true], 0, [0]],
  ['another when that refuses', [true, false], 1, [0, 1]],
  ['the only one once', [true], 'refused by 0', [0]],
  ['three at most', [true, true, true, true], 'refused by 0', [0, 1, 0]],
  ['none when there is none', [], 'no endpoint', []],
] as const) {
  test(`openSomewhere() asks ${name}`, async () => {
    const { cluster, asked: seen } = clusterOf(...refuse);
    const found: unknown = await openSomewhere(cluster, new AbortController().signal).catch(
      (error: Error) => error.message,
    );
    assert.deepEqual([found, seen], [expected, asked]);
  });
}

test('openSomewhere() asks nobody after it was given up', async () => {
  const { cluster, asked } = clusterOf(true, true);
  await assert.rejects(openSomewhere(cluster, AbortSignal.abort()));
  assert.deepEqual(asked, []);
});
