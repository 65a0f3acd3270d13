import assert from 'node:assert/strict';
import { STATUS_CODES } from 'node:http';
import { test } from 'node:test';
import { NO_GRPC_STATUS } from '@ambit/mesh/observe';
import { PartyTable } from '../proxy/party.ts';
import type { TrafficSeries } from '../proxy/traffic-table.ts';
import { REQUEST_LABELS } from './request-metrics.ts';
import { RequestTable } from './request-table.ts';

test('RequestTable has a series of its own for every status that is registered, and one for others of a class', () => {
  const table = new RequestTable(() => 0);
  const { unknown } = new PartyTable();
  const series: TrafficSeries = {
    direction: 'inbound',
    source: unknown,
    sourceIdentity: null,
    destination: unknown,
    destinationIdentity: null,
    encrypted: false,
  };
  for (let status = 0; status < 1000; status++) table.add(table.row(series, status, false, NO_GRPC_STATUS), 1);
  const codes = table.snapshot().labels.map((labels) => labels[REQUEST_LABELS.indexOf('response_code')] ?? '');
  const classes = Array.from({ length: 10 }, (_, index) => `${index}xx`);
  assert.deepEqual(codes.toSorted(), ['0', ...Object.keys(STATUS_CODES), ...classes].sort());
});
