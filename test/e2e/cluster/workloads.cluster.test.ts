/** Kinds of pods and of traffic that the mesh must carry, or leave alone. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { until } from '@ambit/mesh/testing';
import { ensureAmbit, redirectionBecomes } from './harness/ambit.ts';
import { SETTLE_MS } from './harness/calls.ts';
import { Cluster, CLUSTER_VARIABLE, KIT, type Manifest, run } from './harness/cluster.ts';
import { assertEncrypted, MARKER, watchLink } from './harness/link.ts';
import { AGNHOST_IMAGE, agnhostPod, HTTP_PORT, pod, service } from './harness/pods.ts';
import { Scene } from './harness/scene.ts';

const NS = 'workloads';
const STRICT = 'workloads-strict';
const UDP_PORT = 8081;
const NETEXEC = ['netexec', `--http-port=${HTTP_PORT}`, `--udp-port=${UDP_PORT}`];
const CURL = ['curl', '-sS', '--max-time', '5'];
const SERVER_URL = `http://server.${STRICT}:${HTTP_PORT}`;

const cluster = Cluster.fromEnvironment();
const [first, second] = cluster.nodes;
await ensureAmbit(cluster);
const strict: Manifest = {
  apiVersion: 'ambit.dev/v1alpha1',
  kind: 'MutualTLSPolicy',
  metadata: { namespace: STRICT, name: 'strict' },
  spec: { mode: 'Strict' },
};
const ports = [
  { name: 'http', port: HTTP_PORT },
  { name: 'udp', port: UDP_PORT, protocol: 'UDP' },
] as const;
const scene = await Scene.open(cluster, {
  namespaces: { [NS]: 'ambient', [STRICT]: 'ambient' },
  objects: [
    strict,
    service(STRICT, 'server', ports),
    service(STRICT, 'headless', ports, { clusterIP: 'None', selector: { app: 'server' } }),
    service(NS, 'open', ports, { type: 'NodePort' }),
    agnhostPod(STRICT, 'server', NETEXEC, { node: second }),
    agnhostPod(NS, 'open', NETEXEC, { node: second }),
    agnhostPod(NS, 'client', NETEXEC, { node: first }),
    agnhostPod(NS, 'host', ['netexec', '--http-port=18080'], { node: first, spec: { hostNetwork: true } }),
  ],
  clients: [],
});
after(() => scene.close());
await redirectionBecomes(cluster, STRICT, 'server', 'enabled');

function exec(name: string, ...command: string[]): Promise<string> {
  return cluster.kubectl(['-n', NS, 'exec', name, '--', ...command]);
}

for (const host of [`server.${STRICT}`, `headless.${STRICT}`, `server.${STRICT}.svc.cluster.local`]) {
  test(`by name: ${host}`, async () => {
    using link = watchLink(cluster, second);
    const data = MARKER.repeat(1000);
    const said = await exec('client', ...CURL, '--data', data, `http://${host}:${HTTP_PORT}/hostname`);
    assert.equal(said, 'server');
    assertEncrypted(link, data.length);
  });
}

test('a Job whose init container and container call at once, and end', async () => {
  const command = ['curl', '-sS', '--fail', '--max-time', '10', `${SERVER_URL}/hostname`];
  const calling = { image: AGNHOST_IMAGE, command };
  await cluster.apply({
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { namespace: NS, name: 'job' },
    spec: {
      backoffLimit: 0,
      completions: 4,
      parallelism: 2,
      template: {
        spec: {
          restartPolicy: 'Never',
          initContainers: [{ name: 'init', ...calling }],
          containers: [{ name: 'main', ...calling }],
        },
      },
    },
  });
  await cluster.kubectl(['-n', NS, 'wait', '--for=condition=Complete', '--timeout=50s', 'job/job']);
  assert.equal(await cluster.kubectl(['-n', NS, 'logs', 'job/job', '--all-containers']), 'serverserver');
});

test('a pod in the host network is left alone, and served where plaintext may', async () => {
  const said = await exec('host', ...CURL, `http://${scene.pod(`${NS}/open`).ip}:${HTTP_PORT}/hostname`);
  assert.equal(said, 'open');
  await redirectionBecomes(cluster, NS, 'host', null);
  assert.equal(await exec('client', ...CURL, `http://${scene.pod(`${NS}/host`).ip}:18080/hostname`), first);
});

test('kubectl exec, logs and port-forward', async () => {
  assert.equal((await cluster.kubectl(['-n', STRICT, 'exec', 'server', '--', 'hostname'])).trim(), 'server');
  assert.match(await cluster.kubectl(['-n', STRICT, 'logs', 'server']), /Started HTTP server/);
  const forward = spawn(
    join(KIT, 'cluster'),
    ['kubectl', '-n', STRICT, 'port-forward', 'pod/server', `:${HTTP_PORT}`],
    {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, [CLUSTER_VARIABLE]: cluster.name },
    },
  );
  try {
    const [line] = (await once(createInterface({ input: forward.stdout }), 'line')) as [string];
    const address = /from (127\.0\.0\.1:\d+)/.exec(line)?.[1];
    assert.equal(await run('curl', [...CURL.slice(1), `http://${address}/hostname`]), 'server');
  } finally {
    forward.kill();
  }
});

test('NodePort, from outside the cluster', async () => {
  const port = await cluster.read(['-n', NS, 'service', 'open'], '{.spec.ports[0].nodePort}');
  for (const node of cluster.nodes) {
    const address = await cluster.read(['node', node], '{.status.addresses[?(@.type=="InternalIP")].address}');
    assert.equal(await run('curl', [...CURL.slice(1), `http://${address}:${port}/hostname`]), 'open', node);
  }
});

test('UDP is left alone, by address and through a Service', async () => {
  const hosts = [scene.pod(`${STRICT}/server`).ip, `server.${STRICT}`];
  for (const host of hosts) {
    const query = `host=${host}&port=${UDP_PORT}&protocol=udp&request=hostname&tries=1`;
    const said = await exec('client', ...CURL, `http://127.0.0.1:${HTTP_PORT}/dial?${query}`);
    assert.deepEqual(JSON.parse(said), { responses: ['server'] }, host);
  }
});

test('DNS is left alone', async () => {
  const name = 'kubernetes.default.svc.cluster.local';
  const said = await exec('client', ...CURL, '-k', '-o', '/dev/null', '-w', '%{remote_ip}', `https://${name}/version`);
  assert.equal(said, await cluster.read(['-n', 'default', 'service', 'kubernetes'], '{.spec.clusterIP}'));
  await assert.rejects(exec('client', ...CURL, 'http://no.such.name.test/'), /not resolve/);
});

test('a pod that is deleted while it is called, and its successor', async () => {
  const successor = pod(NS, 'shortlived', AGNHOST_IMAGE, { node: second, container: { args: NETEXEC } });
  for (let round = 0; round < 3; round++) {
    await cluster.apply(successor);
    await scene.awaitPods([`${NS}/shortlived`]);
    const { ip } = scene.pod(`${NS}/shortlived`);
    await until(
      'the new pod answers',
      () => exec('client', ...CURL, `http://${ip}:${HTTP_PORT}/hostname`).catch(() => null),
      SETTLE_MS,
    );
    await cluster.kubectl(['-n', NS, 'delete', 'pod', 'shortlived', '--wait']);
  }
});
