import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { rootTestOptions } from '@ambit/mesh/testing';
import { type PodPlan, PodWorld, until } from './pod-world.ts';
import { renewCertificate, tellRevocations } from './revoked.ts';

const options = { ...rootTestOptions(), timeout: 30_000 };
const refusal = { code: 'ECONNRESET' };
const REVOKED = 'the certificate of the tunnel peer is revoked';

/** A client and a server that echoes; the nodes are told what is revoked one by one, as their files would be read. */
class Revoked implements AsyncDisposable {
  readonly world: PodWorld;
  readonly #certificates = new Map<string, Buffer>();

  private constructor(world: PodWorld) {
    this.world = world;
  }

  static async create(more: readonly PodPlan[] = [], where: Pick<PodPlan, 'onNode'> = {}): Promise<Revoked> {
    const plans = [{ name: 'client', ...where }, { name: 'server', ...where }, ...more];
    const revoked = new Revoked(await PodWorld.create(plans));
    const { world } = revoked;
    for (const name of world.pods.keys()) revoked.renew(name);
    await world.pod('server').serve(8080, (socket) => {
      socket.on('data', (bytes) => socket.write(`echo ${String(bytes)}`)).on('end', () => socket.end());
    });
    return revoked;
  }

  /** Gives the pod another certificate. */
  renew(name: string): void {
    this.#certificates.set(name, renewCertificate(this.world, name));
  }

  certificate(name: string): Buffer {
    return this.#certificates.get(name) ?? Buffer.alloc(0);
  }

  tell(at: string, pem: string): void {
    tellRevocations(this.world, at, pem);
  }

  exchange(): Promise<string> {
    return this.world.pod('client').exchange('10.77.0.2:8080', 'x');
  }

  /** A connection that has been answered once; `broken` resolves with its error. */
  async open(from = 'client'): Promise<{ readonly broken: Promise<string> }> {
    const socket = this.world.pod(from).dial('10.77.0.2:8080');
    const broken = new Promise<string>((resolve) => {
      socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
      socket.once('close', () => resolve('closed'));
    });
    await new Promise((resolve) => {
      socket.once('data', resolve);
      socket.write('x');
    });
    return { broken };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.world[Symbol.asyncDispose]();
  }
}

describe('a peer whose certificate is revoked', () => {
  test(
    'is cut as client, at once and alone, and let in no more until it has another certificate',
    options,
    async () => {
      await using revoked = await Revoked.create([{ name: 'other' }]);
      const { world } = revoked;
      const [open, other] = [await revoked.open(), await revoked.open('other')];
      revoked.tell('server', world.ca.revocationList([revoked.certificate('client')]));
      assert.equal(await open.broken, 'ECONNRESET');
      await assert.rejects(revoked.exchange(), refusal);
      const server = world.nodeOf('server');
      await until(() => server.lines.length === 2);
      assert.deepEqual(
        server.records('inbound').map((record) => record.get('error')),
        [REVOKED, REVOKED],
      );
      const { revocationRejections, cuts, refusals } = server.metrics();
      assert.deepEqual(
        { revocationRejections, cuts, refusals: refusals.map(([, reason]) => reason) },
        {
          revocationRejections: { source: 0, destination: 2 },
          cuts: [['peer-revoked', 1]],
          refusals: ['peer-revoked'],
        },
      );
      const { labels } = server.metrics().traffic;
      assert.ok(labels.some((row) => row.includes('CERT_REVOKED')));

      assert.equal(await Promise.race([other.broken, Promise.resolve('open')]), 'open');
      revoked.renew('client');
      assert.equal(await revoked.exchange(), 'echo x');
    },
  );

  for (const [role, ends] of [
    [
      'client',
      [
        ['inbound', REVOKED],
        ['outbound', 'the tunnel peer reset the stream'],
      ],
    ],
    [
      'server',
      [
        ['inbound', 'the tunnel peer reset the stream'],
        ['outbound', REVOKED],
      ],
    ],
  ] as const) {
    test(`is cut as ${role} of a pod of its own node, by the shortcut`, options, async () => {
      await using revoked = await Revoked.create([], { onNode: 'one' });
      const node = revoked.world.nodeOf('client');
      const open = await revoked.open();
      revoked.tell('server', revoked.world.ca.revocationList([revoked.certificate(role)]));
      assert.equal(await open.broken, 'ECONNRESET');
      await until(() => node.lines.length === 2);
      for (const [direction, error] of ends) {
        const [record] = node.records(direction);
        assert.deepEqual([record?.get('error'), record?.get('via')], [error, 'same-node']);
      }
      await assert.rejects(revoked.exchange(), refusal);
      assert.equal(node.metrics().sameNode, 1);
    });
  }

  test('is cut as server, with the pooled tunnel, and called no more', options, async () => {
    await using revoked = await Revoked.create();
    const { world } = revoked;
    const open = await revoked.open();
    revoked.tell('client', world.ca.revocationList([revoked.certificate('server')]));
    assert.equal(await open.broken, 'ECONNRESET');
    await assert.rejects(revoked.exchange(), refusal);
    const client = world.nodeOf('client');
    await until(() => client.lines.length === 2);
    assert.deepEqual(
      client.records('outbound').map((record) => record.get('error')),
      [REVOKED, REVOKED],
    );
    assert.deepEqual(client.metrics().revocationRejections, { source: 2, destination: 0 });
    // Not for ever: the list is replaced, as by one that holds nothing any more.
    revoked.tell('client', world.ca.revocationList([]));
    assert.equal(await revoked.exchange(), 'echo x');
  });

  test('is found by an authority between it and the root', options, async () => {
    await using revoked = await Revoked.create();
    const { world } = revoked;
    const open = await revoked.open();
    revoked.tell('server', world.ca.rootRevocationList([world.ca.intermediate]));
    assert.equal(await open.broken, 'ECONNRESET');
    await assert.rejects(revoked.exchange(), refusal);
  });

  test('is another one than has the same number from another issuer', options, async () => {
    await using revoked = await Revoked.create();
    const { world } = revoked;
    const open = await revoked.open();
    // The root says of a leaf's number what only the intermediate may say.
    revoked.tell('server', world.ca.rootRevocationList([revoked.certificate('client')]));
    assert.equal(await revoked.exchange(), 'echo x');
    assert.equal(await Promise.race([open.broken, Promise.resolve('open')]), 'open');
    assert.deepEqual(world.nodeOf('server').metrics().revocationRejections, { source: 0, destination: 0 });
  });
});
