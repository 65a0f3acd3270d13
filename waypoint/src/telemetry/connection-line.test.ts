import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSpiffeId } from '@ambit/mesh/model';
import type { RelayFacts } from '../listener/relay-facts.ts';
import { Cluster } from '../upstream/cluster.ts';
import { formatConnectionLine } from './connection-line.ts';

const TIME_MS = Date.UTC(2026, 10, 26, 10, 0, 0, 7);
const connection: RelayFacts = {
  caller: { identity: parseSpiffeId('spiffe://cluster.local/ns/shop/sa/web'), address: '10.0.0.1' },
  cluster: new Cluster('shop/db:5432', { namespace: 'shop', name: 'db', hostname: 'db.shop' }, []),
  route: '',
  serverName: null,
  endpoint: null,
  attempts: 0,
  bytesReceived: 1,
  bytesSent: 2,
  durationMs: 1.23456,
  failure: null,
};

test('a line of text says what was carried, from whom and to where', () => {
  assert.equal(
    formatConnectionLine(connection, TIME_MS, 'text'),
    '2026-11-26T10:00:00.007Z\tinfo\taccess\tconnection\tsrc.addr=10.0.0.1 src.identity="spiffe://cluster.local/ns/shop/sa/web"' +
      ' protocol=TCP bytes_recv=1 bytes_sent=2 duration_ms=1.235 dst.service=shop/db:5432\n',
  );
});

test('a line of text quotes what clients say, and is an error when the connection failed', () => {
  const failed = { ...connection, serverName: 'a "b"', failure: 'connect', attempts: 3, route: 'shop/r' } as const;
  assert.equal(
    formatConnectionLine({ ...failed, caller: { identity: null, address: '10.0.0.1' } }, TIME_MS, 'text'),
    '2026-11-26T10:00:00.007Z\terror\taccess\tconnection\tsrc.addr=10.0.0.1 protocol=TCP server_name="a \\"b\\""' +
      ' flags=UF reason=connect bytes_recv=1 bytes_sent=2 duration_ms=1.235 dst.service=shop/db:5432 attempts=3 route=shop/r\n',
  );
});

test('who is refused, and what ends with the waypoint, is no error', () => {
  for (const [failure, shown] of [
    ['access-denied', 'info flags=RBAC reason=access-denied'],
    ['stopped', 'info reason=stopped'],
    ['no-memory', 'error flags=OM reason=no-memory'],
    ['client-gone', 'error flags=DC reason=client-gone'],
  ] as const) {
    const line = formatConnectionLine({ ...connection, failure }, TIME_MS, 'text');
    const [, level, , , text = ''] = line.split('\t');
    assert.equal(`${level} ${/(?:flags=\S+ )?reason=\S+/.exec(text)?.[0]}`, shown);
  }
});

test('a line of JSON has the same fields', () => {
  const json = {
    ...connection,
    serverName: 'db.example',
    failure: 'no-endpoint',
    attempts: 1,
    route: 'shop/r',
  } as const;
  assert.deepEqual(JSON.parse(formatConnectionLine(json, TIME_MS, 'json')), {
    time: '2026-11-26T10:00:00.007Z',
    scope: 'access',
    'src.addr': '10.0.0.1',
    'src.identity': 'spiffe://cluster.local/ns/shop/sa/web',
    protocol: 'TCP',
    server_name: 'db.example',
    flags: 'UH',
    reason: 'no-endpoint',
    bytes_recv: 1,
    bytes_sent: 2,
    duration_ms: 1.235,
    'dst.service': 'shop/db:5432',
    route: 'shop/r',
  });
});
