import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import tls, { type SecureContext } from 'node:tls';
import { createTestCa, type TestCa, testIdentity } from '../testing/test-ca.ts';
import { createHandshakes, type HandshakeOutcome, handshakes } from './handshake.ts';
import { findTlsInternals } from './node-internals.ts';
import { identifyPeer } from './peer-identity.ts';
import { secureContextDefaults, secureContextOf } from './secure-context.ts';
import type { Svid } from './svid.ts';

const ca = createTestCa();
const web = ca.issue(testIdentity('shop', 'web'));
const db = ca.issue(testIdentity('shop', 'db'));

/** Fast path and public API must behave alike. */
const kinds = [
  { name: 'with internals', under: handshakes },
  { name: 'over the public API', under: createHandshakes(undefined) },
];

/** A listener on port 0 whose accepted sockets go to `accept`; closed with all its connections at the end. */
async function listen(accept: (raw: net.Socket) => void): Promise<{ port: number } & AsyncDisposable> {
  const open = new Set<net.Socket>();
  const server = net.createServer((raw) => {
    open.add(raw.on('error', () => {}));
    accept(raw);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return {
    port: address.port,
    async [Symbol.asyncDispose]() {
      for (const raw of open) raw.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function dial(port: number): net.Socket {
  return net.connect(port, '127.0.0.1').on('error', () => {});
}

/** One line per outcome; an established socket is echoed on (server) or spoken to (client). */
function describe(outcome: HandshakeOutcome): string {
  if (outcome.kind === 'failed') return `${outcome.error.code} ${String(outcome.error.data['reason'])}`;
  outcome.socket.on('error', () => {});
  const identity = identifyPeer(outcome.peerCertificate);
  return identity.kind === 'identified' ? identity.id : identity.reason;
}

async function meet(
  server: (raw: net.Socket, done: (outcome: HandshakeOutcome) => void) => void,
  client: (raw: net.Socket, done: (outcome: HandshakeOutcome) => void) => void,
): Promise<readonly [string, string]> {
  const served = Promise.withResolvers<HandshakeOutcome>();
  await using listener = await listen((raw) => server(raw, served.resolve));
  const started = Promise.withResolvers<HandshakeOutcome>();
  const raw = dial(listener.port);
  client(raw, started.resolve);
  const outcomes = [describe(await served.promise), describe(await started.promise)] as const;
  raw.destroy();
  return outcomes;
}

for (const { name, under } of kinds) {
  const serve = (context: SecureContext) => (raw: net.Socket, done: (outcome: HandshakeOutcome) => void) =>
    under.serve(raw, context, done);
  const start = (context: SecureContext) => (raw: net.Socket, done: (outcome: HandshakeOutcome) => void) =>
    under.start(raw, context, done);

  test(`a handshake ${name} gives each side the other's certificate`, async () => {
    const outcomes = await meet(serve(secureContextOf(db)), start(secureContextOf(web)));
    assert.deepEqual(outcomes, [web.id, db.id]);
  });

  test(`a handshake ${name} carries data both ways afterwards`, async () => {
    await using listener = await listen((raw) =>
      under.serve(raw, secureContextOf(db), (outcome) => {
        assert.equal(outcome.kind, 'established');
        outcome.socket.on('error', () => {}).pipe(outcome.socket);
      }),
    );
    const started = Promise.withResolvers<HandshakeOutcome>();
    under.start(dial(listener.port), secureContextOf(web), started.resolve);
    const outcome = await started.promise;
    assert.equal(outcome.kind, 'established');
    const { socket } = outcome;
    socket.on('error', () => {});
    assert.deepEqual(
      [socket.getProtocol(), socket.getCipher().name, socket.alpnProtocol, socket.isSessionReused()],
      ['TLSv1.3', 'TLS_AES_256_GCM_SHA384', 'h2', false],
    );
    socket.end('hello');
    let echoed = '';
    for await (const chunk of socket) echoed += String(chunk);
    assert.equal(echoed, 'hello');
  });

  test(`a server ${name} refuses a client of another authority`, async () => {
    const stranger = createTestCa().issue(web.id);
    const trusting: Svid = { ...stranger, trustBundle: ca.trustBundle };
    const [served] = await meet(serve(secureContextOf(db)), start(secureContextOf(trusting)));
    assert.match(served, /^handshake-(failed|refused) \w+/);
  });

  test(`a client ${name} refuses a server of another authority`, async () => {
    const stranger: Svid = { ...createTestCa().issue(db.id), trustBundle: ca.trustBundle };
    const [, started] = await meet(serve(secureContextOf(stranger)), start(secureContextOf(web)));
    assert.match(started, /^handshake-(failed|refused) (UNABLE_TO_|SELF_SIGNED|UNKNOWN)/);
  });

  test(`a server ${name} refuses an expired client certificate`, async () => {
    const expired = ca.issue(web.id, { notBeforeMs: Date.now() - 7_200_000, notAfterMs: Date.now() - 3_600_000 });
    const [served] = await meet(serve(secureContextOf(db)), start(secureContextOf(expired)));
    assert.match(served, /^handshake-(failed|refused) /);
  });

  test(`a client ${name} refuses a server certificate that is not valid yet`, async () => {
    const early = ca.issue(db.id, { notBeforeMs: Date.now() + 3_600_000 });
    const [, started] = await meet(serve(secureContextOf(early)), start(secureContextOf(web)));
    assert.match(started, /^handshake-(failed|refused) CERT_NOT_YET_VALID/);
  });

  test(`a server ${name} refuses a certificate that is for servers only`, async () => {
    const wrong = ca.issue(web.id, { purposes: ['server'] });
    const [served] = await meet(serve(secureContextOf(db)), start(secureContextOf(wrong)));
    assert.match(served, /^handshake-(failed|refused) /);
  });

  test(`a server ${name} refuses a client without certificate, with TLS 1.2 or without h2`, async () => {
    const base = { ca: ca.rootPem, checkServerIdentity: () => undefined };
    const own = { key: web.privateKeyPem, cert: web.chainPem };
    const attempts: Readonly<Record<string, tls.ConnectionOptions>> = {
      'no certificate': { ...base, ALPNProtocols: ['h2'] },
      'TLS 1.2': { ...base, ...own, ALPNProtocols: ['h2'], maxVersion: 'TLSv1.2' },
      'no protocol': { ...base, ...own },
      'http/1.1': { ...base, ...own, ALPNProtocols: ['http/1.1'] },
    };
    const refusals: Record<string, string> = {};
    for (const [what, options] of Object.entries(attempts)) {
      const served = Promise.withResolvers<HandshakeOutcome>();
      await using listener = await listen((raw) => under.serve(raw, secureContextOf(db), served.resolve));
      const client = tls.connect({ ...options, port: listener.port, host: '127.0.0.1' }).on('error', () => {});
      refusals[what] = describe(await served.promise);
      client.destroy();
    }
    assert.deepEqual(refusals, {
      'no certificate': 'handshake-failed ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE',
      'TLS 1.2': 'handshake-failed ERR_SSL_UNSUPPORTED_PROTOCOL',
      'no protocol': 'handshake-refused no-alpn',
      'http/1.1': 'handshake-failed ERR_SSL_NO_APPLICATION_PROTOCOL',
    });
  });

  test(`a handshake ${name} fails when the peer speaks no TLS, hangs up or the caller gives up`, async () => {
    const failures: string[] = [];
    for (const behaviour of ['garbage', 'hang-up', 'half-close', 'give-up'] as const) {
      await using listener = await listen((raw) => {
        if (behaviour === 'garbage') raw.write('HTTP/1.1 400 Bad Request\r\n\r\n');
        if (behaviour === 'hang-up') raw.destroy();
        if (behaviour === 'half-close') raw.end();
      });
      const started = Promise.withResolvers<HandshakeOutcome>();
      const raw = dial(listener.port);
      under.start(raw, secureContextOf(web), started.resolve);
      if (behaviour === 'give-up') raw.destroy();
      const outcome = await started.promise;
      failures.push(outcome.kind);
      assert.equal(raw.destroyed, true);
    }
    assert.deepEqual(failures, ['failed', 'failed', 'failed', 'failed']);
  });
}

test('this Node has the internals of the fast path', () => {
  assert.notEqual(findTlsInternals(), undefined);
  assert.equal(handshakes.isFallback, false);
});

test('a handshake prefers the hybrid post-quantum group and falls back to X25519 and P-256', async () => {
  const groups: Record<string, string | undefined> = {};
  for (const offered of ['X25519MLKEM768:X25519:P-256', 'X25519:P-256', 'P-256']) {
    const served = Promise.withResolvers<HandshakeOutcome>();
    await using listener = await listen((raw) => handshakes.serve(raw, secureContextOf(db), served.resolve));
    const context = tls.createSecureContext({
      ...secureContextDefaults,
      ecdhCurve: offered,
      key: web.privateKeyPem,
      cert: web.chainPem,
      ca: ca.rootPem,
    });
    const started = Promise.withResolvers<HandshakeOutcome>();
    handshakes.start(dial(listener.port), context, started.resolve);
    const outcome = await started.promise;
    assert.equal(outcome.kind, 'established');
    groups[offered] = Reflect.get(outcome.socket.getEphemeralKeyInfo() ?? {}, 'name');
    outcome.socket.on('error', () => {}).destroy();
    describe(await served.promise);
  }
  assert.deepEqual(groups, {
    'X25519MLKEM768:X25519:P-256': 'X25519MLKEM768',
    'X25519:P-256': 'X25519',
    'P-256': 'prime256v1',
  });
});

test('a server never resumes a session', async () => {
  await using listener = await listen((raw) =>
    handshakes.serve(raw, secureContextOf(db), (outcome) => {
      if (outcome.kind === 'established') outcome.socket.on('error', () => {}).end('x');
    }),
  );
  const connect = async (session: Buffer | undefined): Promise<{ session: Buffer | undefined; reused: boolean }> => {
    const socket = tls.connect({
      ...secureContextDefaults,
      key: web.privateKeyPem,
      cert: web.chainPem,
      ca: ca.rootPem,
      port: listener.port,
      host: '127.0.0.1',
      ALPNProtocols: ['h2'],
      checkServerIdentity: () => undefined,
      ...(session === undefined ? {} : { session }),
    });
    socket.on('error', () => {});
    let ticket: Buffer | undefined;
    socket.on('session', (received: Buffer) => {
      ticket = received;
    });
    await once(socket, 'secureConnect');
    const reused = socket.isSessionReused();
    socket.resume();
    await once(socket, 'close');
    return { session: ticket, reused };
  };
  const first = await connect(undefined);
  const second = await connect(first.session);
  assert.deepEqual([first.reused, second.reused], [false, false]);
});

test('a secure context is made once per SVID', () => {
  const other: Svid = { ...web };
  assert.equal(secureContextOf(web), secureContextOf(web));
  assert.notEqual(secureContextOf(web), secureContextOf(other));
});

test('test authorities never trust each other', () => {
  const pair: readonly TestCa[] = [createTestCa(), createTestCa()];
  assert.equal(new Set(pair.map((each) => each.rootPem)).size, 2);
});
