import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { buildService, rootTestOptions } from '@ambit/mesh/testing';
import { PodWorld, readAll, type TestPod, until } from './pod-world.ts';

const options = { ...rootTestOptions(), timeout: 120_000 };
const SERVICE = buildService({ addresses: ['10.77.255.1'], ports: ['80:8080'] });
const services = { [SERVICE.key]: ['80:8080'] };

/** A server that greets, then answers a line. */
async function serveGreeting(pod: TestPod, port = 8080): Promise<void> {
  await pod.serve(port, (socket) => {
    socket.write('220 ready\n');
    socket.once('data', (chunk) => socket.end(`you said ${chunk.toString()}`));
  });
}

describe('a server that speaks first', () => {
  for (const [from, how] of [
    ['client', 'through a tunnel'],
    ['outsider', 'in plaintext'],
  ] as const) {
    test(`is heard before its client says anything, ${how}`, options, async () => {
      await using world = await PodWorld.create([
        { name: 'client' },
        { name: 'server' },
        { name: 'outsider', captured: false },
      ]);
      await serveGreeting(world.pod('server'));
      const socket = world.pod(from).dial('10.77.0.2:8080');
      const [greeting]: Buffer[] = await once(socket, 'data');
      assert.equal(greeting?.toString(), '220 ready\n');
      socket.end('hello');
      assert.equal(await readAll(socket), 'you said hello');
    });
  }
});

test('a pod reaches itself by the address of its own service', options, async () => {
  await using world = await PodWorld.create([{ name: 'server', services }], { mesh: { services: [SERVICE] } });
  await serveGreeting(world.pod('server'));
  assert.equal(await world.pod('server').exchange('10.77.255.1:80', 'hello'), '220 ready\nyou said hello');
  const node = world.nodeOf('server');
  await until(() => node.lines.length === 2, 10_000);
  assert.deepEqual(
    [node.records('outbound'), node.records('inbound')].map(([record]) => record?.get('dst.service')),
    [SERVICE.hostname, SERVICE.hostname],
  );
});

test(
  'a service whose endpoint is outside the mesh, as that of the API server, is reached in plain TCP',
  options,
  async () => {
    await using world = await PodWorld.create(
      [
        { name: 'client' },
        { name: 'api', captured: false, addresses: ['10.99.0.1'], networkMode: 'host-network', services },
      ],
      { mesh: { services: [SERVICE] } },
    );
    await serveGreeting(world.pod('api'));
    world.pod('api').netns.run('ip', 'route', 'add', '10.77.0.0/16', 'dev', 'eth0');
    assert.equal(await world.pod('client').exchange('10.77.255.1:80', 'hello'), '220 ready\nyou said hello');
    await until(() => world.nodeOf('client').lines.length === 1, 10_000);
    assert.equal(world.nodeOf('client').records('outbound')[0]?.get('dst.addr'), '10.99.0.1:8080');
  },
);

test(
  'what a pod that ended was called by is refused and never sent to whoever has its address next in plaintext',
  options,
  async () => {
    await using world = await PodWorld.create([{ name: 'client' }, { name: 'job' }, { name: 'next', captured: false }]);
    const { uid } = world.pod('job').workload;
    world.update({ removedWorkloads: [uid] });
    await world.remove('job');
    let heard = 0;
    await world.pod('job').serve(8080, () => heard++);
    await assert.rejects(world.pod('client').exchange('10.77.0.2:8080', 'secret'), { code: 'ECONNRESET' });
    assert.equal(heard, 0);
    assert.deepEqual(world.nodeOf('client').metrics().refusals, [['outbound', 'unknown-destination', 1]]);
  },
);

test('a pod whose network vanishes before its end is announced takes nothing else with it', options, async () => {
  await using world = await PodWorld.create([
    { name: 'client' },
    { name: 'server', onNode: 'shared' },
    { name: 'neighbour', onNode: 'shared' },
  ]);
  for (const name of ['server', 'neighbour']) await serveGreeting(world.pod(name));
  const held = world.pod('client').dial('10.77.0.2:8080');
  await once(held, 'data');
  // Its interface goes at once; the namespace itself lives as long as the agent holds it.
  world.pod('server').netns.run('ip', 'link', 'delete', 'eth0');
  assert.equal(await world.pod('client').exchange('10.77.0.3:8080', 'hello'), '220 ready\nyou said hello');
  const { plane } = world.nodeOf('server');
  assert.equal(plane.metrics().open.destination, 1);
  await world.remove('server');
  assert.deepEqual([plane.metrics().open.destination, plane.metrics().cuts], [0, [['pod-removed', 1]]]);
  assert.equal(await world.pod('client').exchange('10.77.0.3:8080', 'hello'), '220 ready\nyou said hello');
  // Announced again, as when the CNI agent has not noticed yet: served, and removed again.
  await world.capture('server');
  await world.remove('server');
  held.destroy();
});

test('datagrams, DNS among them, are left alone', options, async () => {
  await using world = await PodWorld.create([{ name: 'client' }, { name: 'dns', captured: false }]);
  const server = world.pod('dns').netns;
  const echo =
    "require('dgram').createSocket('udp4').on('message', function (m, r) { this.send('answer to ' + m, r.port, r.address, () => process.exit()); }).bind(53, () => console.log('bound'))";
  const ask =
    "const s = require('dgram').createSocket('udp4').on('message', (m) => { console.log(String(m)); process.exit(); }); setInterval(() => s.send('question', 53, '10.77.0.2'), 200); setTimeout(() => process.exit(1), 90000)";
  const { spawn } = await import('node:child_process');
  const child = spawn('nsenter', [`--net=${server.path}`, process.execPath, '-e', echo], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  const asked = spawn('nsenter', [`--net=${world.pod('client').netns.path}`, process.execPath, '-e', ask], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [answer]: Buffer[] = await once(asked.stdout, 'data');
  assert.equal(answer?.toString(), 'answer to question\n');
  for (const program of [child, asked]) if (program.exitCode === null) await once(program, 'close');
  assert.deepEqual(world.nodeOf('client').lines, []);
});
