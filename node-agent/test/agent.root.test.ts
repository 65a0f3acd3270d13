import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { parseCidr } from '@ambit/mesh/model';
import { buildPolicy, openSpanCollector, rootTestOptions, until } from '@ambit/mesh/testing';
import { RANGES_TYPE_URL } from '@ambit/mesh/wire';
import { AgentWorld, serveEcho } from './agent-world.ts';

const options = { ...rootTestOptions(), timeout: 60_000 };
const refusal = { code: 'ECONNRESET' };

const SERVER_SPAN = 2;
const CLIENT_SPAN = 3;

interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly kind: number;
  readonly attributes: readonly { readonly key: string; readonly value: Readonly<Record<string, unknown>> }[];
  readonly status: { readonly code: number; readonly message?: string };
}

function spansOf(body: unknown): readonly OtlpSpan[] {
  const { resourceSpans } = body as { resourceSpans: { scopeSpans: { spans: OtlpSpan[] }[] }[] };
  return resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));
}

describe('a node agent', () => {
  test(
    'is ready once state and pods are known, serves them, and keeps serving while the controller is away',
    options,
    async () => {
      await using world = await AgentWorld.create();
      await world.startAgent();
      assert.match((await world.get('readiness', '/healthz/ready')).text, /pods/);
      await world.announce();
      await until('the agent is ready', async () => (await world.get('readiness', '/healthz/ready')).status === 200);
      await serveEcho(world.pod('server'));
      assert.equal(await world.pod('client').exchange('10.77.0.2:8080', 'hello'), 'hello');
      const held = world.pod('client').dial('10.77.0.2:8080');
      held.write('held');
      await once(held, 'data');

      await world.controller.stop();
      assert.equal(
        await world.pod('client').exchange('10.77.0.2:8080', 'without a controller'),
        'without a controller',
      );
      held.write('still');
      assert.equal(String((await once(held, 'data'))[0]), 'still');

      const broken = once(held.resume(), 'error');
      await world.controller.push({
        kind: 'policy',
        policy: buildPolicy({ action: 'deny', match: [{ serviceAccounts: ['shop/client'] }] }),
      });
      await world.controller.start();
      assert.equal(((await broken)[0] as NodeJS.ErrnoException).code, 'ECONNRESET');
      await assert.rejects(world.pod('client').exchange('10.77.0.2:8080', 'x'), refusal);
      await world.stopAgent();
      await assert.rejects(world.pod('client').exchange('10.77.0.2:8080', 'x'), { code: 'ECONNREFUSED' });
      const lines = readFileSync(world.accessLog, 'utf8').trimEnd().split('\n');
      assert.equal(
        lines.filter((line) => line.includes('connection complete') && line.includes('direction="inbound"')).length,
        3,
      );
    },
  );

  test(
    'follows the ranges of nodes when it is told to: what is unknown there is not called in plaintext',
    options,
    async () => {
      await using world = await AgentWorld.create();
      const ranges = { name: 'Node/n1', network: '', blocks: [parseCidr('10.77.0.0/16')] };
      await world.controller.push({ kind: 'ranges', ranges });
      await world.startAgent({ AMBIT_MESH_CIDRS: '', AMBIT_FOLLOW_NODE_RANGES: 'true' });
      await world.announce();
      await until('the agent is ready', async () => (await world.get('readiness', '/healthz/ready')).status === 200);
      await until('the ranges are in force', () => world.controller.acknowledged.includes(RANGES_TYPE_URL));
      await assert.rejects(world.pod('client').exchange('10.77.0.99:8080', 'x'), refusal);
      await until('the refusal is in the access log', () =>
        readFileSync(world.accessLog, 'utf8').includes('the destination is inside the mesh but not known'),
      );
    },
  );

  test('shows what it works with, without keys, and counts', options, async () => {
    await using world = await AgentWorld.create();
    await world.startAgent();
    await world.announce();
    await serveEcho(world.pod('server'));
    assert.equal(await world.pod('client').exchange('10.77.0.2:8080', 'hello'), 'hello');
    const { text } = await world.get('admin', '/config_dump');
    assert.doesNotMatch(text, /PRIVATE/);
    const dump = JSON.parse(text) as Readonly<Record<string, unknown>>;
    assert.deepEqual(Object.keys(dump), [
      'workloads',
      'services',
      'policies',
      'stagedServices',
      'staticConfig',
      'version',
      'config',
      'certificates',
      'workloadState',
      'source',
    ]);
    const certificates = dump['certificates'] as readonly {
      identity: string;
      state: string;
      certChain: unknown[];
      rootCerts: unknown[];
    }[];
    assert.deepEqual(
      certificates.map(({ identity, state, certChain, rootCerts }) => [
        identity,
        state,
        certChain.length,
        rootCerts.length,
      ]),
      ['client', 'server'].map((name) => [`spiffe://cluster.local/ns/shop/sa/${name}`, 'Available', 2, 1]),
    );
    await until('both ends are counted', async () => {
      const { text: metrics } = await world.get('metrics', '/metrics');
      const closed = metrics
        .split('\n')
        .filter((line) => line.startsWith('istio_tcp_connections_closed_total{') && line.endsWith(' 1'));
      return (
        closed.length === 2 &&
        closed.some(
          (line) => line.includes('reporter="destination"') && line.includes('connection_security_policy="mutual_tls"'),
        )
      );
    });
    assert.match((await world.get('admin', '/logging?level=debug', 'POST')).text, /debug/);
    assert.equal((await world.get('admin', '/logging?level=loud', 'POST')).status, 400);
    assert.equal((await world.get('admin', '/connections?limit=0')).status, 400);
    assert.deepEqual(JSON.parse((await world.get('admin', '/connections')).text), []);
    const workloads: unknown = JSON.parse((await world.get('admin', '/workloads')).text);
    assert.ok(Array.isArray(workloads) && workloads.length >= 2);
    for (const thread of ['main', 'data-0']) {
      const profile = await world.get('admin', `/debug/pprof/profile?seconds=0.05&format=cpuprofile&thread=${thread}`);
      assert.equal(JSON.parse(profile.text).nodes[0].callFrame.functionName, '(root)', thread);
    }
    assert.equal((await world.get('admin', '/debug/pprof/profile?seconds=0.01')).status, 200);
    const snapshot = await world.get('admin', '/debug/heap_snapshot', 'POST');
    assert.equal(snapshot.status, 403);
    assert.match(snapshot.text, /AMBIT_HEAP_SNAPSHOT_DIR/);
    for (const query of ['seconds=301', 'seconds=x', 'thread=data-1', 'format=svg', 'second=1'])
      assert.equal((await world.get('admin', `/debug/pprof/profile?${query}`)).status, 400, query);
    assert.equal((await world.get('admin', '/quitquitquit', 'POST')).status, 200);
    await until('the stop was asked for', () => world.stopRequests === 1);
  });

  test('exports a span per recorded connection, one trace on both sides of the tunnel', options, async () => {
    await using collector = await openSpanCollector();
    await using world = await AgentWorld.create();
    await world.startAgent({ AMBIT_TRACE_ENDPOINT: collector.url, AMBIT_TRACE_SAMPLING: '100' });
    await world.announce();
    await serveEcho(world.pod('server'));
    assert.equal(await world.pod('client').exchange('10.77.0.2:8080', 'hello'), 'hello');
    await assert.rejects(world.pod('client').exchange('10.77.0.2:8081', 'nobody'), refusal);
    // What is left is exported before it ends.
    await world.stopAgent();
    const spans = collector.bodies.flatMap(spansOf);
    assert.equal(spans.length, 4);
    const carried = spans.filter(({ status }) => status.code === 0);
    const client = carried.find(({ kind }) => kind === CLIENT_SPAN);
    const server = carried.find(({ kind }) => kind === SERVER_SPAN);
    assert.deepEqual(
      [server?.traceId, server?.parentSpanId, client?.parentSpanId],
      [client?.traceId, client?.spanId, undefined],
    );
    for (const span of [client, server]) {
      const attributes = new Map(span?.attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
      assert.equal(attributes.get('ambit.bytes_sent'), 5);
      assert.equal(attributes.get('ambit.source.identity'), 'spiffe://cluster.local/ns/shop/sa/client');
      assert.equal(attributes.get('ambit.destination.workload'), 'server');
    }
    const failed = spans.filter(({ status }) => status.code !== 0);
    assert.deepEqual(
      new Set(failed.map(({ status }) => status.message)),
      new Set(['the destination refused the connection', 'the tunnel peer refused the request']),
    );
  });

  test('follows the CNI agent through a new connection and a removed pod', options, async () => {
    await using world = await AgentWorld.create();
    await world.startAgent();
    await world.announce();
    await serveEcho(world.pod('server'));
    assert.equal(await world.pod('client').exchange('10.77.0.2:8080', 'first'), 'first');

    world.cni.hangUp();
    await world.cni.accept();
    assert.equal(await world.cni.send({ kind: 'keep', uid: 'uid-client' }), '');
    assert.match(await world.cni.send({ kind: 'keep', uid: 'uid-nobody' }), /not known/);
    const server = { name: 'server', namespace: 'shop', serviceAccount: 'server' };
    assert.equal(await world.cni.add('uid-server', server, world.pod('server').netns.path), '');
    assert.equal(await world.pod('client').exchange('10.77.0.2:8080', 'unchanged'), 'unchanged');
    assert.equal(await world.cni.send({ kind: 'snapshot-sent' }), '');
    assert.match(await world.cni.send({ kind: 'add', uid: 'uid-x', pod: server }), /namespace is missing/);
    assert.match(await world.cni.send({ kind: 'add', uid: 'uid-x' }, world.pod('server').netns.path), /workload_info/);
    assert.equal(await world.pod('client').exchange('10.77.0.2:8080', 'after'), 'after');

    assert.equal(await world.cni.send({ kind: 'delete', uid: 'uid-server' }), '');
    await assert.rejects(world.pod('client').exchange('10.77.0.2:8080', 'x'), refusal);
    // Its certificate goes with it.
    const dump = JSON.parse((await world.get('admin', '/config_dump')).text) as {
      certificates: { identity: string }[];
    };
    assert.deepEqual(
      dump.certificates.map(({ identity }) => identity),
      ['spiffe://cluster.local/ns/shop/sa/client'],
    );

    world.cni.hangUp();
    await world.cni.accept();
    assert.equal(await world.cni.send({ kind: 'snapshot-sent' }), '');
    await assert.rejects(world.pod('client').exchange('10.77.0.2:8080', 'x'), { code: 'ECONNREFUSED' });
  });

  test('refuses until it has certificates, and gets them as soon as the authority lets it', options, async () => {
    await using world = await AgentWorld.create();
    world.controller.refuseCertificates = true;
    await world.startAgent();
    await world.announce();
    await serveEcho(world.pod('server'));
    const answer = world.pod('client').exchange('10.77.0.2:8080', 'late');
    answer.catch(() => {});
    await until('the refusal was logged', () =>
      world.log.some((line) => line.includes('certificate could not be obtained')),
    );
    world.controller.refuseCertificates = false;
    assert.equal(await answer, 'late');
  });

  test('renews certificates at half of their life under running traffic', options, async () => {
    await using world = await AgentWorld.create();
    // Long enough for a busy machine to renew in the second half.
    world.controller.ttlMs = 8000;
    await world.startAgent();
    await world.announce();
    await serveEcho(world.pod('server'));
    const held = world.pod('client').dial('10.77.0.2:8080');
    held.write('held');
    await once(held, 'data');
    await until('each was renewed', async () => {
      assert.equal(await world.pod('client').exchange('10.77.0.2:8080', 'x'), 'x');
      return world.controller.issued.length >= 4;
    });
    held.write('still');
    assert.equal(String((await once(held, 'data'))[0]), 'still');
  });

  test('shares the connections of a pod among its workers and counts them together', options, async () => {
    await using world = await AgentWorld.create();
    await world.startAgent({ AMBIT_WORKERS: '2' });
    await world.announce();
    await serveEcho(world.pod('server'));
    const count = 40;
    await Promise.all(
      Array.from({ length: count }, async () => {
        assert.equal(await world.pod('client').exchange('10.77.0.2:8080', 'shared'), 'shared');
      }),
    );
    await until('all are counted, on both sides', async () => {
      const { text } = await world.get('metrics', '/metrics');
      return (
        text
          .split('\n')
          .filter((line) => line.startsWith('istio_tcp_connections_closed_total{') && line.endsWith(` ${count}`))
          .length === 2
      );
    });
  });

  test('turns unready, refuses new pods and lets connections end while it stops', options, async () => {
    await using world = await AgentWorld.create();
    await world.startAgent({ AMBIT_TERMINATION_DEADLINE: '20s' });
    await world.announce();
    await serveEcho(world.pod('server'));
    await until('the agent is ready', async () => (await world.get('readiness', '/healthz/ready')).status === 200);
    const held = world.pod('client').dial('10.77.0.2:8080');
    held.write('held');
    await once(held, 'data');
    const stopped = world.agent.stop();
    await until('the agent is not ready', async () => (await world.get('readiness', '/healthz/ready')).status === 500);
    await until('nothing new is accepted', async () =>
      world
        .pod('client')
        .exchange('10.77.0.2:8080', 'x')
        .then(
          () => false,
          ({ code }: NodeJS.ErrnoException) => code === 'ECONNREFUSED',
        ),
    );
    const late = { name: 'late', namespace: 'shop', serviceAccount: 'late' };
    assert.notEqual(await world.cni.add('uid-late', late, world.pod('client').netns.path), '');
    held.write('still');
    assert.equal(String((await once(held, 'data'))[0]), 'still');
    held.end();
    await stopped;
  });
});
