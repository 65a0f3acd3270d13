import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createHbonePool, createPlainCarrier } from '@ambit/mesh/hbone';
import type { Service } from '@ambit/mesh/model';
import { servicePolicySet } from '@ambit/mesh/policies';
import { NO_FILTERS, type PortRoutes, type StreamRoute } from '@ambit/mesh/routes';
import {
  buildService,
  buildWorkload,
  checkLeaks,
  clientHello,
  createTestCa,
  environment,
  listen,
  testIdentity,
  until,
} from '@ambit/mesh/testing';
import { Party } from './http-world.ts';
import { createPlane, waypointAt } from './plane.ts';

checkLeaks();

const ca = createTestCa();
const client = ca.issue(testIdentity('shop', 'web'));

function route(name: string, serverNames: readonly string[], services: readonly Service[]): StreamRoute {
  const backends = services.map(({ key }) => ({
    backend: { kind: 'service', service: key, port: 443, version: null } as const,
    weight: 1,
    filters: NO_FILTERS,
  }));
  return { routeKey: `shop/${name}`, serverNames, backends };
}

/** Services `red` and `blue`, each with a server that says its name to whatever it hears, behind service `front` at 10.9.0.1:443. */
class World implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();
  readonly #pool = this.#stack.use(createHbonePool<string>(environment));
  readonly #served: Party[] = [];
  readonly #plane = createPlane();
  #port = 0;

  static async open(routes: (red: Service, blue: Service) => readonly StreamRoute[]): Promise<World> {
    await using half = new AsyncDisposableStack();
    const world = half.use(new World());
    world.#stack.defer(() => world.#plane.drain(0));
    const front = buildService({ name: 'front', addresses: ['10.9.0.1'], ports: ['443:443'] });
    const [red, blue] = [
      buildService({ name: 'red', ports: ['443:0'] }),
      buildService({ name: 'blue', ports: ['443:0'] }),
    ];
    const workloads = [];
    for (const service of [red, blue]) {
      const server = world.#stack.use(
        await listen((socket) => {
          const party = new Party(createPlainCarrier(socket));
          world.#served.push(party);
          party.onPiece = (from, _memory, start, end) => from.send(`${service.name} ${end - start};`);
          party.carrier.read(party);
        }),
      );
      const services = { [service.key]: [`443:${server.port}`] };
      const addresses = ['127.0.0.1'];
      workloads.push(buildWorkload({ name: service.name, addresses, tunnelProtocol: 'none', services }));
    }
    const producer: PortRoutes['producer'] = { kind: 'stream', routes: routes(red, blue) };
    const sets = [front, red, blue].map(({ key }) => ({ name: servicePolicySet(key), policies: [], includes: [] }));
    world.#plane['set-svid']({ svid: ca.issue('spiffe://cluster.local/ns/shop/sa/waypoint') });
    world.#plane.configure({
      update: { services: [front, red, blue], workloads },
      routes: {
        put: [{ service: front.key, ports: new Map([[443, { producer, consumers: new Map() }]]) }],
        removed: [],
      },
      policySets: { put: sets, removed: [] },
    });
    const { port } = await world.#plane.listen({ hbone: { host: '127.0.0.1', port: 0 }, plain: [] });
    world.#port = port;
    half.move();
    return world;
  }

  get refusals(): readonly (readonly [string, number])[] {
    return this.#plane.metrics().refusals;
  }

  /** Nobody may reach `front` any more. */
  close(): void {
    const removed = [servicePolicySet(buildService({ name: 'front' }).key)];
    this.#plane.configure({ update: {}, routes: { put: [], removed: [] }, policySets: { put: [], removed } });
  }

  async connect(): Promise<Party> {
    const target = waypointAt(this.#port, client);
    const party = new Party((await this.#pool.openTunnel(target, { authority: '10.9.0.1:443', headers: [] })).stream);
    party.carrier.read(party);
    return party;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const party of this.#served) if (!party.isOver) party.carrier.reset();
    await this.#stack.disposeAsync();
  }
}

test('a TLSRoute sends a connection by the name of its hello, every byte of which reaches the server', async () => {
  await using world = await World.open((red, blue) => [
    route('red', ['red.example'], [red]),
    route('blue', ['*.example'], [blue]),
  ]);
  for (const [serverName, expected] of [
    ['red.example', 'red'],
    ['RED.example', 'red'],
    ['other.example', 'blue'],
  ] as const) {
    const hello = await clientHello({ servername: serverName });
    const party = await world.connect();
    const half = Math.floor(hello.length / 2);
    party.send(hello.subarray(0, half));
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(party.text, '', 'nobody hears half of a hello');
    party.send(hello.subarray(half));
    await until('a server answers', () => party.text.includes(';'));
    assert.equal(party.take(), `${expected} ${hello.length};`);
    party.send('x');
    await until('it goes on', () => party.text.includes(';'));
    assert.equal(party.take(), `${expected} 1;`);
    party.carrier.end();
    await until('the end arrives', () => party.isOver);
  }
});

test('a connection whose server name no route wants is cut, and one without a name too', async () => {
  await using world = await World.open((red) => [route('red', ['red.example'], [red])]);
  const said: readonly Buffer[] = [
    await clientHello({ servername: 'blue.example' }),
    await clientHello({ servername: '' }),
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
  ];
  for (const [index, bytes] of said.entries()) {
    const party = await world.connect();
    party.send(bytes);
    await until('it is cut', () => party.wasCut);
    assert.deepEqual(world.refusals, [['no-route', index + 1]]);
  }
});

test('a connection that policies do not want any more is cut when it says its server name', async () => {
  await using world = await World.open((red) => [route('red', ['red.example'], [red])]);
  const party = await world.connect();
  world.close();
  party.send(await clientHello({ servername: 'red.example' }));
  await until('it is cut', () => party.wasCut);
  assert.deepEqual(world.refusals, [['policy-missing', 1]]);
});

test('a TCPRoute waits for no word of the client, and refuses where nothing can be reached', async () => {
  await using world = await World.open((red, blue) => [route('all', [], [blue]), route('later', [], [red])]);
  const party = await world.connect();
  party.send('x');
  await until('a server answers', () => party.text === 'blue 1;');
  await using lost = await World.open(() => [route('lost', [], [buildService({ name: 'gone' })])]);
  await assert.rejects(lost.connect(), { code: 'refused-status' });
  assert.deepEqual(lost.refusals, [['faulty-route', 1]]);
});
