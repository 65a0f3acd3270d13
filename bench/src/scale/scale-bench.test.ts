import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BenchError } from '../errors.ts';
import type { ScaleFigure } from './figure.ts';
import { meshOf } from './mesh-of.ts';
import { p99Ms, parseLatencies } from './neighbour-times.ts';
import { scaleLine, scaleReport } from './scale-bench.ts';

const figures: readonly ScaleFigure[] = [
  { name: 'ingest_s', words: 'until all is there', unit: 's', must: '<= 8', aim: '<= 4', values: [3, 1.23456, 2] },
  { name: 'dns', words: 'answers', unit: '1/s', must: '>= 15000', aim: '>= 30000', values: [20000] },
  { name: 'pause', words: 'longest', unit: 'ms', must: '<= 50', aim: '<= 20', values: [60] },
  { name: 'lone', words: 'one', unit: 'x', must: '-', aim: '-', values: [1] },
];

test('scaleReport() and scaleLine() tell medians, the report their range beside what must be', () => {
  assert.deepEqual(scaleLine(figures), { ingest_s: 2, dns: 20000, pause: 60, lone: 1 });
  assert.equal(
    scaleReport(figures),
    [
      '| figure | what | measured | unit | must | aim | holds |',
      '| --- | --- | --- | --- | --- | --- | --- |',
      '| ingest_s | until all is there | 2 (1.23-3) | s | <= 8 | <= 4 | aim |',
      '| dns | answers | 20000 | 1/s | >= 15000 | >= 30000 | must |',
      '| pause | longest | 60 | ms | <= 50 | <= 20 | no |',
      '| lone | one | 1 | x | - | - | - |',
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

test('parseLatencies() and p99Ms() tell what one request of a hundred exceeds, of one kind or of both', () => {
  const kept = Array.from({ length: 100 }, (_, index) => (100 - index) * 1000);
  const times = parseLatencies(JSON.stringify({ kept, fresh: [500_000] }));
  assert.deepEqual(
    (['kept', 'fresh', 'all'] as const).map((part) => p99Ms(times, part)),
    [99, 500, 100],
  );
  assert.throws(() => parseLatencies('{"kept":[1],"fresh":[]}'), BenchError);
});
