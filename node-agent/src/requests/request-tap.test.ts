import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countsOf, HISTOGRAM_COLUMNS, histogramsIn } from '@ambit/mesh/runtime';
import { PartyTable } from '../proxy/party.ts';
import type { TrafficSeries } from '../proxy/traffic-table.ts';
import { REQUEST_LABELS } from './request-metrics.ts';
import { REQUEST_SERIES_MAX, RequestTable } from './request-table.ts';
import { RequestTap } from './request-tap.ts';

const parties = new PartyTable();
const series: TrafficSeries = {
  direction: 'outbound',
  source: parties.ofDescription({ ...parties.unknown.description, workload: 'web' }),
  sourceIdentity: null,
  destination: parties.unknown,
  destinationIdentity: null,
  encrypted: false,
};

/** `protocol code grpc count`. */
function countsIn(table: RequestTable): readonly string[] {
  return countsOf(histogramsIn([table.snapshot()], HISTOGRAM_COLUMNS, 0)).map(({ labels, value }) => {
    const of = (name: string): string => labels[REQUEST_LABELS.indexOf(name)] ?? '';
    return `${of('request_protocol')} ${of('response_code')} ${of('grpc_response_status')} ${value}`;
  });
}

test('RequestTap counts what its connection says under what is known of it, whichever way it goes', () => {
  const requests = new RequestTable(() => 0);
  const asked = Buffer.from('GET / HTTP/1.1\r\n\r\n');
  const answered = Buffer.from('HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n');
  const sends = RequestTap.create({ requests }, { direction: 'outbound', sendsRequest: true });
  const receives = RequestTap.create({ requests }, { direction: 'inbound', sendsRequest: false });
  sends?.onSent(asked, 0, asked.length);
  sends?.begin(series);
  sends?.onReceived(answered, 0, answered.length);
  receives?.begin({ ...series, direction: 'inbound' });
  receives?.onReceived(asked, 0, asked.length);
  receives?.onSent(answered, 0, answered.length);
  receives?.onReceived(Buffer.from('\0'), 0, 1);
  receives?.end();
  assert.deepEqual(countsIn(requests), ['http 404 - 1', 'http 404 - 1']);
  assert.deepEqual([[...requests.unread.outbound], [...requests.unread.inbound]], [[], [['unreadable', 1]]]);
  assert.equal(RequestTap.create({ requests: null }, { direction: 'inbound', sendsRequest: false }), null);
});

test('RequestTap counts every outcome of a connection, however many there are', () => {
  const requests = new RequestTable(() => 0);
  const tap = RequestTap.create({ requests }, { direction: 'outbound', sendsRequest: true });
  tap?.begin(series);
  for (let round = 0; round < 2; round += 1) {
    for (const status of [200, 201, 204, 304, 404, 503, 0, 599]) tap?.onExchange(status, false, -1, 1);
    for (const status of [0, 14]) tap?.onExchange(200, true, status, 1);
  }
  assert.deepEqual(countsIn(requests), [
    ...['200', '201', '204', '304', '404', '503', '0', '5xx'].map((code) => `http ${code} - 2`),
    'grpc 200 0 2',
    'grpc 200 14 2',
  ]);
});

test('RequestTable keeps a bounded number of series and counts the rest together', () => {
  const requests = new RequestTable(() => 0);
  for (let i = 0; i < REQUEST_SERIES_MAX + 10; i += 1) {
    const source = parties.ofDescription({ ...parties.unknown.description, workload: `w${i}` });
    requests.add(requests.row({ ...series, source }, 200, false, -1), 1);
  }
  const { labels } = requests.snapshot();
  assert.equal(labels.length, REQUEST_SERIES_MAX + 1);
  assert.deepEqual(countsIn(requests).at(-1), 'overflow overflow overflow 10');
});
