import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import tls from 'node:tls';
import { test } from 'node:test';
import { type Carrier, CarrierDuplex, createHbonePool } from '@ambit/mesh/hbone';
import type { Service } from '@ambit/mesh/model';
import { servicePolicySet } from '@ambit/mesh/policies';
import { closedBackend } from '@ambit/mesh/route-wire';
import type { PortSecurity } from '@ambit/mesh/routes';
import { systemClock } from '@ambit/mesh/runtime';
import {
  buildService,
  buildWorkload,
  checkLeaks,
  createTestCa,
  environment,
  testIdentity,
  until,
} from '@ambit/mesh/testing';

import type { DataPlane } from '../src/worker/data-plane.ts';
import { Party } from './http-world.ts';
import { createPlane, waypointAt } from './plane.ts';

checkLeaks();

const ca = createTestCa();
const client = ca.issue(testIdentity('shop', 'client'));
const servers = createTestCa();
const SERVICE: Service = {
  ...buildService({ addresses: ['10.9.0.1'] }),
  ports: [
    { servicePort: 443, targetPort: 0, appProtocol: 'tls' },
    { servicePort: 444, targetPort: 0, appProtocol: 'tcp' },
    { servicePort: 445, targetPort: 0, appProtocol: 'unknown' },
  ],
};
const TLS: PortSecurity = {
  kind: 'tls',
  serverName: 'web.example',
  roots: { kind: 'pem', pem: servers.rootPem },
  altNames: [],
};

/** A waypoint in front of a server that answers in TLS to whatever it is told, with what it was told. */
class World implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();
  readonly #pool = this.#stack.use(createHbonePool<string>(environment));
  readonly #plane: DataPlane;
  #isMemoryShort = false;
  #port = 0;

  constructor() {
    const isMemoryShort = (): boolean => this.#isMemoryShort;
    this.#plane = createPlane({
      overload: {
        refusal: () => (isMemoryShort() ? 'memory' : null),
        get isMemoryShort() {
          return isMemoryShort();
        },
        shares: { memory: 0, lag: 0 },
      },
    });
    this.#stack.defer(() => this.#plane.drain(0));
  }

  static async open(): Promise<World> {
    await using half = new AsyncDisposableStack();
    const world = half.use(new World());
    const port = await world.#serve();
    const services = { [SERVICE.key]: [`443:${port}`, `444:${port}`, `445:${port}`] };
    const workload = buildWorkload({ addresses: ['127.0.0.1'], tunnelProtocol: 'none', services });
    world.#plane['set-svid']({ svid: ca.issue(testIdentity('shop', 'waypoint')) });
    world.#plane.configure({
      update: { services: [SERVICE], workloads: [workload] },
      routes: { put: [], removed: [] },
      policySets: { put: [{ name: servicePolicySet(SERVICE.key), includes: [], policies: [] }], removed: [] },
    });
    ({ port: world.#port } = await world.#plane.listen({ hbone: { host: '127.0.0.1', port: 0 }, plain: [] }));
    half.move();
    return world;
  }

  async #serve(): Promise<number> {
    const { privateKeyPem: key, chainPem: cert } = servers.issueCertificate({
      altNames: [{ kind: 'dns', value: 'web.example' }],
    });
    const sockets = new Set<Socket>();
    const server = tls.createServer({ key, cert }, (socket) => {
      socket.on('error', () => {});
      socket.on('data', (chunk) => {
        const [said = ''] = String(chunk).split('\r\n');
        if (said.endsWith('HTTP/1.1')) socket.end(`HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhttp`);
        else socket.write(`heard ${said}`);
      });
    });
    server.on('tlsClientError', () => {});
    server.on('connection', (socket: Socket) => void sockets.add(socket));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.#stack.defer(async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    });
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : assert.fail();
  }

  secure(security: PortSecurity): void {
    this.#plane['set-backends']({
      put: [{ service: SERVICE.key, secured: [{ ports: [443, 444, 445], security }] }],
      removed: [],
    });
  }

  /** As while what secures it cannot be read. */
  close(): void {
    this.#plane['set-backends']({ put: [closedBackend(SERVICE.key) ?? assert.fail()], removed: [] });
  }

  set isMemoryShort(isShort: boolean) {
    this.#isMemoryShort = isShort;
  }

  get refusals(): readonly (readonly [string, number])[] {
    return this.#plane.metrics().refusals;
  }

  async open(port: number): Promise<Carrier> {
    const target = waypointAt(this.#port, client);
    return (await this.#pool.openTunnel(target, { authority: `10.9.0.1:${port}`, headers: [] })).stream;
  }

  /** What is answered to a text; `cut` when the connection is. */
  async say(port: number, text: string): Promise<string> {
    const party = new Party(await this.open(port));
    party.carrier.read(party);
    party.send(text);
    await until('an answer', () => party.text !== '' || party.isOver);
    const { text: answer } = party;
    if (!party.isOver) party.carrier.reset();
    return answer === '' ? 'cut' : answer.slice(answer.lastIndexOf('\r\n') + 1).trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

const GET = 'GET / HTTP/1.1\r\nHost: web\r\n\r\n';

test('what is no HTTP goes in TLS as well to a port with a policy', async () => {
  await using world = await World.open();
  world.secure(TLS);
  assert.equal(await world.say(444, 'hello'), 'heard hello');
  assert.equal(await world.say(445, 'hello\r\n'), 'heard hello');
  assert.equal(await world.say(445, GET), 'http');
});

test('clients of a port that is declared TLS are carried as they are, unless they speak HTTP', async () => {
  await using world = await World.open();
  world.secure(TLS);
  assert.equal(await world.say(443, GET), 'http');
  const socket = tls.connect({
    socket: new CarrierDuplex(await world.open(443), systemClock),
    ca: servers.rootPem,
    servername: 'web.example',
  });
  await once(socket, 'secureConnect');
  socket.write('hello');
  const [chunk] = await once(socket, 'data');
  assert.equal(String(chunk), 'heard hello');
  socket.destroy();
});

test('nothing is carried to a port whose policy is not usable', async () => {
  await using world = await World.open();
  world.secure({ kind: 'invalid', reason: 'Invalid' });
  assert.equal(await world.say(444, 'hello'), 'cut');
  assert.equal(await world.say(445, 'hello\r\n'), 'cut');
});

test('nothing is carried to any port of a service when what secures it cannot be read', async () => {
  await using world = await World.open();
  world.close();
  for (const port of [444, 445]) assert.equal(await world.say(port, 'hello\r\n'), 'cut', String(port));
});

test('while memory is short nothing new is carried as bytes, whenever it turns out that it is no HTTP', async () => {
  await using world = await World.open();
  world.secure(TLS);
  // New connections in TLS are refused as well; this one is there.
  assert.equal(await world.say(445, 'hello\r\n'), 'heard hello');
  world.isMemoryShort = true;
  await assert.rejects(world.say(444, 'hello'), { code: 'refused-status' });
  assert.equal(await world.say(445, 'hello\r\n'), 'cut');
  assert.equal(await world.say(445, GET), 'the proxy is short of memory');
  assert.deepEqual(world.refusals, [['no-memory', 2]]);
  world.isMemoryShort = false;
  assert.equal(await world.say(445, 'hello\r\n'), 'heard hello');
});
