import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import tls, { type TLSSocket } from 'node:tls';
import { describe, test } from 'node:test';
import { type Carrier, createHbonePool, createPlainCarrier } from '@ambit/mesh/hbone';
import type { BackendTls } from '@ambit/mesh/routes';
import { systemClock } from '@ambit/mesh/runtime';
import {
  checkLeaks,
  createTestCa,
  dial,
  environment,
  type Listener,
  listen,
  listenHbone,
  targetOf,
  type TestCertificate,
  type TestCertificateOptions,
  until,
} from '@ambit/mesh/testing';
import { openSecure } from '../src/secure/open-secure.ts';
import type { InnerProtocol } from '../src/upstream/connector.ts';
import { SecureError } from '../src/secure/errors.ts';
import { type CarrierKind, Party } from './http-world.ts';

checkLeaks();

const ca = createTestCa();
const strangers = createTestCa();
const HOUR_MS = 3_600_000;

const dns = (value: string): TestCertificateOptions => ({ altNames: [{ kind: 'dns', value }] });
const CERTIFICATE = ca.issueCertificate(dns('web.example'));

function settings(change: Partial<BackendTls> = {}): BackendTls {
  return { kind: 'tls', serverName: 'web.example', roots: { kind: 'pem', pem: ca.rootPem }, altNames: [], ...change };
}

/** A TLS server behind a carrier. */
class World implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();
  readonly accepted: TLSSocket[] = [];
  #open: () => Promise<Carrier> = () => Promise.reject(new Error('not open'));
  readonly carriers: Carrier[] = [];

  static async open(
    kind: CarrierKind,
    options: tls.TlsOptions & { certificate?: TestCertificate } = {},
  ): Promise<World> {
    await using half = new AsyncDisposableStack();
    const world = half.use(new World());
    const { certificate = CERTIFICATE, ...rest } = options;
    const server = tls.createServer({
      key: certificate.privateKeyPem,
      cert: certificate.chainPem,
      allowHalfOpen: true,
      ...rest,
    });
    server.on('tlsClientError', () => {});
    server.on('secureConnection', (socket) => {
      world.accepted.push(socket.on('error', () => {}));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const sockets = new Set<Socket>();
    server.on('connection', (socket: Socket) => void sockets.add(socket));
    world.#stack.defer(async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    });
    const address = server.address();
    assert.ok(typeof address === 'object' && address !== null);
    await world.#through(kind, address.port);
    half.move();
    return world;
  }

  async #through(kind: CarrierKind, port: number): Promise<void> {
    if (kind === 'plain') {
      this.#open = async () => {
        const socket = dial(port);
        await once(socket, 'connect');
        return createPlainCarrier(socket);
      };
      return;
    }
    const front: Listener = this.#stack.use(
      await listenHbone((request) => {
        const [client, socket] = [request.accept(), dial(port)];
        void once(socket, 'connect').then(() => join(client, createPlainCarrier(socket)));
      }),
    );
    const pool = this.#stack.use(createHbonePool<string>(environment));
    this.#open = async () => (await pool.openTunnel(targetOf(front.port), { authority: 'a:1', headers: [] })).stream;
  }

  async secure(
    change: Partial<BackendTls> = {},
    protocol: InnerProtocol = null,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<Party> {
    const carrier = await this.#open();
    this.carriers.push(carrier);
    const party = new Party(await openSecure(carrier, settings(change), protocol, signal, systemClock));
    party.carrier.read(party);
    return party;
  }

  /** Its side of connection number `index`: it may be done a little later than we are. */
  server(index = 0): Promise<TLSSocket> {
    return until(`server connection ${index}`, () => this.accepted[index]);
  }

  /** Why the server is not spoken to; nothing of the application has reached it then. */
  async refusal(change: Partial<BackendTls> = {}, protocol: InnerProtocol = null): Promise<string> {
    try {
      await this.secure(change, protocol);
      return 'accepted';
    } catch (error) {
      assert.ok(error instanceof SecureError, String(error));
      await until('the carrier is gone', () => this.carriers.at(-1)?.closed);
      const { reason } = error.data as { reason?: string };
      return reason === undefined ? error.code : `${error.code} ${reason}`;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const carrier of this.carriers) carrier.reset();
    await this.#stack[Symbol.asyncDispose]();
  }
}

/** Carries bytes both ways. */
function join(a: Carrier, b: Carrier): void {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    from.read({
      onBytes: (memory, start, end) => {
        if (!to.write(memory, start, end)) from.pause();
      },
      onEnd: () => to.end(),
      onDrain: () => to.resume(),
      onClose: ({ error }) => {
        if (error !== undefined) to.reset();
      },
    });
  }
}

for (const kind of ['plain', 'tunnel'] as const) {
  describe(`openSecure() through a carrier: ${kind}`, () => {
    test('asks for the name, and carries bytes and half-close both ways', async () => {
      await using world = await World.open(kind);
      const client = await world.secure();
      client.keepsOpen = true;
      const server = await world.server();
      assert.equal(server.servername, 'web.example');
      client.send('hello');
      assert.equal(String(await once(server, 'data').then(([chunk]) => chunk)), 'hello');
      server.end('bye');
      await until('the end arrives', () => client.ended);
      assert.equal(client.text, 'bye');
      client.send('still here');
      assert.equal(String(await once(server, 'data').then(([chunk]) => chunk)), 'still here');
      client.carrier.end();
      await once(server, 'end');
      await until('both are over', () => client.isOver && world.carriers.every(({ closed }) => closed));
      assert.deepEqual(client.result, { bytesSent: 15, bytesReceived: 3 });
    });

    test('loses nothing of a server that speaks first, nor of large messages that a reader holds back', async () => {
      await using world = await World.open(kind);
      const client = await world.secure();
      client.carrier.pause();
      const server = await world.server();
      const body = Buffer.alloc(3_000_000, 7);
      server.write('220 ready');
      assert.equal(server.write(body), false);
      await new Promise((resolve) => setTimeout(resolve, 50));
      assert.ok(client.bytes < 300_000, `${client.bytes} bytes though the reader waits`);
      client.carrier.resume();
      await until('everything arrives', () => client.bytes === body.length + 9);
      let read = 0;
      let writes = 0;
      while (client.carrier.write(body, 0, 100_000)) assert.ok((writes += 1) < 1000, 'a writer is told to wait');
      server.on('data', (chunk: Buffer) => void (read += chunk.length));
      await until('the writer may go on', () => client.drains > 0);
      await until('everything arrives', () => read === (writes + 1) * 100_000);
    });

    test('is cut when either end is', async () => {
      await using world = await World.open(kind);
      const one = await world.secure();
      (await world.server()).destroy();
      await until('the cut arrives', () => one.isOver);
      const other = await world.secure();
      const second = await world.server(1);
      second.resume();
      other.carrier.end();
      await once(second, 'end');
      other.carrier.reset();
      assert.ok(other.isOver);
      // Who has read our end hears of nothing but what becomes of its own bytes.
      await until('the cut arrives', () => !second.write('x') || second.destroyed);
      await until('both are over', () => world.carriers.every(({ closed }) => closed));
    });

    test('believes nobody by another name, out of time, or of unknown authorities', async () => {
      const table: readonly (readonly [
        expected: string,
        server: tls.TlsOptions & { certificate?: TestCertificate },
        Partial<BackendTls>?,
      ])[] = [
        ['accepted', {}],
        ['name', {}, { serverName: 'other.example' }],
        ['accepted', { certificate: ca.issueCertificate(dns('*.web.example')) }, { serverName: 'a.web.example' }],
        ['name', { certificate: ca.issueCertificate(dns('*.web.example')) }, { serverName: 'a.b.web.example' }],
        ['name', { certificate: ca.issueCertificate(dns('*.web.example')) }],
        ['name', { certificate: ca.issueCertificate(dns('w*b.example')) }],
        [
          'handshake CERT_HAS_EXPIRED',
          { certificate: ca.issueCertificate({ ...dns('web.example'), notAfterMs: Date.now() - HOUR_MS / 2 }) },
        ],
        [
          'handshake CERT_NOT_YET_VALID',
          { certificate: ca.issueCertificate({ ...dns('web.example'), notBeforeMs: Date.now() + HOUR_MS / 2 }) },
        ],
        [
          'handshake INVALID_PURPOSE',
          { certificate: ca.issueCertificate({ ...dns('web.example'), purposes: ['client'] }) },
        ],
        [
          'handshake UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
          { certificate: strangers.issueCertificate(dns('web.example')) },
        ],
      ];
      for (const [expected, server, change] of table) {
        await using world = await World.open(kind, server);
        assert.equal(await world.refusal(change), expected);
      }
    });
  });
}

test('openSecure() takes one of the names that are asked for instead of the server name', async () => {
  const uri = 'spiffe://cluster.local/ns/shop/sa/web';
  const certificate = ca.issueCertificate({
    altNames: [
      { kind: 'dns', value: 'a.example' },
      { kind: 'uri', value: uri },
    ],
  });
  await using world = await World.open('plain', { certificate });
  const hostname = (text: string) => ({ kind: 'hostname', hostname: text }) as const;
  const table: readonly (readonly [expected: string, altNames: BackendTls['altNames']])[] = [
    ['name', []],
    ['accepted', [hostname('a.example')]],
    ['name', [hostname('web.example')]],
    ['accepted', [hostname('web.example'), { kind: 'uri', uri }]],
    ['name', [{ kind: 'uri', uri: `${uri}2` }]],
    ['name', [{ kind: 'uri', uri: 'spiffe://cluster.local/ns/shop/sa/WEB' }]],
    ['name', [hostname('*.example')]],
  ];
  for (const [expected, altNames] of table) assert.equal(await world.refusal({ altNames }), expected);
  assert.equal(world.accepted.at(-1)?.servername, 'web.example');
});

test('openSecure() believes an authority that is named though another has signed it, and the system of its own', async () => {
  await using world = await World.open('plain');
  assert.equal(await world.refusal({ roots: { kind: 'pem', pem: ca.intermediatePem } }), 'accepted');
  assert.equal(await world.refusal({ roots: { kind: 'pem', pem: strangers.rootPem + ca.rootPem } }), 'accepted');
  assert.equal(await world.refusal({ roots: { kind: 'system' } }), 'handshake UNABLE_TO_GET_ISSUER_CERT_LOCALLY');
});

test('openSecure() agrees on what is spoken inside', async () => {
  const table: readonly (readonly [expected: string, protocols: readonly string[] | undefined, InnerProtocol])[] = [
    ['accepted', ['h2', 'http/1.1'], 'http/1.1'],
    ['accepted', ['h2', 'http/1.1'], 'h2'],
    ['accepted', undefined, 'http/1.1'],
    ['protocol', undefined, 'h2'],
    ['handshake ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL', ['h2'], 'http/1.1'],
    ['accepted', ['h2'], null],
  ];
  for (const [expected, protocols, protocol] of table) {
    await using world = await World.open('plain', protocols === undefined ? {} : { ALPNProtocols: [...protocols] });
    assert.equal(await world.refusal({}, protocol), expected, `${protocols?.join()} ${protocol}`);
  }
});

test('openSecure() gives up when the signal does, and when the other end is no TLS server', async () => {
  await using silent = await listen(() => {});
  await using loud = await listen((socket) => socket.end('220 hello\r\n'));
  const connect = async (port: number): Promise<Carrier> => {
    const socket = dial(port);
    await once(socket, 'connect');
    return createPlainCarrier(socket);
  };
  const abort = new AbortController();
  const carrier = await connect(silent.port);
  const opening = openSecure(carrier, settings(), null, abort.signal, systemClock);
  abort.abort();
  await assert.rejects(opening, (error) => error instanceof SecureError && error.code === 'aborted');
  assert.ok(carrier.closed);
  await assert.rejects(
    openSecure(await connect(silent.port), settings(), null, abort.signal, systemClock),
    (error) => error instanceof SecureError && error.code === 'aborted',
  );
  await assert.rejects(
    openSecure(await connect(loud.port), settings(), null, new AbortController().signal, systemClock),
    (error) => error instanceof SecureError && error.code === 'handshake',
  );
});
