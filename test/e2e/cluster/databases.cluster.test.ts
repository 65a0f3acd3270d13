/** Servers of other people, among them some that speak first, through the mesh. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { ensureAmbit } from './harness/ambit.ts';
import { assertAllowed, callLine } from './harness/calls.ts';
import { Cluster, type Manifest } from './harness/cluster.ts';
import { assertEncrypted, MARKER, watchLink } from './harness/link.ts';
import { agnhostPod, appPod, DATABASES_IMAGE, pod } from './harness/pods.ts';
import { Scene } from './harness/scene.ts';

const NS = 'databases';
const REPEATS = 50_000;
const BYTES = MARKER.length * REPEATS;

const cluster = Cluster.fromEnvironment();
const [first, second] = cluster.nodes;
await ensureAmbit(cluster);

function server(name: string, port: number, script: string): Manifest {
  const readinessProbe = { tcpSocket: { port }, periodSeconds: 1 };
  return pod(NS, name, DATABASES_IMAGE, {
    node: second,
    container: { command: ['sh', '-c', script], readinessProbe, ports: [{ containerPort: port }] },
  });
}

const POSTGRES = `set -e
cd /data && bin=$(echo /usr/lib/postgresql/*/bin)
su postgres -c "$bin/initdb -D /data/db -A trust && echo 'host all all 0.0.0.0/0 trust' >>/data/db/pg_hba.conf"
exec su postgres -c "$bin/postgres -D /data/db -h 0.0.0.0 -k /data"`;

const scene = await Scene.open(cluster, {
  namespaces: { [NS]: 'ambient' },
  objects: [
    {
      apiVersion: 'ambit.dev/v1alpha1',
      kind: 'MutualTLSPolicy',
      metadata: { namespace: NS, name: 'strict' },
      spec: { mode: 'Strict' },
    },
    server('postgres', 5432, POSTGRES),
    server('redis', 6379, "exec redis-server --protected-mode no --save '' --bind 0.0.0.0"),
    server('nginx', 80, "exec nginx -g 'daemon off;'"),
    pod(NS, 'client', DATABASES_IMAGE, { node: first, container: { command: ['sleep', 'infinity'] } }),
    agnhostPod(NS, 'curl', ['pause'], { node: first }),
    appPod(NS, 'app', { node: first }),
    appPod(NS, 'greeter', { node: second }),
  ],
  clients: [`${NS}/app`],
});
after(() => scene.close());

async function overTheLink(bytes: number, work: () => Promise<void>): Promise<void> {
  using link = watchLink(cluster, second);
  await work();
  assertEncrypted(link, bytes);
}

function exec(name: string, ...command: string[]): Promise<string> {
  return cluster.kubectl(['-n', NS, 'exec', name, '--', ...command]);
}

test('PostgreSQL', () =>
  overTheLink(BYTES, async () => {
    const psql = ['psql', '-h', scene.pod(`${NS}/postgres`).ip, '-U', 'postgres', '-Atc'];
    const said = await exec('client', ...psql, `select repeat('${MARKER}', ${REPEATS})`);
    assert.equal(said.trim().length, BYTES);
  }));

test('Redis', () =>
  overTheLink(BYTES, async () => {
    const redis = ['redis-cli', '-h', scene.pod(`${NS}/redis`).ip];
    assert.equal((await exec('client', ...redis, 'ping')).trim(), 'PONG');
    const said = await exec('client', ...redis, 'eval', `return string.rep('${MARKER}', ${REPEATS})`, '0');
    assert.equal(said.trim().length, BYTES);
  }));

test('nginx', () =>
  overTheLink(500, async () => {
    const { ip } = scene.pod(`${NS}/nginx`);
    assert.match(await exec('curl', 'curl', '-sS', '--max-time', '5', `http://${ip}/`), /Welcome to nginx/);
  }));

test('a server that greets first and a client that waits for it, as with MySQL', async () => {
  const said = await callLine(scene, `${NS}/app`, `${NS}/greeter`);
  assert.ok(said.ok, said.error);
  assert.equal(said.servedBy, 'greeter');
  await assertAllowed(scene, `${NS}/app`, `${NS}/greeter`);
});
