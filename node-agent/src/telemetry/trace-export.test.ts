import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SpanExport, SpanRecord } from '@ambit/mesh/otlp';
import { Metrics } from '@ambit/mesh/runtime';
import { ManualClock } from '@ambit/mesh/testing';
import { startTraceExport } from './trace-export.ts';

const span: SpanRecord = {
  ...{ traceId: '1'.repeat(32), spanId: '1'.repeat(16), parentSpanId: null, name: 'tcp', kind: 'server' },
  ...{ startMs: 0, endMs: 1, attributes: {}, error: null },
};

function start(answer: Promise<'exported' | 'failed'>) {
  const clock = new ManualClock();
  const waiting = [[span, span], [span]];
  const sent: number[] = [];
  const exporter: SpanExport = {
    export(spans) {
      sent.push(spans.length);
      return answer;
    },
  };
  const take = () => Promise.resolve([{ spans: waiting.shift() ?? [], dropped: 0 }]);
  return { clock, sent, traces: startTraceExport({ clock, metrics: new Metrics(), exporter, take }) };
}

test('startTraceExport() exports what is left when it is disposed of', async () => {
  const { clock, sent, traces } = start(Promise.resolve('exported'));
  await clock.advance(1000);
  assert.deepEqual(sent, [2]);
  await traces[Symbol.asyncDispose]();
  assert.deepEqual(sent, [2, 1]);
  assert.equal(clock.pending, 0);
});

test('startTraceExport() does not wait long for a collector that does not answer', async () => {
  const { clock, sent, traces } = start(new Promise(() => {}));
  await clock.advance(1000);
  assert.deepEqual(sent, [2]);
  const ended = traces[Symbol.asyncDispose]();
  await clock.advance(2000);
  await ended;
  assert.deepEqual(sent, [2]);
});
