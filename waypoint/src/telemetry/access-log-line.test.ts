import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSpiffeId } from '@ambit/mesh/model';
import type { ExchangeFacts } from '../http/exchange-facts.ts';
import { jsonLine } from './access-log-line.ts';
import { AccessLogText } from './access-log-text.ts';
import { CallerRecord } from './caller-record.ts';

const TIME_MS = Date.UTC(2026, 10, 26, 10, 0, 0, 7);
const exchange: ExchangeFacts = {
  caller: { identity: parseSpiffeId('spiffe://cluster.local/ns/shop/sa/web'), address: '10.0.0.1' },
  method: 'GET',
  authority: 'db.shop:80',
  target: '/a?b=c',
  protocol: 'HTTP/1.1',
  requestId: 'id-1',
  ownRequestId: null,
  userAgent: 'a "b"',
  status: 503,
  grpcStatus: null,
  reason: 'connect',
  decision: null,
  access: null,
  endpoint: null,
  attempts: 3,
  requestBytes: 1,
  responseBytes: 2,
  durationMs: 1.23456,
};

function textLine(facts: ExchangeFacts, text = new AccessLogText()): string {
  const line = text.of(facts, new CallerRecord(facts.caller), TIME_MS);
  const memory = Buffer.alloc(line.bytesMax);
  return memory.toString('utf8', 0, line.writeTo(memory, 0));
}

test('a line of text quotes what could be taken for anything else', () => {
  assert.equal(
    textLine(exchange),
    '2026-11-26T10:00:00.007Z\terror\taccess\trequest\tsrc.addr=10.0.0.1 src.identity="spiffe://cluster.local/ns/shop/sa/web"' +
      ' method=GET authority=db.shop:80 path="/a?b=c" protocol=HTTP/1.1 status=503 flags=UF reason=connect' +
      ' bytes_recv=1 bytes_sent=2 duration_ms=1.235 attempts=3 request_id=id-1 user_agent="a \\"b\\""\n',
  );
});

test('what never became a request leaves its fields out', () => {
  const nothing = { method: '', authority: '', target: '', requestId: '', userAgent: '', reason: null, attempts: 0 };
  assert.equal(
    textLine({ ...exchange, ...nothing, status: 400 })
      .split('\t')
      .at(-1),
    'src.addr=10.0.0.1 src.identity="spiffe://cluster.local/ns/shop/sa/web" protocol=HTTP/1.1 status=400' +
      ' bytes_recv=1 bytes_sent=2 duration_ms=1.235\n',
  );
});

test('a line of JSON has the same fields', () => {
  assert.deepEqual(JSON.parse(jsonLine(exchange, TIME_MS)), {
    time: '2026-11-26T10:00:00.007Z',
    scope: 'access',
    'src.addr': '10.0.0.1',
    'src.identity': 'spiffe://cluster.local/ns/shop/sa/web',
    method: 'GET',
    authority: 'db.shop:80',
    path: '/a?b=c',
    protocol: 'HTTP/1.1',
    status: 503,
    flags: 'UF',
    reason: 'connect',
    bytes_recv: 1,
    bytes_sent: 2,
    duration_ms: 1.235,
    attempts: 3,
    request_id: 'id-1',
    user_agent: 'a "b"',
  });
});
