import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseSocketAddress } from '@ambit/mesh/model';
import type { SpanRecord } from '@ambit/mesh/otlp';
import { buildService, buildWorkload, testIdentity } from '@ambit/mesh/testing';
import type { ConnectionSubject } from './connection-record.ts';
import { ConnectionTracer, type ConnectionTrace } from './connection-tracer.ts';
import { PartyTable } from './party.ts';

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const SPAN_ID = 'b7ad6b7169203331';

function tracer(
  samplingPercent: number,
  drawn = 0.5,
): { readonly tracer: ConnectionTracer; readonly spans: SpanRecord[] } {
  const spans: SpanRecord[] = [];
  const queue = { add: (span: SpanRecord) => void spans.push(span) };
  return { tracer: new ConnectionTracer({ samplingPercent, random: () => drawn, spans: queue }), spans };
}

describe('ConnectionTracer', () => {
  const shares: readonly (readonly [percent: number, drawn: number, isRecorded: boolean])[] = [
    [0, 0, false],
    [1, 0.0099, true],
    [1, 0.01, false],
    [100, 0.999999, true],
  ];
  for (const [percent, drawn, isRecorded] of shares) {
    test(`of ${percent} % the draw ${drawn} is recorded: ${isRecorded}`, () => {
      assert.equal(tracer(percent, drawn).tracer.begin() !== null, isRecorded);
    });
  }

  test('joins what the other side records, and nothing that it does not', () => {
    const { tracer: never } = tracer(0);
    const joined = never.join(`00-${TRACE_ID}-${SPAN_ID}-01`);
    assert.deepEqual([joined?.traceId, joined?.parentSpanId], [TRACE_ID, SPAN_ID]);
    assert.match(joined?.spanId ?? '', /^[0-9a-f]{16}$/);
    assert.equal(tracer(100).tracer.join(`00-${TRACE_ID}-${SPAN_ID}-00`), null);
  });

  test('begins anew where the other side says nothing that can be read', () => {
    assert.equal(tracer(100).tracer.join('nonsense')?.parentSpanId, null);
    assert.equal(tracer(0).tracer.join('nonsense'), null);
  });

  const parties = new PartyTable();
  const trace: ConnectionTrace = { traceId: TRACE_ID, spanId: SPAN_ID, parentSpanId: null };
  const subject: ConnectionSubject = {
    direction: 'outbound',
    sourceAddress: parseSocketAddress('10.0.0.9:40000'),
    source: parties.ofWorkload(buildWorkload({ name: 'client', clusterId: 'c1' })),
    sourceIdentity: testIdentity('shop', 'client'),
    destinationAddress: parseSocketAddress('10.0.0.1:15008'),
    hboneAddress: '10.0.0.1:8080',
    destination: parties.unknown,
    destinationIdentity: null,
    service: buildService(),
    encrypted: true,
    trace,
  };

  test('tells of a connection what its log line tells', () => {
    const { tracer: one, spans } = tracer(100);
    one.end(subject, { startMs: 1000, endMs: 1250, reason: 'network-policy', sent: 1, received: 2 });
    assert.deepEqual(spans, [
      {
        ...trace,
        name: `tcp outbound ${buildService().hostname}`,
        kind: 'client',
        startMs: 1000,
        endMs: 1250,
        attributes: {
          'network.transport': 'tcp',
          'ambit.direction': 'outbound',
          'ambit.connection_security_policy': 'mutual_tls',
          'source.address': '10.0.0.9',
          'source.port': 40_000,
          'ambit.source.workload': 'client',
          'ambit.source.namespace': buildWorkload().namespace,
          'ambit.source.cluster': 'c1',
          'ambit.source.identity': testIdentity('shop', 'client'),
          'destination.address': '10.0.0.1',
          'destination.port': 15_008,
          'ambit.destination.service': buildService().hostname,
          'ambit.hbone.authority': '10.0.0.1:8080',
          'ambit.bytes_sent': 1,
          'ambit.bytes_received': 2,
          'error.type': 'network-policy',
          'ambit.response_flags': 'NETWORK_POLICY',
        },
        error: 'connection timed out, maybe a NetworkPolicy is blocking HBONE port 15008',
      },
    ]);
  });

  test('says nothing of one that is not recorded', () => {
    const { tracer: one, spans } = tracer(100);
    one.end({ ...subject, trace: null }, { startMs: 0, endMs: 1, reason: null, sent: 0, received: 0 });
    assert.deepEqual(spans, []);
  });
});
