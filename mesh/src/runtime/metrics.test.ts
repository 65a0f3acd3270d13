import assert from 'node:assert/strict';
import { test } from 'node:test';
import { counter, gauge, histogram, Metrics, SERIES_PER_METRIC_MAX } from './metrics.ts';

function declare() {
  const metrics = new Metrics();
  const group = metrics.register({
    opened: counter({ name: 'ambit_opened_total', help: 'Opened.', labels: ['side', 'why'], initial: [['in', 'x']] }),
    open: gauge({ name: 'ambit_open', help: 'Open\nnow.' }),
    took: histogram({ name: 'ambit_took_seconds', help: 'Took.', labels: ['side'], buckets: [0.1, 1] }),
  });
  return { metrics, group };
}

test('Metrics renders counters, gauges and cumulated histograms as Prometheus text', async () => {
  const { metrics, group } = declare();
  group.opened.add(['out', 'a"b\\c\nd'], 2);
  group.opened.cell('out', 'a"b\\c\nd').value++;
  group.open.set([], 4);
  for (const value of [0.05, 0.1, 0.5, 7]) group.took.observe(['in'], value);
  const { contentType, body } = await metrics.render();
  assert.equal(contentType, 'text/plain; version=0.0.4; charset=utf-8');
  assert.equal(
    body,
    [
      '# HELP ambit_opened_total Opened.',
      '# TYPE ambit_opened_total counter',
      'ambit_opened_total{side="in",why="x"} 0',
      'ambit_opened_total{side="out",why="a\\"b\\\\c\\nd"} 3',
      '',
      '# HELP ambit_open Open\\nnow.',
      '# TYPE ambit_open gauge',
      'ambit_open 4',
      '',
      '# HELP ambit_took_seconds Took.',
      '# TYPE ambit_took_seconds histogram',
      'ambit_took_seconds_bucket{side="in",le="0.1"} 2',
      'ambit_took_seconds_bucket{side="in",le="1"} 3',
      'ambit_took_seconds_bucket{side="in",le="+Inf"} 4',
      'ambit_took_seconds_sum{side="in"} 7.65',
      'ambit_took_seconds_count{side="in"} 4',
      '',
    ].join('\n'),
  );
});

test('Metrics renders OpenMetrics with the family named without its suffix', async () => {
  const { metrics, group } = declare();
  group.opened.add(['in', 'x']);
  const { contentType, body } = await metrics.render('openmetrics');
  assert.match(contentType, /^application\/openmetrics-text/);
  assert.match(body, /# TYPE ambit_opened counter\nambit_opened_total\{side="in",why="x"\} 1\n/);
  assert.match(body, /# EOF\n$/);
});

test('Metrics reads collected values at each scrape', async () => {
  const metrics = new Metrics();
  let value = 1;
  const spec = gauge({ name: 'ambit_live', help: 'Live.', labels: ['k'] });
  metrics.collect(spec, async () => [{ labels: ['a'], value: value++ }]);
  assert.match((await metrics.render()).body, /ambit_live\{k="a"\} 1/);
  assert.match((await metrics.render()).body, /ambit_live\{k="a"\} 2/);
  assert.equal(await metrics.value('ambit_live', ['a']), 3);
  assert.equal(await metrics.value('ambit_live', ['b']), 0);
});

test('Metrics bounds the number of series and keeps the sum in an overflow series', async () => {
  const metrics = new Metrics();
  const { many } = metrics.register({ many: counter({ name: 'ambit_many_total', help: 'Many.', labels: ['id'] }) });
  for (let i = 0; i < SERIES_PER_METRIC_MAX + 5; i++) many.add([String(i)]);
  assert.equal(await metrics.value('ambit_many_total', ['overflow']), 5);
  assert.equal(await metrics.value('ambit_many_total', ['0']), 1);
});

test('Metrics refuses names declared twice, wrong suffixes and wrong label counts', () => {
  const { metrics, group } = declare();
  assert.throws(() => metrics.register({ again: gauge({ name: 'ambit_open', help: '' }) }), /declared twice/);
  assert.throws(() => metrics.register({ odd: counter({ name: 'ambit_odd', help: '' }) }), /_total/);
  assert.throws(() => metrics.register({ odd: gauge({ name: 'ambit_odd_total', help: '' }) }), /_total/);
  assert.throws(() => group.opened.add(['one']), /2 labels/);
  assert.deepEqual(
    metrics.specs().map((spec) => spec.name),
    ['ambit_opened_total', 'ambit_open', 'ambit_took_seconds'],
  );
});
