import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createHbonePool, createPlainCarrier, HANDSHAKE_LIMITS, type PoolTarget } from '@ambit/mesh/hbone';
import {
  createEnvironment,
  createLineSink,
  createRootLogger,
  EnvironmentError,
  systemClock,
} from '@ambit/mesh/runtime';
import { checkLeaks, createTestCa, dial, environment, identityOf, listen, until } from '@ambit/mesh/testing';
import { secureContextOf } from '@ambit/mesh/tls';
import { createWaypoint, type Waypoint } from '../src/app.ts';
import { parseConfig } from '../src/config.ts';
import { Party } from './http-world.ts';

checkLeaks();

const directory = mkdtempSync(join(tmpdir(), 'ambit-waypoint-'));
after(() => rmSync(directory, { recursive: true }));
const ca = createTestCa();
const own = ca.issueCertificate({
  altNames: [{ kind: 'uri', value: 'spiffe://cluster.local/ns/shop/sa/waypoint' }],
});
const client = ca.issue('spiffe://cluster.local/ns/shop/sa/web');

const bytes = (address: string): string => Buffer.from(address.split('.').map(Number)).toString('base64');

/** A service `db` on two ports, HTTP and bytes, whose one endpoint listens in plaintext on `port`. */
function configuration(port: number): string {
  const put = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
  const ports = [
    { servicePort: 80, targetPort: port },
    { servicePort: 81, targetPort: port },
  ];
  return put(
    'local.json',
    JSON.stringify({
      workloads: [
        {
          uid: 'Kubernetes//Pod/shop/db',
          name: 'db',
          namespace: 'shop',
          addresses: [bytes('127.0.0.1')],
          trustDomain: 'cluster.local',
          serviceAccount: 'db',
          workloadName: 'db',
          services: { 'shop/db.shop': { ports } },
        },
      ],
      services: [
        {
          name: 'db',
          namespace: 'shop',
          hostname: 'db.shop',
          addresses: [{ address: bytes('10.9.0.1') }],
          ports: [ports[0], { ...ports[1], appProtocol: 'TCP' }],
        },
      ],
      routes: [
        {
          apiVersion: 'gateway.networking.k8s.io/v1',
          kind: 'HTTPRoute',
          metadata: { name: 'r', namespace: 'shop' },
          spec: {
            parentRefs: [{ group: '', kind: 'Service', name: 'db' }],
            rules: [
              {
                matches: [{ path: { type: 'PathPrefix', value: '/old' } }],
                filters: [
                  {
                    type: 'RequestRedirect',
                    requestRedirect: { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/new' } },
                  },
                ],
              },
              {
                matches: [{ path: { type: 'PathPrefix', value: '/api' }, headers: [{ name: 'x-user', value: 'me' }] }],
                filters: [
                  {
                    type: 'RequestHeaderModifier',
                    requestHeaderModifier: { set: [{ name: 'x-set', value: '1' }], remove: ['x-user'] },
                  },
                  {
                    type: 'URLRewrite',
                    urlRewrite: { hostname: 'inner', path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/v2' } },
                  },
                  {
                    type: 'ResponseHeaderModifier',
                    responseHeaderModifier: { add: [{ name: 'x-mesh', value: 'yes' }] },
                  },
                ],
                backendRefs: [{ name: 'db', port: 80 }],
              },
            ],
          },
        },
      ],
      certificate: {
        privateKey: put('key.pem', own.privateKeyPem),
        chain: put('chain.pem', own.chainPem),
        roots: put('roots.pem', ca.rootPem),
      },
    }),
  );
}

async function open(localConfig: string, accessLog: string, logFd = 2): Promise<Waypoint> {
  const config = parseConfig(
    createEnvironment({
      AMBIT_LOCAL_CONFIG: localConfig,
      AMBIT_ACCESS_LOG: accessLog,
      AMBIT_FORWARD_CLIENT_CERT: 'set',
      // As in a pod; callers come by IPv4.
      AMBIT_HBONE_ADDRESS: '[::]:0',
      AMBIT_ADMIN_ADDRESS: '127.0.0.1:0',
      AMBIT_METRICS_ADDRESS: '127.0.0.1:0',
      AMBIT_READINESS_ADDRESS: '127.0.0.1:0',
      AMBIT_LOG_LEVEL: 'off',
      AMBIT_TERMINATION_DEADLINE: '200ms',
    }),
  );
  const clock = systemClock;
  return createWaypoint({
    containerMemoryBytes: 0,
    config,
    workerProgram: new URL('../src/worker-main.ts', import.meta.url),
    version: '0',
    clock,
    logger: await createRootLogger({
      format: 'text',
      filter: 'off',
      sink: createLineSink({ fd: 2, clock }),
      clock,
      scope: 'x',
    }),
    logFd,
    requestStop: () => {},
  });
}

/** Tunnels to the waypoint, as the client. */
function targetAt({ addresses }: Waypoint): PoolTarget<string> {
  return {
    key: 'w',
    openSocket: () => dial(addresses.hbone.port),
    secureContext: () => secureContextOf(client),
    verifyPeer: identityOf,
  };
}

test('a waypoint routes what comes through HBONE, records it, and ends in order', { timeout: 60_000 }, async () => {
  const served: Party[] = [];
  await using backend = await listen((socket) => {
    const party = new Party(createPlainCarrier(socket));
    served.push(party);
    party.carrier.read(party);
  });
  const accessLog = join(directory, 'access.log');
  await using waypoint = await open(configuration(backend.port), accessLog);
  await using pool = createHbonePool<string>(environment);
  const target = targetAt(waypoint);
  const connect = async (authority: string): Promise<Party> => {
    const { stream, peer } = await pool.openTunnel(target, { authority, headers: [] });
    assert.equal(peer, 'spiffe://cluster.local/ns/shop/sa/waypoint');
    const party = new Party(stream);
    stream.read(party);
    return party;
  };

  const http = await connect('10.9.0.1:80');
  http.send('GET /nothing HTTP/1.1\r\nHost: db.shop\r\n\r\n');
  await until('no route matches', () => http.text.endsWith('no route matches\n'));
  http.take();
  http.send('GET /old/a HTTP/1.1\r\nHost: db.shop\r\n\r\n');
  await until('the redirect', () => http.text.endsWith('\r\n\r\n'));
  assert.equal(http.take(), 'HTTP/1.1 302 Found\r\ncontent-length: 0\r\nlocation: http://db.shop/new/a\r\n\r\n');
  http.send('GET /api/a?q HTTP/1.1\r\nHost: db.shop\r\nX-User: me\r\nX-Request-Id: 7\r\n\r\n');
  const server = await until('the server is asked', () => served[0]);
  await until('the whole request', () => server.text.endsWith('\r\n\r\n'));
  assert.equal(
    server.take(),
    'GET /v2/a?q HTTP/1.1\r\nX-Request-Id: 7\r\nx-forwarded-for: 127.0.0.1\r\nx-forwarded-proto: http\r\n' +
      'x-forwarded-client-cert: By=spiffe://cluster.local/ns/shop/sa/waypoint;URI=spiffe://cluster.local/ns/shop/sa/web\r\n' +
      'x-set: 1\r\nhost: inner\r\n\r\n',
  );
  server.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  await until('the answer', () => http.text.endsWith('ok'));
  assert.equal(http.take(), 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-mesh: yes\r\n\r\nok');

  // A server that speaks first is not kept waiting on a port that is declared to be of bytes.
  const raw = await connect('db.shop:81');
  const second = await until('the second connection', () => served[1]);
  second.send('220 hello');
  await until('its greeting', () => raw.text === '220 hello');
  raw.send('GET / HTTP/1.1\r\n\r\n');
  await until('bytes', () => second.text === 'GET / HTTP/1.1\r\n\r\n');
  raw.carrier.end();

  const http2 = await connect('10.9.0.1:80');
  http2.send('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  await until('SETTINGS', () => http2.bytes > 9);
  http2.carrier.reset();

  for (const authority of ['10.9.0.9:80', '10.9.0.1:82', 'nobody.shop:80']) {
    await assert.rejects(connect(authority), { code: 'refused-status', data: { status: 503 } });
  }
  await assert.rejects(connect('?'), { code: 'refused-status', data: { status: 400 } });

  const short = ca.issue('spiffe://cluster.local/ns/shop/sa/short', { notAfterMs: Date.now() + 2500 });
  const expiring = { ...target, key: 's', secureContext: () => secureContextOf(short) };
  const opening = { authority: '10.9.0.1:80', headers: [] };
  const early = new Party((await pool.openTunnel(expiring, opening)).stream);
  early.carrier.read(early);
  await until('a caller whose certificate has ended gets no further tunnel', () =>
    pool.openTunnel(expiring, opening).then(
      ({ stream }) => {
        stream.reset();
        return false;
      },
      (error: Error & { readonly code?: string }) => error.code === 'refused-status',
    ),
  );

  const { host, port: metricsPort } = waypoint.addresses.metrics;
  const metrics = await (await fetch(`http://${host}:${metricsPort}/metrics`)).text();
  assert.match(
    metrics,
    /istio_requests_total\{reporter="waypoint".*source_principal="spiffe:\/\/cluster.local\/ns\/shop\/sa\/web".*destination_service="db.shop".*response_code="200".*\} 1/,
  );
  assert.match(metrics, /istio_request_duration_milliseconds_count\{.*response_code="200".*\} 1/);
  assert.match(metrics, /istio_tcp_sent_bytes_total\{reporter="waypoint".*request_protocol="tcp".*\} 9/);
  assert.match(metrics, /ambit_waypoint_tunnels_refused_total\{reason="unknown-address"\} 1/);

  await waypoint.stop();
  const written = readFileSync(accessLog, 'utf8').trim().split('\n');
  const lines = written.filter((line) => line.includes('\taccess\trequest\t'));
  assert.deepEqual(
    lines.map((line) => /method=(\S+) .*path=(\S+) .*status=(\d+)/.exec(line)?.slice(1)),
    [
      ['GET', '/nothing', '404'],
      ['GET', '/old/a', '302'],
      ['GET', '/api/a?q', '200'],
    ],
  );
  assert.match(lines[2] ?? '', / route=shop\/r request_id=7$/);
  assert.match(lines[0] ?? '', / bytes_sent=17 /);
  assert.match(
    written.find((line) => !lines.includes(line)) ?? '',
    /\taccess\tconnection\tsrc.addr=127.0.0.1 .* protocol=TCP .*bytes_recv=18 bytes_sent=9 duration_ms=\S+ dst.service=shop\/db:81 /,
  );
});

/** The configuration with another value of one of its keys. */
function changed(key: string, value: unknown): string {
  const whole: object = JSON.parse(readFileSync(configuration(1), 'utf8'));
  return JSON.stringify({ ...whole, [key]: value });
}

const listener = { address: '127.0.0.1:0', service: 'shop/db.shop', port: 80 };

function routeWith(rule: object): object {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name: 'r', namespace: 'shop' },
    spec: { parentRefs: [{ group: '', kind: 'Service', name: 'db' }], rules: [rule] },
  };
}

test('a file that is not there is named with its variable', async () => {
  const path = join(directory, 'nowhere.json');
  await assert.rejects(open(path, 'off'), (error) => {
    assert.ok(error instanceof EnvironmentError);
    assert.deepEqual([error.data['variable'], error.data['value']], ['AMBIT_LOCAL_CONFIG', path]);
    assert.match(String(error.data['expected']), /file that can be read \(ENOENT/);
    return true;
  });
});

test('the example of the reference page serves what the page says', { timeout: 60_000 }, async () => {
  const page = readFileSync(new URL('../../docs/reference/waypoint.md', import.meta.url), 'utf8');
  const example = /```json\n(.*?)```/s.exec(page)?.[1] ?? '';
  await using backend = await listen((socket) => {
    const party = new Party(createPlainCarrier(socket));
    party.onPiece = () => party.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    party.carrier.read(party);
  });
  const front = await listen(() => {});
  await front[Symbol.asyncDispose]();
  const { certificate }: { readonly certificate: object } = JSON.parse(readFileSync(configuration(1), 'utf8'));
  const own: object = JSON.parse(example.replaceAll('8080', `${backend.port}`).replaceAll('8081', `${front.port}`));
  const file = join(directory, 'example.json');
  writeFileSync(file, JSON.stringify({ ...own, certificate }));
  await using waypoint = await open(file, 'off');
  const ask = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${front.port}${path}`);
  assert.equal(await (await ask('/api/a')).text(), 'ok');
  const other = await ask('/');
  assert.deepEqual([other.status, await other.text()], [404, 'no route matches\n']);
  await waypoint.stop();
});

test('an address that begins handshakes and never ends them leaves room for others', { timeout: 60_000 }, async () => {
  await using waypoint = await open(configuration(1), 'off');
  const silent = Array.from({ length: HANDSHAKE_LIMITS.pendingPerSourceMax + 2 }, () =>
    dial(waypoint.addresses.hbone.port).on('error', () => {}),
  );
  const { host, port } = waypoint.addresses.metrics;
  const metrics = async (): Promise<string> => (await fetch(`http://${host}:${port}/metrics`)).text();
  await until('two too many are refused', async () => (await metrics()).includes('{reason="too-many-handshakes"} 2'));
  await using pool = createHbonePool<string>(environment);
  const other = {
    ...targetAt(waypoint),
    openSocket: () =>
      net.connect({ port: waypoint.addresses.hbone.port, host: '127.0.0.1', localAddress: '127.0.0.2' }),
  };
  const { stream } = await pool.openTunnel(other, { authority: '10.9.0.1:80', headers: [] });
  stream.read(new Party(stream));
  stream.reset();
  for (const socket of silent) socket.destroy();
  await waypoint.stop();
});

test('the log filter that admin sets is that of the data workers', { timeout: 60_000 }, async () => {
  const log = join(directory, 'waypoint.log');
  const logFd = openSync(log, 'a');
  try {
    const gone = await listen(() => {});
    await gone[Symbol.asyncDispose]();
    await using waypoint = await open(configuration(gone.port), 'off', logFd);
    const { host, port } = waypoint.addresses.admin;
    const set = await fetch(`http://${host}:${port}/logging?level=debug`, { method: 'POST' });
    assert.equal(await set.text(), 'current log filter: debug\n');
    await using pool = createHbonePool<string>(environment);
    const { stream } = await pool.openTunnel(targetAt(waypoint), { authority: '10.9.0.1:80', headers: [] });
    const http = new Party(stream);
    stream.read(http);
    http.send('GET /api HTTP/1.1\r\nHost: db.shop\r\nX-User: me\r\n\r\n');
    await until('it is answered', () => http.text.startsWith('HTTP/1.1 503'));
    await until('a worker says why', () => readFileSync(log, 'utf8').includes('an endpoint could not be reached'));
    await waypoint.stop();
  } finally {
    closeSync(logFd);
  }
});

test('a configuration that cannot be used is refused with its place', async () => {
  const file = join(directory, 'bad.json');
  for (const [text, path] of [
    ['{', '$'],
    ['{"service": []}', '$.service'],
    ['{"routes": [{"kind": "Pod"}]}', '$.routes[0]'],
    ['{}', '$.certificate'],
    ['{"certificate": {"key": "/key.pem"}}', '$.certificate.key'],
    ['{"certificate": {"privateKey": "/no/key.pem", "chain": "/c", "roots": "/r"}}', '$.certificate.privateKey'],
    [changed('routes', [routeWith({ filters: [{ type: 'New' }] })]), '$.routes[0].spec.rules[0]'],
    [changed('listeners', [{ ...listener, service: 'shop/other' }]), '$.listeners[0].service'],
    [changed('listeners', [{ ...listener, port: 8 }]), '$.listeners[0].port'],
  ] as const) {
    writeFileSync(file, text);
    await assert.rejects(open(file, 'off'), (error: Error & { readonly data?: { readonly path?: string } }) => {
      assert.equal(error.data?.path, path);
      // What was expected, or what whoever read it said.
      assert.equal('reason' in error.data, error.cause !== undefined);
      return true;
    });
  }
});
