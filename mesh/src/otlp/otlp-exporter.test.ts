import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openSpanCollector } from '../testing/span-collector.ts';
import { silentLogger } from '../runtime/logger.ts';
import { openOtlpExporter, SpanQueue, type SpanRecord } from './index.ts';

const span: SpanRecord = {
  traceId: '0af7651916cd43dd8448eb211c80319c',
  spanId: 'b7ad6b7169203331',
  parentSpanId: '00f067aa0ba902b7',
  name: 'tcp',
  kind: 'server',
  startMs: 1_700_000_000_123,
  endMs: 1_700_000_001_124,
  attributes: { 'ambit.bytes.sent': 7, 'source.address': '10.0.0.1' },
  error: 'the destination refused the connection',
};

const options = { resource: { 'service.name': 'ambit-node-agent' }, version: '1.2.3', logger: silentLogger };

/** What `span` is as OTLP, whoever it is a part of and however it ended. */
const written = {
  traceId: span.traceId,
  spanId: span.spanId,
  name: 'tcp',
  startTimeUnixNano: '1700000000123000000',
  endTimeUnixNano: '1700000001124000000',
  attributes: [
    { key: 'ambit.bytes.sent', value: { intValue: 7 } },
    { key: 'source.address', value: { stringValue: '10.0.0.1' } },
  ],
  droppedAttributesCount: 0,
  events: [],
  droppedEventsCount: 0,
  links: [],
  droppedLinksCount: 0,
};

test('OtlpExporter sends spans as OTLP', async () => {
  await using peer = await openSpanCollector();
  const exporter = await openOtlpExporter({ ...options, endpoint: peer.url });
  assert.equal(await exporter.export([span, { ...span, parentSpanId: null, kind: 'client', error: null }]), 'exported');
  assert.deepEqual(peer.bodies, [
    {
      resourceSpans: [
        {
          resource: {
            attributes: [{ key: 'service.name', value: { stringValue: 'ambit-node-agent' } }],
            droppedAttributesCount: 0,
          },
          scopeSpans: [
            {
              scope: { name: 'ambit', version: '1.2.3' },
              spans: [
                {
                  ...written,
                  parentSpanId: span.parentSpanId,
                  kind: 2,
                  status: { code: 2, message: span.error },
                  flags: 769,
                },
                { ...written, kind: 3, status: { code: 0 }, flags: 257 },
              ],
            },
          ],
        },
      ],
    },
  ]);
});

test('OtlpExporter says when a collector does not take them', async () => {
  await using peer = await openSpanCollector(400);
  const exporter = await openOtlpExporter({ ...options, endpoint: peer.url });
  assert.equal(await exporter.export([span]), 'failed');
});

test('SpanQueue keeps so many, counts the others, and gives the oldest first', () => {
  const queue = new SpanQueue(3);
  for (const name of ['a', 'b', 'c', 'd']) queue.add({ ...span, name });
  assert.equal(queue.dropped, 1);
  const names = (spans: readonly SpanRecord[]): readonly string[] => spans.map(({ name }) => name);
  assert.deepEqual(names(queue.take(2)), ['a', 'b']);
  queue.add({ ...span, name: 'e' });
  assert.deepEqual(names(queue.take(5)), ['c', 'e']);
  assert.deepEqual(queue.take(5), []);
});
