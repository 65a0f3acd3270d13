import assert from 'node:assert/strict';
import { once } from 'node:events';
import net, { type Socket } from 'node:net';
import { systemClock } from '../runtime/clock.ts';
import { silentLogger } from '../runtime/logger.ts';
import { type Http2Peer, securePeer } from './http2-peer.ts';
import type { ManualClock } from './manual-clock.ts';
import { createTestCa, testIdentity } from './test-ca.ts';
import { identifyPeer } from '../tls/peer-identity.ts';
import { secureContextOf } from '../tls/secure-context.ts';
import type { Svid } from '../tls/svid.ts';
import type { CarrierResult } from '../hbone/carrier.ts';
import type { AcceptOptions, HboneEnvironment, HbonePool, PoolTarget } from '../hbone/contract.ts';
import { encodeSettings, type Setting } from '../hbone/frame-codec.ts';
import { createHbonePool } from '../hbone/pool.ts';
import type { HboneConnection, TunnelRequest, TunnelStream } from '../hbone/tunnel.ts';
import { acceptHbone } from '../hbone/server.ts';

// What tests of tunnels share: a CA, two identities, and servers on port 0.

const ca = createTestCa();
export const webSvid: Svid = ca.issue(testIdentity('shop', 'web'));
/** Another certificate of the same identity, as rotation brings it. */
export const issueWebSvid = (): Svid => ca.issue(webSvid.id);
export const dbSvid: Svid = ca.issue(testIdentity('shop', 'db'));
export const environment: HboneEnvironment = { clock: systemClock, logger: silentLogger };

export function identityOf(der: Buffer): string {
  const verdict = identifyPeer(der);
  assert.equal(verdict.kind, 'identified');
  return verdict.kind === 'identified' ? verdict.id : '';
}

export interface Listener extends AsyncDisposable {
  readonly port: number;
  readonly connectionCount: number;
}

/** A TCP listener on port 0; disposing it destroys what it accepted. */
export async function listen(
  onSocket: (socket: Socket) => void,
  options: net.ServerOpts = { allowHalfOpen: true, pauseOnConnect: true, noDelay: true },
): Promise<Listener> {
  const open = new Set<Socket>();
  const server = net.createServer(options, (socket) => {
    open.add(socket.on('error', () => {}));
    socket.once('close', () => open.delete(socket));
    onSocket(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const { port } = address;
  return {
    port,
    get connectionCount() {
      return open.size;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** An HBONE server as `db` on port 0. */
export function listenHbone(
  onTunnel: (request: TunnelRequest<string>) => void,
  options: Partial<AcceptOptions<string>> & { onConnection?: (connection: HboneConnection<string>) => void } = {},
): Promise<Listener> {
  return listen((socket) => {
    acceptHbone<string>(socket, {
      ...environment,
      secureContext: secureContextOf(dbSvid),
      verifyPeer: identityOf,
      onTunnel,
      ...options,
    }).then(
      (connection) => options.onConnection?.(connection),
      () => {},
    );
  });
}

export function dial(port: number): Socket {
  return net.connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true }).on('error', () => {});
}

/** The server on `port` as `web` reaches it. */
export function targetOf(port: number, key = `127.0.0.1:${port}`): PoolTarget<string> {
  return {
    key,
    openSocket: () => dial(port),
    secureContext: () => secureContextOf(webSvid),
    verifyPeer: identityOf,
  };
}

/** Scripted servers behind one port; each connection becomes the next peer. */
export async function withPeers(
  run: (port: number, peers: Http2Peer[], pool: HbonePool<string>) => Promise<void>,
  options: { settings?: readonly Setting[]; limits?: object; clock?: ManualClock } = {},
): Promise<void> {
  const peers: Http2Peer[] = [];
  await using listener = await listen((socket) => {
    void securePeer(socket, 'server', dbSvid).then(
      (peer) => {
        peer.send(encodeSettings(options.settings ?? []));
        peers.push(peer);
      },
      () => {},
    );
  });
  await using pool = createHbonePool<string>({
    ...environment,
    ...(options.clock === undefined ? {} : { clock: options.clock }),
    limits: options.limits ?? {},
  });
  await run(listener.port, peers, pool);
}

/** Takes a tunnel and lets go of it when the peer does. */
export function hold(stream: TunnelStream): Promise<CarrierResult> {
  const { promise, resolve } = Promise.withResolvers<CarrierResult>();
  stream.read({ onBytes: () => {}, onEnd: () => stream.end(), onClose: resolve });
  return promise;
}
