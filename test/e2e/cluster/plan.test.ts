import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { planClusters, SCENARIOS } from './plan.ts';

const ENDING = '.cluster.test.ts';

test('SCENARIOS names every scenario file, and only those', () => {
  const files = readdirSync(new URL('.', import.meta.url)).filter((name) => name.endsWith(ENDING));
  assert.deepEqual(
    SCENARIOS.map(({ name }) => name).toSorted(),
    files.map((name) => name.slice(0, -ENDING.length)).toSorted(),
  );
});

test('planClusters() keeps the order, and starts no cluster for nothing', () => {
  const all = SCENARIOS.map(({ name }) => name);
  const onBoth = SCENARIOS.filter(({ runtimes }) => runtimes.includes('v2')).map(({ name }) => name);
  assert.deepEqual(planClusters([], null), [
    { runtime: 'debian', scenarios: all },
    { runtime: 'v2', scenarios: onBoth },
  ]);
  assert.deepEqual(planClusters([], 'v2'), [{ runtime: 'v2', scenarios: all }]);
  assert.deepEqual(planClusters(['without'], 'debian'), [{ runtime: 'debian', scenarios: ['without-ambit'] }]);
  assert.deepEqual(planClusters(['install'], 'debian'), [{ runtime: 'debian', scenarios: ['install'] }]);
  assert.deepEqual(planClusters(['no such scenario'], null), []);
});
