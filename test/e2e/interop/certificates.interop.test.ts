import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { until } from '@ambit/mesh/testing';
import { requireSandbox } from '../world/sandbox.ts';
import {
  AgentWithPeer,
  type AgentWithPeerOptions,
  CLIENT_ID,
  PEER_ID,
  PEER_IP,
  SERVER_ID,
  SERVER_IP,
} from './agent-with-peer.ts';
import { PeerProgram, runPeer, SAYS_MS } from './peer-program.ts';
import { type ConnectEvent, type Exchanged, exchangeBytes, openTunnels, startRole, tlsArguments } from './peers.ts';
import { goPrograms } from './programs.ts';

const PORT = 9200;
const ECHO = 8180;

const AUTHORITIES: readonly (Omit<AgentWithPeerOptions, 'name'> & { readonly title: string })[] = [
  { title: 'P-256 throughout' },
  { title: 'a P-384 authority and a P-384 peer', authority: 'p384', peerKey: 'p384' },
  { title: 'an RSA authority and an RSA peer', authority: 'rsa', peerKey: 'rsa' },
];

for (const [index, { title, ...options }] of AUTHORITIES.entries()) {
  describe(`certificates of Go's X.509: ${title}`, { skip: requireSandbox() }, () => {
    let world: AgentWithPeer;
    const running = new AsyncDisposableStack();

    before(async () => {
      world = running.use(await AgentWithPeer.start({ name: `interop-certificates-${index}`, ...options }));
      for (const spawn of [world.inPod('server'), world.onPeer]) {
        running.use(await startRole(spawn, 'tcp-server', ['-listen', `:${PORT}`]));
      }
    });
    afterEach((t) => {
      if ('passed' in t && !t.passed) console.error(world.log, world.accessLog);
    });
    after(() => running.disposeAsync());

    const serve = (more: readonly string[] = [], files = world.peer): Promise<PeerProgram> =>
      startRole(world.onPeer, 'hbone-server', [...tlsArguments(files), ...more]);
    const callPeer = async (): Promise<Exchanged | undefined> =>
      (await exchangeBytes(world.inPod('client'), `${PEER_IP}:${PORT}`))[0];
    const callServer = (more: readonly string[] = [], files = world.peer): ReturnType<typeof openTunnels> =>
      openTunnels(world.onPeer, files, `${SERVER_IP}:15008`, `${SERVER_IP}:${PORT}`, ['-peer', SERVER_ID, ...more]);

    test("both directions with Istio's packages", async () => {
      const { tunnels, tls } = await callServer(['-count', '5', '-bytes', '100000']);
      assert.deepEqual(
        tunnels.filter(({ ok }) => !ok),
        [],
      );
      assert.equal(tls.version, 'TLS 1.3');
      await using server = await serve(['-peer', CLIENT_ID]);
      assert.deepEqual((await callPeer())?.error, undefined);
      assert.equal((await server.event<ConnectEvent>('connect')).tls.peer, CLIENT_ID);
    });

    test("Istio's echo programs as they stand, both directions", async () => {
      const files = world.peer;
      const http = ['--port', String(ECHO), '--grpc', '7171', '--tcp', '9191'];
      const hbone = ['--hbone', '15008', '--tls', '15008', '--crt', files.certificate, '--key', files.key];
      await using app = new PeerProgram(world.inPod('server'), goPrograms().echoServer, http);
      await using peer = new PeerProgram(world.onPeer, goPrograms().echoServer, [...http, ...hbone]);
      const says = (echo: PeerProgram, words: string): boolean =>
        [echo.complaint, ...echo.lines].join().includes(words);
      await until(
        'both echo servers listen',
        () => says(app, 'Listening GRPC') && says(peer, 'Listening HBONE'),
        SAYS_MS,
      );
      const inbound = await runPeer(world.onPeer, goPrograms().echoClient, [
        ...['--hbone', `${SERVER_IP}:15008`, '--hbone-client-cert', files.certificate, '--hbone-client-key', files.key],
        ...['--hbone-insecure-skip-verify', `http://${SERVER_IP}:${ECHO}/`],
      ]);
      assert.equal(inbound.code, 0, inbound.complaint);
      // Its HBONE server takes any client and asks for no certificate; that is for it to decide.
      const outbound = await runPeer(world.inPod('client'), goPrograms().echoClient, [`http://${PEER_IP}:${ECHO}/`]);
      assert.equal(outbound.code, 0, outbound.complaint);
    });

    test('a peer whose certificate nobody believes gets and sends nothing', async () => {
      const { tunnels } = await callServer([], world.stranger);
      const [refused = assert.fail()] = tunnels;
      // In whatever words: an alert, an end, a reset, a broken pipe, whichever Go notices first. But not for lack of an answer.
      assert.deepEqual([refused.ok, refused.received], [false, 0]);
      assert.doesNotMatch(refused.error ?? 'no error', /no error|no answer|deadline|status/i);
      await using server = await serve([], { ...world.stranger, roots: world.peer.roots });
      assert.equal((await callPeer())?.ok, false);
      assert.deepEqual(server.lines.slice(1), []);
      await until('the agent says why', () => /handshake of the tunnel failed/.test(world.accessLog));
    });

    if (index > 0) return;

    test('TLS 1.2 is refused, whichever side has no more', async () => {
      const { tunnels } = await callServer(['-tls', '1.2']);
      assert.match(tunnels[0]?.error ?? '', /protocol version/);
      await using server = await serve(['-tls', '1.2']);
      assert.equal((await callPeer())?.ok, false);
      assert.deepEqual(server.lines.slice(1), []);
    });

    test('a peer that does not speak h2 gets no tunnel', async () => {
      for (const alpn of ['http/1.1', 'istio,http/1.1', '']) {
        await using server = await serve(['-alpn', alpn]);
        assert.equal((await callPeer())?.ok, false, alpn);
        assert.deepEqual(server.lines.slice(1), [], alpn);
      }
      await using both = await serve(['-alpn', 'istio,h2']);
      assert.equal((await callPeer())?.ok, true, 'h2 among others is enough');
      assert.equal((await both.event<ConnectEvent>('connect')).tls.protocol, 'h2');
    });

    test('the peer is who its certificate says', async () => {
      await callServer();
      await until('the record is there', () => world.accessLog.includes(`src.identity="${PEER_ID}"`));
    });
  });
}
