import { once } from 'node:events';
import net, { type Socket } from 'node:net';
import { acceptHbone, type TunnelRequest } from '@ambit/mesh/hbone';
import { dialInNetns, listenInNetns } from '@ambit/mesh/linux';
import {
  createTrustDomains,
  DEFAULT_TRUST_DOMAIN,
  parseSocketAddress,
  type SpiffeId,
  workloadIdentity,
} from '@ambit/mesh/model';
import { silentLogger, systemClock } from '@ambit/mesh/runtime';
import { clientVerifier, secureContextOf } from '@ambit/mesh/tls';

import type { PodWorld } from './pod-world.ts';

/** What a gateway of a network did. */
export interface TestGateway extends AsyncDisposable {
  /** TLS connections it accepted. */
  readonly connectionCount: number;
  /** What tunnels asked for, with whom it had come from. */
  readonly asked: readonly {
    readonly authority: string;
    readonly peer: SpiffeId;
    readonly network: string | undefined;
  }[];
}

/**
 * A gateway in the pod `name`, on port 15008: it ends the outer tunnel and hands the bytes within it on, unread, to where `route` says. Unlike a
 * real one it chooses nothing by itself and checks nobody but for the trust domain. As `identity` if that is given.
 */
export async function startGateway(
  world: PodWorld,
  name: string,
  route: (authority: string) => string | null,
  identity: SpiffeId = workloadIdentity(world.pod(name).workload),
): Promise<TestGateway> {
  const pod = world.pod(name);
  const svid = world.ca.issue(identity);
  const sockets = new Set<Socket>();
  const own = (socket: Socket): Socket => {
    sockets.add(socket);
    return socket.on('error', () => {}).once('close', () => sockets.delete(socket));
  };
  const asked: TestGateway['asked'][number][] = [];
  let connectionCount = 0;
  const onTunnel = (request: TunnelRequest<SpiffeId>): void => {
    const { authority, connection } = request;
    asked.push({ authority, peer: connection.peer, network: request.header('x-forwarded-network') });
    const to = route(authority);
    if (to === null) return request.reject(503);
    const socket = own(dialInNetns(pod.handle, { destination: parseSocketAddress(to) })).pause();
    socket.allowHalfOpen = true;
    socket.once('connect', () => {
      if (request.aborted) socket.destroy();
      else request.accept().splice(socket, () => {});
    });
  };
  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    connectionCount++;
    acceptHbone<SpiffeId>(own(socket), {
      ...{ clock: systemClock, logger: silentLogger, onTunnel },
      secureContext: secureContextOf(svid),
      verifyPeer: clientVerifier({ domains: createTrustDomains(DEFAULT_TRUST_DOMAIN) }),
    }).catch(() => {});
  });
  server.on('error', () => {}).listen({ fd: listenInNetns(pod.handle, { address: 'wildcard', port: 15_008 }) });
  await once(server, 'listening');
  return {
    get connectionCount() {
      return connectionCount;
    },
    asked,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
