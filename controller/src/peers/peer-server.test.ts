import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { test } from 'node:test';
import { CONTROLLER_SERVER_NAME } from '@ambit/mesh/grpc';
import { silentLogger } from '@ambit/mesh/runtime';
import { checkLeaks, createTestCa, ManualClock, type TestCa, until } from '@ambit/mesh/testing';
import { askPeer, type PeerAnswer } from './ask-peer.ts';
import { PeerError } from './errors.ts';
import { PEER_LIMITS } from './limits.ts';
import { openPeerServer, type PeerServer, type PeerTls, REPORT_PATH } from './peer-server.ts';
import type { Report } from './report.ts';

checkLeaks();

const ca = createTestCa();
const LONG = AbortSignal.timeout(60_000);

function controllerTls(of: TestCa = ca, roots: TestCa = ca): PeerTls {
  const { privateKeyPem, chainPem } = of.issueCertificate({
    altNames: [{ kind: 'dns', value: CONTROLLER_SERVER_NAME }],
  });
  return { privateKeyPem, chainPem, clientRootsPem: roots.rootPem };
}

function workloadTls(): PeerTls {
  const id = 'spiffe://cluster.local/ns/ambit-system/sa/ambit-controller';
  const { privateKeyPem, chainPem } = ca.issueCertificate({ altNames: [{ kind: 'uri', value: id }] });
  return { privateKeyPem, chainPem, clientRootsPem: ca.rootPem };
}

function reportOf(...nodes: readonly string[]): Report {
  return { versions: [], nodes: nodes.map((node) => ({ node, settled: new Map(), refused: new Map() })) };
}

/** A server that reports the nodes the test says. */
async function openWorld(tls = controllerTls()): Promise<{
  readonly server: PeerServer;
  readonly clock: ManualClock;
  set(...nodes: readonly string[]): void;
}> {
  const clock = new ManualClock();
  let report = reportOf('n1');
  const options = { host: '127.0.0.1', port: 0, tls, report: () => report, clock, logger: silentLogger };
  const server = await openPeerServer(options);
  const set = (...nodes: readonly string[]): void => {
    report = reportOf(...nodes);
    server.changed();
  };
  return { server, clock, set };
}

function ask(server: PeerServer, after = '', tls = controllerTls(), signal = LONG): Promise<PeerAnswer> {
  return askPeer({ host: '127.0.0.1', port: server.port, after, tls }, signal);
}

function namesOf({ report }: PeerAnswer): readonly string[] | undefined {
  return report?.nodes.map(({ node }) => node);
}

test('a replica tells another at once what is new to it, and else when it changes or after a while', async () => {
  const { server, clock, set } = await openWorld();
  await using _ = server;
  const first = await ask(server);
  assert.deepEqual(namesOf(first), ['n1']);
  assert.deepEqual(namesOf(await ask(server, 'another')), ['n1']);
  const later = ask(server, first.mark);
  await until('the question waits', () => clock.pending === 1);
  set('n1', 'n2');
  const second = await later;
  assert.deepEqual(namesOf(second), ['n1', 'n2']);
  assert.equal(clock.pending, 0);
  const never = ask(server, second.mark);
  await until('the question waits', () => clock.pending === 1);
  await clock.advance(PEER_LIMITS.holdMs);
  assert.deepEqual(await never, { mark: second.mark, report: null });
});

test('a replica waits no longer for a caller that is gone', async () => {
  const { server, clock } = await openWorld();
  await using _ = server;
  const { mark } = await ask(server);
  const gone = new AbortController();
  const asked = ask(server, mark, controllerTls(), gone.signal);
  await until('the question waits', () => clock.pending === 1);
  gone.abort();
  await assert.rejects(asked, { name: 'AbortError' });
  await until('it waits no more', () => clock.pending === 0);
});

test('only a controller of the same mesh is told anything, and only such a one is believed', async () => {
  const { server } = await openWorld();
  await using _ = server;
  const other = createTestCa();
  const callers: readonly (readonly [what: string, tls: PeerTls, code: string])[] = [
    ['a workload, whatever its name', workloadTls(), 'refused'],
    ['a controller of another mesh', controllerTls(other, ca), 'unreachable'],
    ['one that does not believe us', controllerTls(ca, other), 'unreachable'],
  ];
  for (const [what, tls, code] of callers) {
    await assert.rejects(
      ask(server, '', tls),
      (error) => {
        assert.ok(error instanceof PeerError);
        return error.code === code;
      },
      what,
    );
  }
  const { server: workload } = await openWorld(workloadTls());
  await using __ = workload;
  await assert.rejects(ask(workload), { code: 'unreachable' });
});

test('who does not prove to be a controller keeps none from asking', async () => {
  const { server } = await openWorld();
  await using _ = server;
  using stack = new DisposableStack();
  for (let i = 0; i < PEER_LIMITS.connectionsMax; i++) {
    const socket = net
      .connect({ host: '127.0.0.1', port: server.port, localAddress: '127.0.0.9' })
      .on('error', () => {});
    stack.defer(() => void socket.destroy());
    await once(socket, 'connect');
  }
  assert.deepEqual(namesOf(await ask(server)), ['n1']);
});

test('a replica with more to tell than may be told says so, and one that tells it is not listened to', async () => {
  const { server, set } = await openWorld();
  await using _ = server;
  set(...Array.from({ length: PEER_LIMITS.reportNodesMax + 1 }, (_name, index) => `n${index}`));
  await assert.rejects(ask(server), (error) => error instanceof PeerError && error.code === 'too-large');

  const tls = controllerTls();
  const answers = [
    // Announced, and not.
    (response: ServerResponse) =>
      response.writeHead(200, { 'content-length': PEER_LIMITS.reportBytesMax + 1 }).write('{'),
    (response: ServerResponse) => {
      const pour = (): void => {
        while (!response.destroyed && response.write(' '.repeat(1024 * 1024)));
      };
      response
        .writeHead(200)
        .on('drain', pour)
        .on('error', () => {});
      pour();
    },
  ];
  let written = 0;
  const pouring = https.createServer({ key: tls.privateKeyPem, cert: tls.chainPem }, (_request, response) => {
    response.on('close', () => (written += response.socket?.bytesWritten ?? 0));
    answers.shift()?.(response);
  });
  await once(pouring.listen(0, '127.0.0.1'), 'listening');
  const { port } = Object(pouring.address());
  for (const _answer of [...answers]) {
    const asked = askPeer({ host: '127.0.0.1', port, after: '', tls: controllerTls() }, LONG);
    await assert.rejects(asked, (error) => {
      assert.ok(error instanceof PeerError);
      return error.code === 'too-large' && error.data['what'] === 'bytes';
    });
  }
  pouring.closeAllConnections();
  await new Promise((resolve) => pouring.close(resolve));
  assert.ok(written < 2 * PEER_LIMITS.reportBytesMax, `${written} bytes`);
});

test('a caller without a certificate does not get past the handshake, and other paths do not exist', async () => {
  const { server } = await openWorld();
  await using _ = server;
  const get = (path: string, tls: Partial<PeerTls>): Promise<number> => {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const own = tls.privateKeyPem === undefined ? {} : { key: tls.privateKeyPem, cert: tls.chainPem };
    const to = { host: '127.0.0.1', port: server.port, path, agent: false, servername: CONTROLLER_SERVER_NAME };
    https
      .get({ ...to, ca: ca.rootPem, ...own }, (response) => {
        response.resume().on('end', () => resolve(response.statusCode ?? 0));
      })
      .on('error', reject);
    return promise;
  };
  await assert.rejects(get(REPORT_PATH, {}));
  assert.equal(await get('/', controllerTls()), 404);
  assert.equal(await get(`${REPORT_PATH}?after=%00&after=x`, controllerTls()), 200);
});
