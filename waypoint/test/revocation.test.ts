import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import { acceptHbone, createHbonePool } from '@ambit/mesh/hbone';
import { servicePolicySet } from '@ambit/mesh/policies';
import { workloadIdentity } from '@ambit/mesh/model';
import {
  buildService,
  buildWorkload,
  checkLeaks,
  createTestCa,
  environment,
  identityOf,
  testIdentity,
  until,
} from '@ambit/mesh/testing';
import { parseRevocationFile, secureContextOf, type Svid } from '@ambit/mesh/tls';
import { Party } from './http-world.ts';
import { createPlane, waypointAt } from './plane.ts';

checkLeaks();

const ca = createTestCa();
/** Of loopback, and of no other test: servers in the mesh listen on a fixed port. */
const SERVER_IP = '127.77.15.8';
const SERVICE = buildService({ name: 'db', addresses: ['10.9.0.1'], ports: ['5432:5432'] });
const SERVER = buildWorkload({ name: 'db-1', addresses: [SERVER_IP], services: { [SERVICE.key]: ['5432:5432'] } });

function certificateOf({ chainPem }: Svid): Buffer {
  const [leaf = ''] = chainPem.split('-----END');
  return Buffer.from(leaf.replace(/-----.*-----|\s/g, ''), 'base64');
}

/** A waypoint before a service whose only server, in the mesh, answers whatever it hears. */
class World implements AsyncDisposable {
  readonly plane = createPlane();
  serverSvid: Svid = ca.issue(workloadIdentity(SERVER));
  readonly #stack = new AsyncDisposableStack();
  readonly #pool = this.#stack.use(createHbonePool<string>(environment));
  #port = 0;

  static async open(): Promise<World> {
    await using half = new AsyncDisposableStack();
    const world = half.use(new World());
    world.#stack.defer(() => world.plane.drain(0));
    const sockets = new Set<net.Socket>();
    const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
      sockets.add(socket.on('error', () => {}));
      acceptHbone<string>(socket, {
        ...environment,
        secureContext: secureContextOf(world.serverSvid),
        verifyPeer: identityOf,
        onTunnel: (request) => {
          const party = new Party(request.accept());
          party.onPiece = (from) => from.send('answer');
          party.carrier.read(party);
        },
      }).catch(() => {});
    });
    server.listen(15_008, SERVER_IP);
    await once(server, 'listening');
    world.#stack.defer(async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    });
    world.plane['set-svid']({ svid: ca.issue(testIdentity('shop', 'waypoint')) });
    world.plane.configure({
      update: { services: [SERVICE], workloads: [SERVER] },
      routes: { put: [], removed: [] },
      policySets: { put: [{ name: servicePolicySet(SERVICE.key), includes: [], policies: [] }], removed: [] },
    });
    ({ port: world.#port } = await world.plane.listen({ hbone: { host: '127.0.0.1', port: 0 }, plain: [] }));
    half.move();
    return world;
  }

  revoke(...svids: readonly Svid[]): void {
    const pem = ca.revocationList(svids.map(certificateOf));
    const lists = parseRevocationFile(Buffer.from(pem)).map(({ serials }) => serials);
    this.plane['set-revocations']({ lists });
  }

  async connect(svid: Svid): Promise<Party> {
    // Every certificate has connections of its own.
    const target = { ...waypointAt(this.#port, svid), key: certificateOf(svid).toString('hex') };
    const { stream } = await this.#pool.openTunnel(target, { authority: '10.9.0.1:5432', headers: [] });
    const party = new Party(stream);
    party.carrier.read(party);
    return party;
  }

  /** A client that has got an answer. */
  async talking(svid: Svid): Promise<Party> {
    const party = await this.connect(svid);
    party.send('asked');
    await until('an answer', () => party.text === 'answer');
    party.take();
    return party;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

test('a client whose certificate is revoked is cut, alone, and let in no more until it has another', async () => {
  await using world = await World.open();
  const [revoked, other] = [ca.issue(testIdentity('shop', 'web')), ca.issue(testIdentity('shop', 'web'))];
  const [party, spared] = [await world.talking(revoked), await world.talking(other)];
  world.revoke(revoked);
  await until('it is cut', () => party.wasCut);
  await assert.rejects(world.connect(revoked));
  // A client may have tried more than once.
  const { refusals, revocationRejections } = world.plane.metrics();
  assert.ok(revocationRejections.destination >= 2);
  assert.deepEqual(refusals, [['peer-revoked', revocationRejections.destination]]);
  spared.send('asked');
  await until('another certificate of the same account goes on', () => spared.text === 'answer');
  world.revoke();
  await world.talking(revoked);
});

test('a server whose certificate is revoked is cut, and asked no more until it has another', async () => {
  await using world = await World.open();
  const client = ca.issue(testIdentity('shop', 'web'));
  const party = await world.talking(client);
  world.revoke(world.serverSvid);
  await until('it is cut', () => party.isOver);
  const refused = await world.connect(client);
  refused.send('asked');
  await until('nobody is there', () => refused.isOver);
  assert.equal(refused.text, '');
  const { source, destination } = world.plane.metrics().revocationRejections;
  assert.ok(source >= 2, `${source} connections`);
  assert.equal(destination, 0);
  world.serverSvid = ca.issue(workloadIdentity(SERVER));
  await world.talking(client);
});
