import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { after, afterEach, before, describe, test } from 'node:test';
import { until } from '@ambit/mesh/testing';
import { accessRecords, type AccessRecord } from '../demo/access-log.ts';
import { accessPolicy, addressesOf } from '../scenarios/manifests.ts';
import { logsOf } from '../scenarios/scenario.ts';
import { requireSandbox } from '../world/sandbox.ts';
import { INTRUDER_ID, MACHINE_ID, MeshWithMachine, SERVER } from './mesh-with-machine.ts';
import { type PeerOutcome, PeerProgram, runPeer, SAYS_MS } from './peer-program.ts';
import { type ConnectEvent, exchangeBytes, openTunnels, type PeerFiles, startRole, tlsArguments } from './peers.ts';
import { goPrograms } from './programs.ts';

const [SERVER_V4, SERVER_V6] = addressesOf(SERVER);
const SERVER_ID = 'spiffe://cluster.local/ns/shop/sa/server';
const CLIENT_ID = 'spiffe://cluster.local/ns/shop/sa/client';
const MACHINE_V4 = '10.9.0.2';
const MACHINE_V6 = 'fd10:9::2';
const ECHO_HTTP = 8180;
const ECHO_TCP = 9190;
const ECHO_GRPC = 7170;
const BYTES_PORT = 9200;

describe("Istio's HBONE with certificates of our controller", { skip: requireSandbox() }, () => {
  let mesh: MeshWithMachine;
  let machine: PeerFiles;
  const running = new AsyncDisposableStack();

  before(async () => {
    mesh = await MeshWithMachine.start('interop-hbone');
    running.use(mesh);
    machine = await mesh.certificateOf(MACHINE_ID, 'machine');
    const ports = ['--port', `${ECHO_HTTP}`, '--tcp', `${ECHO_TCP}`, '--grpc', `${ECHO_GRPC}`];
    for (const spawn of [mesh.inPod('server'), mesh.onMachine]) {
      const echo = running.use(new PeerProgram(spawn, goPrograms().echoServer, ports));
      await until(
        'the echo server listens',
        () => [echo.complaint, ...echo.lines].join().includes('Listening GRPC'),
        SAYS_MS,
      );
      running.use(await startRole(spawn, 'tcp-server', ['-listen', `:${BYTES_PORT}`]));
    }
  });
  afterEach((t) => {
    if ('passed' in t && !t.passed) console.error(logsOf(mesh.world));
  });
  after(() => running.disposeAsync());

  /** Istio's echo client on the machine, through our agent's tunnel port. */
  const echoFromMachine = (url: string, files: PeerFiles = machine): Promise<PeerOutcome> => {
    const proxy = url.includes('[') ? `[${SERVER_V6}]:15008` : `${SERVER_V4}:15008`;
    return runPeer(mesh.onMachine, goPrograms().echoClient, [
      ...['--hbone', proxy, '--hbone-client-cert', files.certificate, '--hbone-client-key', files.key],
      // It compares host names, which certificates of a mesh do not have.
      ...['--hbone-insecure-skip-verify', '--count', '3', url],
    ]);
  };
  const echoFromPod = (url: string): Promise<PeerOutcome> =>
    runPeer(mesh.inPod('client'), goPrograms().echoClient, ['--count', '3', url]);
  const recordsOf = (
    direction: 'inbound' | 'outbound',
    match: (record: AccessRecord) => boolean,
  ): Promise<AccessRecord> =>
    until(`host-a writes the ${direction} record`, () =>
      accessRecords(mesh.world.accessLog('host-a'), direction).findLast(match),
    );

  test('the certificate that a Go client gets is what Istio issues: one URI, leaf and intermediate, root last', async () => {
    const { code, chain } = await mesh.askCertificate(['-identity', MACHINE_ID, '-validity', '1h']);
    assert.equal(code, 'OK');
    const [leaf, intermediate, root] = (chain ?? []).map((pem) => new X509Certificate(pem));
    assert.ok(leaf !== undefined && intermediate !== undefined && root !== undefined);
    assert.equal(chain?.length, 3);
    assert.equal(leaf.subjectAltName, `URI:${MACHINE_ID}`);
    assert.equal(leaf.subject, undefined);
    assert.ok(
      leaf.verify(intermediate.publicKey) && intermediate.verify(root.publicKey) && root.verify(root.publicKey),
    );
    const hours = (Date.parse(leaf.validTo) - Date.now()) / 3_600_000;
    assert.ok(hours > 0.9 && hours <= 1, `valid for ${hours} h`);
  });

  test('requests the controller must refuse get the status Istio gives', async () => {
    const ask = async (args: readonly string[], access?: readonly string[]): Promise<string> =>
      (await mesh.askCertificate(args, access)).code;
    assert.equal(await ask(['-identity', CLIENT_ID]), 'PermissionDenied', 'the identity of a pod on another node');
    assert.equal(await ask(['-identity', MACHINE_ID, '-csr-identity', CLIENT_ID]), 'PermissionDenied');
    assert.equal(await ask(['-identity', 'spiffe://other.example/ns/outside/sa/machine']), 'PermissionDenied');
    assert.equal(await ask(['-identity', 'machine']), 'PermissionDenied');
    for (const key of ['p384', 'rsa']) {
      assert.equal(await ask(['-identity', MACHINE_ID, '-key-type', key]), 'PermissionDenied', key);
    }
    const [, address = '', , roots = ''] = mesh.controllerArguments();
    const anonymous = ['-controller', address, '-controller-roots', roots];
    assert.equal(await ask(['-identity', MACHINE_ID], anonymous), 'Unauthenticated');
    assert.equal(await ask(['-identity', MACHINE_ID], [...anonymous, '-token', 'no-token-of-ours']), 'Unauthenticated');
  });

  for (const [name, url] of [
    ['HTTP', `http://${SERVER_V4}:${ECHO_HTTP}/`],
    ['HTTP over IPv6', `http://[${SERVER_V6}]:${ECHO_HTTP}/`],
    ['gRPC', `grpc://${SERVER_V4}:${ECHO_GRPC}`],
    ['TCP', `tcp://${SERVER_V4}:${ECHO_TCP}`],
    ['WebSocket', `ws://${SERVER_V4}:${ECHO_HTTP}/`],
  ] as const) {
    test(`Istio's echo client reaches an enrolled pod through our tunnel port: ${name}`, async () => {
      const { code, lines, complaint } = await echoFromMachine(url);
      assert.equal(code, 0, complaint);
      const source = url.includes('[') ? MACHINE_V6 : MACHINE_V4;
      const seen = lines.filter((line) => line.includes(`IP=${source}`));
      assert.equal(seen.length, 3, `the app sees the machine's own address:\n${lines.join('\n')}`);
    });

    test(`Istio's echo client in an enrolled pod is captured, and its HBONE server carries it: ${name}`, async () => {
      const there = url.replace(SERVER_V4, MACHINE_V4).replace(SERVER_V6, MACHINE_V6);
      await using server = await startRole(mesh.onMachine, 'hbone-server', tlsArguments(machine));
      const { code, complaint } = await echoFromPod(there);
      assert.equal(code, 0, complaint);
      const connect = await server.event<ConnectEvent>('connect');
      assert.equal(connect.authority, /\/\/([^/]*)/.exec(there)?.[1]);
      assert.equal(connect.tls.peer, CLIENT_ID);
    });
  }

  test('what Istio and Ambit agree on, and what the request says', async () => {
    const inbound = await openTunnels(mesh.onMachine, machine, `${SERVER_V4}:15008`, `${SERVER_V4}:${BYTES_PORT}`, [
      ...['-peer', SERVER_ID],
    ]);
    const agreed = { version: 'TLS 1.3', group: 'X25519MLKEM768', protocol: 'h2' };
    assert.deepEqual({ ...inbound.tls, suite: undefined }, { ...agreed, suite: undefined, peer: SERVER_ID });
    assert.match(inbound.tls.suite, /^TLS_AES_(?:128_GCM_SHA256|256_GCM_SHA384)$/);
    await using server = await startRole(mesh.onMachine, 'hbone-server', [
      ...tlsArguments(machine),
      '-peer',
      CLIENT_ID,
    ]);
    const [sent] = await exchangeBytes(mesh.inPod('client'), `${MACHINE_V4}:${BYTES_PORT}`);
    assert.equal(sent?.ok, true, sent?.error);
    const { authority, headers, tls } = await server.event<ConnectEvent>('connect');
    assert.equal(authority, `${MACHINE_V4}:${BYTES_PORT}`);
    assert.deepEqual({ ...tls, suite: undefined }, { ...agreed, suite: undefined, peer: CLIENT_ID });
    assert.deepEqual(headers['Forwarded'], [`for="${sent?.local}"`]);
    assert.match(headers['Traceparent']?.[0] ?? '', /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    assert.equal(
      headers['Baggage']?.[0],
      'k8s.cluster.name=Kubernetes,k8s.namespace.name=shop,k8s.pod.name=client,service.name=client,service.version=latest',
    );
    assert.deepEqual(Object.keys(headers).toSorted(), ['Baggage', 'Forwarded', 'Traceparent']);
  });

  test('a hundred tunnels share one connection each way, and megabytes pass unchanged', async () => {
    const many = await openTunnels(mesh.onMachine, machine, `${SERVER_V4}:15008`, `${SERVER_V4}:${BYTES_PORT}`, [
      ...['-count', '100', '-bytes', '100000'],
    ]);
    assert.deepEqual(
      many.tunnels.filter(({ ok }) => !ok),
      [],
    );
    assert.equal(many.connections, 1);
    const large = await openTunnels(mesh.onMachine, machine, `${SERVER_V4}:15008`, `${SERVER_V4}:${BYTES_PORT}`, [
      ...['-count', '2', '-bytes', '30000000'],
    ]);
    assert.deepEqual(
      large.tunnels.filter(({ ok }) => !ok),
      [],
    );
    await using server = await startRole(mesh.onMachine, 'hbone-server', tlsArguments(machine));
    const to = `${MACHINE_V4}:${BYTES_PORT}`;
    const outbound = await exchangeBytes(mesh.inPod('client'), to, { bytes: 100_000, count: 100 });
    assert.deepEqual(
      outbound.filter(({ ok }) => !ok),
      [],
    );
    assert.equal(server.lines.filter((line) => line.includes('"connect"')).length, 100);
    const [huge] = await exchangeBytes(mesh.inPod('client'), to, { bytes: 30_000_000 });
    assert.equal(huge?.ok, true, huge?.error);
  });

  test('the access log tells who called whom, whoever carries the other end', async () => {
    await openTunnels(mesh.onMachine, machine, `${SERVER_V4}:15008`, `${SERVER_V4}:${BYTES_PORT}`);
    const target = `${SERVER_V4}:${BYTES_PORT}`;
    const { fields } = await recordsOf('inbound', (record) => record.fields.get('dst.hbone_addr') === target);
    assert.equal(fields.get('src.identity'), MACHINE_ID);
    assert.equal(fields.get('src.workload'), 'machine');
    assert.equal(fields.get('dst.identity'), SERVER_ID);
    assert.equal(fields.get('dst.addr'), `${SERVER_V4}:15008`);
  });

  const tunnelError = async (files: PeerFiles): Promise<string | undefined> => {
    const { tunnels } = await openTunnels(mesh.onMachine, files, `${SERVER_V4}:15008`, `${SERVER_V4}:${BYTES_PORT}`);
    return tunnels[0]?.error;
  };
  const hold = (files: PeerFiles): Promise<PeerProgram> =>
    startRole(mesh.onMachine, 'hbone-hold', [
      ...['-proxy', `${SERVER_V4}:15008`, '-target', `${SERVER_V4}:${BYTES_PORT}`, ...tlsArguments(files)],
    ]);

  test('policy is enforced by the identity that the certificate states, also on a live tunnel', async () => {
    const intruder = await mesh.certificateOf(INTRUDER_ID, 'intruder');
    await using admitted = await hold(machine);
    await using cut = await hold(intruder);
    const from = [{ principals: ['cluster.local/ns/outside/sa/machine'] }];
    mesh.manifests.write('policy.yaml', accessPolicy('callers', 'server', { action: 'Allow', rules: [{ from }] }));
    await cut.event('ended');
    assert.match((await tunnelError(intruder)) ?? '', /401 Unauthorized/);
    assert.equal(await tunnelError(machine), undefined);
    mesh.manifests.remove('policy.yaml');
    await until('the intruder is let in again', async () => (await tunnelError(intruder)) === undefined);
    assert.deepEqual(admitted.lines, ['{"event":"listening"}'], 'the other tunnel lives on');
  });

  test("a service whose endpoint is the machine: its address leads to Istio's server, on the target port", async () => {
    mesh.manifests.write('service.yaml', {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'far', namespace: 'outside' },
      spec: { clusterIPs: ['10.20.0.9'], ports: [{ name: 'bytes', port: 80, targetPort: BYTES_PORT }] },
    });
    await using server = await startRole(mesh.onMachine, 'hbone-server', tlsArguments(machine));
    await until('the service is known', async () => (await exchangeBytes(mesh.inPod('client'), '10.20.0.9:80'))[0]?.ok);
    const connect = await server.event<ConnectEvent>('connect');
    assert.equal(connect.authority, `${MACHINE_V4}:${BYTES_PORT}`);
    assert.match(
      connect.headers['Forwarded']?.[0] ?? '',
      /^for="10\.10\.1\.10:\d+";host=far\.outside\.svc\.cluster\.local$/,
    );
    mesh.manifests.remove('service.yaml');
  });

  test("a node agent that stops tells Istio's client to go, and the next one serves it", async () => {
    const { nodeAgent } = mesh.world.processes('host-a');
    await using held = await hold(machine);
    await nodeAgent.stop('SIGTERM');
    const { count } = await held.event<{ readonly count: number }>('ended');
    assert.ok(count > 20, `it had ${count} more exchanges: the deadline of termination`);
    nodeAgent.start();
    await mesh.world.nodeAgentReady('host-a');
    await mesh.world.captured(['shop/client', 'shop/server']);
    assert.equal(await tunnelError(machine), undefined);
  });

  test('a certificate of another identity than expected carries nothing', async () => {
    const intruder = await mesh.certificateOf(INTRUDER_ID, 'intruder');
    await using server = await startRole(mesh.onMachine, 'hbone-server', tlsArguments(intruder));
    const to = `${MACHINE_V4}:${BYTES_PORT}`;
    const [refused] = await exchangeBytes(mesh.inPod('client'), to);
    assert.equal(refused?.ok, false);
    assert.deepEqual(server.lines.slice(1), []);
    await recordsOf('outbound', ({ fields }) => (fields.get('error') ?? '').includes('another identity than expected'));
  });

  test("an application that is not there: the status is Istio's, and Istio's 200 without an application is an early end", async () => {
    const { tunnels } = await openTunnels(mesh.onMachine, machine, `${SERVER_V4}:15008`, `${SERVER_V4}:1`);
    assert.match(tunnels[0]?.error ?? '', /503 Service Unavailable/);
    await using server = await startRole(mesh.onMachine, 'hbone-server', tlsArguments(machine));
    const [gone] = await exchangeBytes(mesh.inPod('client'), `${MACHINE_V4}:1`);
    assert.equal(gone?.ok, false);
    assert.equal(gone?.received, 0);
    assert.equal((await server.event<ConnectEvent>('connect')).authority, `${MACHINE_V4}:1`);
  });
});
