import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import type { Socket } from 'node:net';
import { describe, test } from 'node:test';
import tls from 'node:tls';
import { parseIpAddress, parsePort, type Probe } from '@ambit/mesh/model';
import { buildPolicy, rootTestOptions } from '@ambit/mesh/testing';
import { encodeHealthRequest, encodeHealthResponse, HEALTH_CHECK_PATH, type HealthStatus } from '@ambit/mesh/wire';
import { PROBE_LIMITS } from '../src/proxy/probes/limits.ts';
import { probeSecureContext } from '../src/proxy/probes/probe-certificate.ts';
import { PodWorld, readAll, until } from './pod-world.ts';

const options = { ...rootTestOptions(), timeout: 120_000 };
const refusal = { code: 'ECONNRESET' };

const timeoutMs = 20_000;
const HTTP: Probe = {
  kind: 'http',
  port: parsePort(8080),
  timeoutMs,
  target: '/healthz?full',
  secure: false,
  headers: [{ name: 'x-token', value: 'secret' }],
};
const HTTPS: Probe = { ...HTTP, port: parsePort(8443), secure: true };
const GRPC: Probe = { kind: 'grpc', port: parsePort(9000), timeoutMs, service: 'live' };
const TCP: Probe = { kind: 'tcp', port: parsePort(5432), timeoutMs };
const STRICT = buildPolicy({ name: 'strict', action: 'deny', match: [{ notPrincipals: ['*'] }] });

/** `node` stands for the host of `server`: it has the address the kubelet, and a NodePort's client, come from. */
async function probedPod(probes: readonly Probe[], policies = [STRICT]): Promise<PodWorld> {
  const nodeAddresses = [parseIpAddress('10.77.0.1')];
  const world = await PodWorld.create(
    [
      { name: 'node', captured: false },
      { name: 'server', probes: { nodeAddresses, probes } },
      { name: 'stranger', captured: false },
    ],
    { mesh: { policies } },
  );
  world.update({ removedWorkloads: [world.pod('node').workload.uid] });
  return world;
}

/** Everything the application ever got, and an answer to each request it heard. */
async function serveHttp(world: PodWorld, port: number, answer: string): Promise<string[]> {
  const heard: string[] = [];
  await world.pod('server').serve(port, (socket) => {
    socket.on('data', (chunk) => {
      heard.push(chunk.toString());
      socket.end(answer);
    });
  });
  return heard;
}

function results(world: PodWorld): Record<string, number> {
  const { probes, refusals } = world.nodeOf('server').metrics();
  return Object.fromEntries([
    ...probes.filter(([, , count]) => count > 0).map(([kind, result, count]) => [`${kind} ${result}`, count]),
    ...refusals.map(([, reason, count]) => [reason, count]),
  ]);
}

/** Recorded a moment after the caller has its answer. */
async function untilResults(world: PodWorld, expected: Record<string, number>): Promise<void> {
  const sum = (counts: Record<string, number>): number =>
    Object.values(counts).reduce((total, count) => total + count, 0);
  await until(() => sum(results(world)) >= sum(expected), 10_000);
  assert.deepEqual(results(world), expected);
}

const KUBELET =
  'GET /healthz?full HTTP/1.1\r\nHost: 10.77.0.2:8080\r\nUser-Agent: kube-probe/1.36\r\nX-Token: secret\r\nConnection: close\r\n\r\n';
const BARE = 'HTTP/1.1 200 \r\ncontent-length: 0\r\nconnection: close\r\n\r\n';

describe('an HTTP probe of a pod that refuses plaintext', () => {
  test('is asked by the agent as declared, and answered with the bare status', options, async () => {
    await using world = await probedPod([HTTP]);
    const heard = await serveHttp(world, 8080, 'HTTP/1.1 200 OK\r\nset-cookie: session\r\n\r\nprivate');
    assert.equal(await world.pod('node').exchange('10.77.0.2:8080', KUBELET), BARE);
    assert.deepEqual(heard, [
      'GET /healthz?full HTTP/1.1\r\nhost: 10.77.0.2:8080\r\nuser-agent: kube-probe/ambit\r\naccept: */*\r\nx-token: secret\r\nconnection: close\r\n\r\n',
    ]);
    await untilResults(world, { 'http passed': 1 });
  });

  test('fails when the application says so, and breaks when there is none', options, async () => {
    await using world = await probedPod([HTTP]);
    await assert.rejects(world.pod('node').exchange('10.77.0.2:8080', KUBELET), refusal);
    await serveHttp(world, 8080, 'HTTP/1.1 503 Starting\r\n\r\n');
    assert.match(await world.pod('node').exchange('10.77.0.2:8080', KUBELET), /^HTTP\/1\.1 503 \r\n/);
    await untilResults(world, { 'http failed': 2 });
  });

  test('is carried like any connection where policy lets it through', options, async () => {
    await using world = await probedPod([HTTP], []);
    await serveHttp(world, 8080, 'HTTP/1.1 200 OK\r\n\r\nwhole answer');
    assert.match(await world.pod('node').exchange('10.77.0.2:8080', KUBELET), /whole answer$/);
    await untilResults(world, {});
  });

  test('over HTTPS is served under a certificate of nobody', options, async () => {
    await using world = await probedPod([HTTPS]);
    const heard: string[] = [];
    const secureContext = await probeSecureContext(Date.now());
    await world.pod('server').serve(8443, (socket) => {
      const secure = new tls.TLSSocket(socket, { isServer: true, secureContext });
      secure
        .on('error', () => {})
        .on('data', (chunk) => {
          heard.push(chunk.toString());
          secure.end('HTTP/1.1 302 Found\r\nlocation: https://elsewhere/\r\n\r\n');
        });
    });
    const secure = tls.connect({ socket: world.pod('node').dial('10.77.0.2:8443'), rejectUnauthorized: false });
    await once(secure, 'secureConnect');
    assert.deepEqual([secure.getPeerCertificate().subject.CN, secure.alpnProtocol], ['probe', false]);
    secure.write(KUBELET);
    assert.match(await readAll(secure), /^HTTP\/1\.1 302 \r\ncontent-length: 0\r\n/);
    assert.equal(heard.length, 1);
    await untilResults(world, { 'http passed': 1 });
  });
});

describe('a TCP probe of a pod that refuses plaintext', () => {
  test('connects to the application, and no byte passes either way', options, async () => {
    await using world = await probedPod([TCP]);
    let heard = '';
    let connections = 0;
    await world.pod('server').serve(5432, (socket) => {
      connections++;
      socket.write('a greeting that nobody hears');
      socket.on('data', (chunk) => (heard += chunk.toString()));
    });
    const probe = world.pod('node').dial('10.77.0.2:5432');
    await once(probe, 'connect');
    probe.destroy();
    // Whoever says something is not heard, whether its connection ends in order or not.
    assert.equal(
      await world
        .pod('node')
        .exchange('10.77.0.2:5432', 'SELECT')
        .catch(() => ''),
      '',
    );
    await until(() => results(world)['tcp passed'] === 2 && connections === 2, 10_000);
    assert.equal(heard, '');
  });

  test('beside an HTTP probe of the same port is told from it by its silence', options, async () => {
    await using world = await probedPod([HTTP, { ...TCP, port: parsePort(8080) }]);
    await serveHttp(world, 8080, 'HTTP/1.1 200 OK\r\n\r\n');
    const probe = world.pod('node').dial('10.77.0.2:8080');
    await once(probe, 'connect');
    probe.end();
    await until(() => results(world)['tcp passed'] === 1, 10_000);
    assert.equal(await world.pod('node').exchange('10.77.0.2:8080', KUBELET), BARE);
  });
});

describe('a gRPC probe of a pod that refuses plaintext', () => {
  function frame(message: Uint8Array): Buffer {
    return Buffer.concat([Buffer.of(0, 0, 0, 0, message.length), message]);
  }

  /** A gRPC server that answers each check with `health`, or refuses it with a status. */
  async function serveHealth(world: PodWorld, answer: { health: HealthStatus } | { code: string }): Promise<string[]> {
    const asked: string[] = [];
    await world.pod('server').serve(9000, (socket) => {
      const session = http2.performServerHandshake(socket);
      session
        .on('error', () => {})
        .on('stream', (stream, headers) => {
          stream
            .on('error', () => {})
            .on('data', (chunk: Buffer) => {
              asked.push(`${String(headers[':path'])} ${chunk.subarray(5).toString('hex')}`);
              const head = { ':status': 200, 'content-type': 'application/grpc+proto' };
              if ('code' in answer) return stream.respond({ ...head, 'grpc-status': answer.code }, { endStream: true });
              stream.respond(head, { waitForTrailers: true });
              stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
              stream.end(frame(encodeHealthResponse(answer.health)));
            });
        });
    });
    return asked;
  }

  /** As a kubelet asks: body and status of the answer, or the code of what broke. */
  async function check(world: PodWorld, service: string, path = HEALTH_CHECK_PATH): Promise<string> {
    const socket = world.pod('node').dial('10.77.0.2:9000');
    socket.allowHalfOpen = false;
    const session = http2.connect('http://10.77.0.2:9000', { createConnection: () => socket });
    const broken = new Promise<string>((resolve) => session.on('error', () => {}).on('close', () => resolve('broken')));
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    let status: unknown;
    stream.on('error', () => {}).on('response', (headers) => (status = headers['grpc-status']));
    stream.on('trailers', (headers) => (status ??= headers['grpc-status']));
    stream.end(frame(encodeHealthRequest(service)));
    const whole = readStream(stream).then((body) => `${body.subarray(5).toString('hex')} ${String(status)}`);
    const answer = await Promise.race([whole, broken]).catch(() => 'broken');
    session.destroy();
    return answer.startsWith(' undefined') ? 'broken' : answer;
  }

  async function readStream(stream: AsyncIterable<Buffer>): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  for (const [what, answer, expected, result] of [
    ['that serves', { health: 1 }, '0801 0', 'grpc passed'],
    ['that does not serve', { health: 2 }, '0802 0', 'grpc failed'],
    ['without health checks', { code: '12' }, ' 12', 'grpc failed'],
  ] as const) {
    test(`is given the answer of a server ${what}`, options, async () => {
      await using world = await probedPod([GRPC]);
      const asked = await serveHealth(world, answer);
      assert.equal(await check(world, 'live'), expected);
      assert.deepEqual(asked, [`${HEALTH_CHECK_PATH} 0a046c697665`]);
      await untilResults(world, { [result]: 1 });
    });
  }

  test('says that nobody is there when nobody listens', options, async () => {
    await using world = await probedPod([GRPC]);
    assert.equal(await check(world, 'live'), ' 14');
    await untilResults(world, { 'grpc failed': 1 });
  });

  test('asks for no other service and calls no other method', options, async () => {
    await using world = await probedPod([GRPC]);
    const asked = await serveHealth(world, { health: 1 });
    assert.equal(await check(world, 'other'), 'broken');
    assert.equal(await check(world, 'live', '/grpc.health.v1.Health/Watch'), 'broken');
    await until(() => results(world)['probe-only'] === 2, 10_000);
    assert.deepEqual(asked, []);
  });
});

describe('a client of a NodePort, which shares the address of the kubelet', () => {
  test('gets nothing from the application but what the probe would give', options, async () => {
    await using world = await probedPod([HTTP, TCP]);
    const reached: string[] = [];
    for (const port of [8080, 5432, 8081]) {
      await world.pod('server').serve(port, (socket) => {
        socket.write('greeting');
        socket.on('data', (chunk) => void reached.push(chunk.toString()));
      });
    }
    const attacks: readonly [what: string, text: string][] = [
      ['another path', KUBELET.replace('/healthz?full', '/admin')],
      ['another query', KUBELET.replace('full', 'full&x')],
      ['no token', KUBELET.replace('X-Token: secret\r\n', '')],
      ['another method', KUBELET.replace('GET', 'POST')],
      ['a second request behind', KUBELET + KUBELET.replace('/healthz?full', '/admin')],
      ['an upgrade', KUBELET.replace('Connection: close', 'Connection: Upgrade\r\nUpgrade: websocket')],
      ['a body', KUBELET.replace('Connection: close', 'Content-Length: 3').concat('abc')],
      ['another protocol', 'SSH-2.0-x\r\n'],
      ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
      ['TLS', '\u0016\u0003\u0001\u0000\u0005hello'],
    ];
    for (const [what, text] of attacks) {
      await assert.rejects(world.pod('node').exchange('10.77.0.2:8080', text), refusal, what);
    }
    await assert.rejects(world.pod('node').exchange('10.77.0.2:8081', KUBELET), refusal);
    await assert.rejects(world.pod('stranger').exchange('10.77.0.2:8080', KUBELET), refusal);
    assert.deepEqual(reached, []);
    await untilResults(world, { 'probe-only': attacks.length, 'deny-policy-matched': 2 });
    const lines = world.nodeOf('server').records('inbound');
    assert.match(lines[0]?.get('error') ?? '', /^policy lets the node only probe here, .*: not a declared path/);
    assert.equal(
      lines.some((line) => [...line.values()].join().includes('secret')),
      false,
    );
  });

  test('cannot keep the kubelet out by connecting and saying nothing', options, async () => {
    await using world = await probedPod([HTTP]);
    await serveHttp(world, 8080, 'HTTP/1.1 200 OK\r\n\r\n');
    const idle: Socket[] = [];
    for (let i = 0; i < PROBE_LIMITS.concurrent + 10; i++) {
      const socket = world.pod('node').dial('10.77.0.2:8080');
      await once(socket, 'connect');
      idle.push(socket);
    }
    assert.equal(await world.pod('node').exchange('10.77.0.2:8080', KUBELET), BARE);
    // Each was closed to make room for another, or because its time was over.
    const closed = (): number => (results(world)['too-many-probes'] ?? 0) + (results(world)['probe-timeout'] ?? 0);
    await until(() => closed() === idle.length, 30_000);
    assert.ok((results(world)['probe-timeout'] ?? 0) > 0);
    assert.equal(
      idle.every((socket) => socket.bytesRead === 0),
      true,
    );
  });

  test('is not waited for once the pod is gone', options, async () => {
    await using world = await probedPod([HTTP]);
    const socket = world.pod('node').dial('10.77.0.2:8080');
    await once(socket, 'connect');
    socket.write('GET /he');
    const broken = once(socket, 'error');
    await world.remove('server');
    assert.deepEqual(
      (await broken).map((error: { code?: string }) => error.code),
      ['ECONNRESET'],
    );
  });
});

test('a probe is given up after the time that it declares', options, async () => {
  await using world = await probedPod([{ ...HTTP, timeoutMs: 500 }]);
  let closed = false;
  await world.pod('server').serve(8080, (socket) => void socket.resume().once('end', () => (closed = true)));
  await assert.rejects(world.pod('node').exchange('10.77.0.2:8080', KUBELET), refusal);
  await until(() => closed, 10_000);
  await untilResults(world, { 'http failed': 1 });
});
