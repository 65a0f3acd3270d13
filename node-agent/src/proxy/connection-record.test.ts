import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseSocketAddress } from '@ambit/mesh/model';
import { buildService, buildWorkload, haveSameShape, ManualClock, testIdentity } from '@ambit/mesh/testing';
import { PodAccount } from '../accounting/pod-account.ts';
import { type AccessLogFormat, type AccessLogLevel, accessLogLevelOf } from './access-log-line.ts';
import {
  type Carrier,
  ConnectionRecord,
  type ConnectionSubject,
  recordProbe,
  recordRefusal,
  type RecordSinks,
} from './connection-record.ts';
import { PARTY_COUNT_MAX, PartyTable } from './party.ts';
import { TRAFFIC_LABELS } from './traffic-metrics.ts';
import { TRAFFIC_SERIES_MAX, TrafficTable } from './traffic-table.ts';

class RecordWorld {
  readonly clock = new ManualClock();
  readonly parties = new PartyTable();
  readonly lines: string[] = [];
  readonly cuts: string[] = [];
  readonly account = new PodAccount({ namespace: 'shop', name: 'client' });
  readonly sinks: RecordSinks;
  readonly carrier: Carrier & { bytesSent: number; bytesReceived: number; segments: number } = {
    bytesSent: 0,
    bytesReceived: 0,
    segments: 0,
    waitingBytes: 0,
    cut: (reason) => void this.cuts.push(reason),
  };

  constructor(format: AccessLogFormat = 'text') {
    this.sinks = {
      clock: this.clock,
      traffic: new TrafficTable(),
      requests: null,
      accessLog: { write: (line) => void this.lines.push(line) },
      accessLogFormat: format,
      accessLogLevel: { current: 'info' },
      refusals: { inbound: new Map(), outbound: new Map() },
      probes: new Map(),
      tracer: null,
      account: this.account,
    };
  }

  subject(more: Partial<ConnectionSubject> = {}): ConnectionSubject {
    const locality = { region: 'r', zone: 'z', subzone: '' };
    return {
      direction: 'outbound',
      sourceAddress: parseSocketAddress('10.0.0.9:40000'),
      source: this.parties.ofWorkload(buildWorkload({ name: 'client', locality })),
      sourceIdentity: testIdentity('shop', 'client'),
      destinationAddress: parseSocketAddress('10.0.0.1:15008'),
      hboneAddress: '10.0.0.1:8080',
      destination: this.parties.ofWorkload(buildWorkload()),
      destinationIdentity: testIdentity('shop', 'web'),
      service: buildService(),
      encrypted: true,
      trace: null,
      ...more,
    };
  }

  /** Series as `flag: opened closed failed received sent`. */
  counts(): readonly string[] {
    const { labels, values } = this.sinks.traffic.snapshot();
    const flag = TRAFFIC_LABELS.indexOf('response_flags');
    return labels.map((row, i) => `${row[flag]}: ${values.slice(i * 5, i * 5 + 5).join(' ')}`);
  }
}

const TEXT_HEAD =
  'src.addr=10.0.0.9:40000 src.workload="client" src.namespace="shop" src.identity="spiffe://cluster.local/ns/shop/sa/client" src.cluster="cluster-1" ' +
  'dst.addr=10.0.0.1:15008 dst.hbone_addr=10.0.0.1:8080 dst.service="web.shop.svc.cluster.local" dst.workload="web" dst.namespace="shop" ' +
  'dst.identity="spiffe://cluster.local/ns/shop/sa/web" dst.cluster="cluster-1" direction="outbound"';

describe('ConnectionRecord', () => {
  test('counts its opening, its bytes as they come, and its end, and writes one line', async () => {
    const world = new RecordWorld();
    const record = new ConnectionRecord(world.sinks, world.subject(), world.carrier, {
      sendsRequest: true,
      admitted: null,
      tap: null,
    });
    assert.deepEqual(world.counts(), ['-: 1 0 0 0 0']);
    world.carrier.bytesSent = 5;
    world.carrier.bytesReceived = 10;
    record.countBytes();
    record.countBytes();
    assert.deepEqual(world.counts(), ['-: 1 0 0 5 10']);
    world.carrier.bytesReceived = 30;
    await world.clock.advance(1234);
    record.end(null);
    record.end('copy');
    record.cut('policy-changed');
    assert.deepEqual([world.counts(), world.cuts], [['-: 1 1 0 5 30'], []]);
    assert.deepEqual(world.lines, [
      `2030-01-01T00:00:01.234Z\tinfo\taccess\tconnection complete\t${TEXT_HEAD} bytes_sent=30 bytes_recv=5 duration="1234ms"\n`,
    ]);
  });

  test('reads an inbound carrier the other way round', () => {
    const world = new RecordWorld();
    const record = new ConnectionRecord(world.sinks, world.subject({ direction: 'inbound' }), world.carrier, {
      sendsRequest: false,
      admitted: null,
      tap: null,
    });
    world.carrier.bytesReceived = 7;
    world.carrier.bytesSent = 9;
    record.end(null);
    assert.deepEqual(world.counts(), ['-: 1 1 0 7 9']);
    assert.match(world.lines[0] ?? '', /direction="inbound" bytes_sent=9 bytes_recv=7/);
  });

  test('keeps its shape beyond 2 GiB', () => {
    const world = new RecordWorld();
    const options = { sendsRequest: true, admitted: null, tap: null };
    const [large, small] = [world.carrier, { ...world.carrier }].map(
      (carrier) => new ConnectionRecord(world.sinks, world.subject(), carrier, options),
    );
    assert.ok(large !== undefined && small !== undefined);
    world.carrier.bytesSent = 3 * 2 ** 30;
    world.carrier.bytesReceived = 3 * 2 ** 30;
    large.countBytes();
    assert.ok(haveSameShape(large, small));
    assert.deepEqual(world.counts(), [`-: 2 0 0 ${3 * 2 ** 30} ${3 * 2 ** 30}`]);
  });

  test('shows why it was cut, whatever its carrier makes of that', () => {
    const world = new RecordWorld();
    const record = new ConnectionRecord(world.sinks, world.subject(), world.carrier, {
      sendsRequest: true,
      admitted: null,
      tap: null,
    });
    record.cut('policy-changed');
    record.end('tunnel-cut');
    assert.deepEqual(world.cuts, ['connection closed due to policy change']);
    assert.deepEqual(world.counts(), ['-: 1 0 0 0 0', 'DENY: 0 1 1 0 0']);
    assert.match(
      world.lines[0] ?? '',
      /\terror\taccess\tconnection complete\t.* error="connection closed due to policy change"\n$/,
    );
  });

  test('writes JSON with the same fields', () => {
    const world = new RecordWorld('json');
    new ConnectionRecord(world.sinks, world.subject({ service: undefined, sourceIdentity: null }), world.carrier, {
      sendsRequest: true,
      admitted: null,
      tap: null,
    }).end(null);
    assert.deepEqual(JSON.parse(world.lines[0] ?? ''), {
      level: 'info',
      time: '2030-01-01T00:00:00.000Z',
      scope: 'access',
      message: 'connection complete',
      'src.addr': '10.0.0.9:40000',
      'src.workload': 'client',
      'src.namespace': 'shop',
      'src.cluster': 'cluster-1',
      'dst.addr': '10.0.0.1:15008',
      'dst.hbone_addr': '10.0.0.1:8080',
      'dst.workload': 'web',
      'dst.namespace': 'shop',
      'dst.identity': 'spiffe://cluster.local/ns/shop/sa/web',
      'dst.cluster': 'cluster-1',
      direction: 'outbound',
      bytes_sent: 0,
      bytes_recv: 0,
      duration: '0ms',
    });
  });
});

describe('the level of the access log', () => {
  const linesAt = (level: AccessLogLevel): readonly (string | undefined)[] => {
    const world = new RecordWorld();
    world.sinks.accessLogLevel.current = level;
    const open = (): ConnectionRecord =>
      new ConnectionRecord(world.sinks, world.subject(), world.carrier, {
        sendsRequest: true,
        admitted: null,
        tap: null,
      });
    open().end(null);
    open().end('copy');
    recordRefusal(world.sinks, world.subject(), 'dial', 0);
    return world.lines.map((line) => line.split('\t').slice(1, 4).join(' '));
  };

  const complete = 'info access connection complete';
  const broken = 'error access connection complete';
  const failed = 'warn access connection failed';
  const opened = 'debug access connection opened';
  for (const [level, expected] of [
    ['debug', [opened, complete, opened, broken, failed]],
    ['info', [complete, broken, failed]],
    ['warn', [broken, failed]],
    ['error', [broken]],
    ['off', []],
  ] as const) {
    test(`${level} holds ${expected.length} lines`, () => assert.deepEqual(linesAt(level), expected));
  }

  test('is what the filter says of the scope access, else info', () => {
    const levels = ['info', 'warn', 'debug,access=off', 'access=debug', 'warn,xds=debug,access=error'].map(
      accessLogLevelOf,
    );
    assert.deepEqual(levels, ['info', 'info', 'off', 'debug', 'error']);
  });
});

describe('recordRefusal()', () => {
  test('counts and logs a connection that was never carried', () => {
    const world = new RecordWorld();
    recordRefusal(world.sinks, world.subject({ direction: 'inbound' }), 'deny-policy-matched', 3, 'shop/policy');
    assert.deepEqual(world.counts(), ['DENY: 0 0 1 0 0']);
    assert.deepEqual([...world.sinks.refusals.inbound], [['deny-policy-matched', 1]]);
    assert.match(
      world.lines[0] ?? '',
      /\twarn\taccess\tconnection failed\t.* error="a DENY policy matched: shop\/policy"\n$/,
    );
  });

  test('keeps a line a line whatever a peer calls itself', () => {
    const world = new RecordWorld();
    const source = world.parties.ofDescription({ ...world.parties.unknown.description, workload: 'a"\n\tb' });
    recordRefusal(world.sinks, world.subject({ source, hboneAddress: 'x y\n"z' }), 'bad-authority', 0);
    const [line = ''] = world.lines;
    assert.equal(line.indexOf('\n'), line.length - 1);
    assert.ok(line.includes('src.workload="a\\"\\n\\tb"') && line.includes('dst.hbone_addr="x y\\n\\"z"'));
  });
});

test('TrafficTable has one label value per label, unknown where there is none, in the order of the names', () => {
  const world = new RecordWorld();
  recordRefusal(
    world.sinks,
    world.subject({ source: world.parties.unknown, sourceIdentity: null, service: undefined, encrypted: false }),
    'dial',
    0,
  );
  const [labels = []] = world.sinks.traffic.snapshot().labels;
  const named = Object.fromEntries(TRAFFIC_LABELS.map((name, i) => [name, labels[i]]));
  assert.equal(labels.length, TRAFFIC_LABELS.length);
  assert.deepEqual(
    [
      'reporter',
      'source_workload',
      'source_principal',
      'destination_service',
      'destination_workload',
      'destination_principal',
      'destination_cluster',
      'request_protocol',
      'response_flags',
      'connection_security_policy',
      'destination_zone',
    ].map((name) => named[name]),
    [
      'source',
      'unknown',
      'unknown',
      'unknown',
      'web',
      'spiffe://cluster.local/ns/shop/sa/web',
      'cluster-1',
      'tcp',
      'CONNECT',
      'unknown',
      'unknown',
    ],
  );
});

test('tables of series and parties stay within their bounds and count the rest together', () => {
  const world = new RecordWorld();
  for (let i = 0; i < PARTY_COUNT_MAX + 10; i++)
    world.parties.ofDescription({ ...world.parties.unknown.description, workload: `w${i}` });
  assert.equal(world.parties.size, PARTY_COUNT_MAX);
  const other = world.parties.ofDescription({ ...world.parties.unknown.description, workload: 'one more' });
  assert.equal(other.description.workload, 'overflow');
  for (let i = 0; i < TRAFFIC_SERIES_MAX + 10; i++) {
    const source = world.parties.ofDescription({ ...world.parties.unknown.description, workload: `w${i}` });
    recordRefusal(world.sinks, world.subject({ source }), 'dial', 0);
  }
  const { labels, values } = world.sinks.traffic.snapshot();
  assert.equal(labels.length, TRAFFIC_SERIES_MAX + 1);
  assert.equal(
    labels.at(-1)?.every((value) => value === 'overflow'),
    true,
  );
  assert.equal(values.at(-3), 10);
});

test('PartyTable gives the same party to equal workloads, so that an update does not start a new series', () => {
  const parties = new PartyTable();
  assert.equal(parties.ofWorkload(buildWorkload()), parties.ofWorkload(buildWorkload()));
  assert.notEqual(parties.ofWorkload(buildWorkload()), parties.ofWorkload(buildWorkload({ canonicalRevision: 'v2' })));
  assert.equal(parties.ofWorkload(undefined), parties.unknown);
});

test('recordProbe() counts by kind and result, and is told to a log for debugging alone', () => {
  const world = new RecordWorld();
  const subject = world.subject({
    direction: 'inbound',
    sourceIdentity: null,
    destinationIdentity: null,
    encrypted: false,
  });
  recordProbe(world.sinks, subject, { kind: 'tcp', passed: true, durationMs: 1 });
  assert.deepEqual(world.lines, []);
  world.sinks.accessLogLevel.current = 'debug';
  recordProbe(world.sinks, subject, { kind: 'http', passed: false, durationMs: 2, detail: 'status 503' });
  assert.deepEqual(
    [...world.sinks.probes],
    [
      ['tcp', { passed: 1, failed: 0 }],
      ['http', { passed: 0, failed: 1 }],
    ],
  );
  assert.match(
    world.lines.join(''),
    /\tdebug\taccess\tconnection probed\tsrc\.addr=.* duration="2ms" probe="http" probe\.result="failed: status 503"\n$/,
  );
  assert.deepEqual(world.counts(), []);
});
