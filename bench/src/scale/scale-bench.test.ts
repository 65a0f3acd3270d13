import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ScaleFigure } from './figure.ts';
import { meshOf } from './mesh-of.ts';
import { scaleLine, scaleReport } from './scale-bench.ts';

const figures: readonly ScaleFigure[] = [
  { name: 'ingest_s', words: 'until all is there', unit: 's', must: '8', aim: '4', values: [3, 1.23456, 2] },
];

test('scaleReport() and scaleLine() tell medians, the report their range beside what must be', () => {
  assert.deepEqual(scaleLine(figures), { ingest_s: 2 });
  assert.equal(
    scaleReport(figures),
    [
      '| figure | what | measured | unit | must | aim |',
      '| --- | --- | --- | --- | --- | --- |',
      '| ingest_s | until all is there | 2 (1.23-3) | s | 8 | 4 |',
    ].join('\n'),
  );
});

test('meshOf() makes as many as it is asked for, no two of one name, and services that somebody backs', () => {
  const size = { workloads: 400, services: 40, namespaces: 8, nodes: 10 };
  const objects = [...meshOf(size)];
  const of = <K extends string>(kind: K) =>
    objects.filter((object): object is Extract<(typeof objects)[number], { kind: K }> => object.kind === kind);
  const workloads = of('workload').map(({ workload }) => workload);
  const services = of('service').map(({ service }) => service.key);
  assert.deepEqual([workloads.length, new Set(workloads.map(({ uid }) => uid)).size], [400, 400]);
  assert.equal(new Set(workloads.flatMap(({ addresses }) => addresses)).size, 440);
  assert.deepEqual(new Set(workloads.flatMap((one) => [...one.services.keys()])), new Set(services));
  assert.deepEqual(of('policy').length, 4);
});
