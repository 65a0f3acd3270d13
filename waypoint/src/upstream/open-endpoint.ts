import net from 'node:net';
import { type Carrier, createPlainCarrier, HboneError, type HbonePool, type PoolTarget } from '@ambit/mesh/hbone';
import { formatSocketAddress, type SocketAddress, type SpiffeId } from '@ambit/mesh/model';
import { REVOKED_TEXT, secureContextOf, type Svid, type TunnelPeer, type TunnelPeers } from '@ambit/mesh/tls';
import type { Connector } from './connector.ts';

/** How an endpoint is reached. */
export interface EndpointAddress {
  /** Of the application. */
  readonly address: SocketAddress;
  /** Who must be there; null: it is not in the mesh, and is reached in plaintext. */
  readonly identities: readonly SpiffeId[] | null;
}

const HBONE_PORT = 15_008;

/** Who may be there. */
export type ServerPeers = Pick<TunnelPeers, 'serverVerifier' | 'isRevoked' | 'rejections'>;

/** Equal for endpoints that may share connections. */
export function endpointKey({ address, identities }: EndpointAddress): string {
  const text = formatSocketAddress(address);
  return identities === null ? text : `${text}|${identities.toSorted().join(',')}`;
}

/** Opens tunnels to the workload as the waypoint, or plaintext connections. `svid` is asked for each new session. */
export function createConnector(
  endpoint: EndpointAddress,
  pool: HbonePool<TunnelPeer>,
  peers: ServerPeers,
  svid: () => Svid | undefined,
): Connector {
  const { address, identities } = endpoint;
  if (identities === null) return { open: (signal) => openPlain(address.ip, address.port, signal) };
  const authority = formatSocketAddress(address);
  const target: PoolTarget<TunnelPeer> = {
    // The port is not part of it: all ports of a workload share its sessions.
    key: `${address.ip}|${identities.toSorted().join(',')}`,
    openSocket: () => net.connect({ host: address.ip, port: HBONE_PORT, noDelay: true }).on('error', () => {}),
    secureContext: () => {
      const own = svid();
      if (own === undefined) throw new Error('no certificate of our own');
      return secureContextOf(own);
    },
    verifyPeer: peers.serverVerifier(identities),
  };
  return {
    open: async (signal) => {
      const { stream, peer } = await pool.openTunnel(target, { authority, headers: HEADERS }, signal);
      if (!peers.isRevoked(peer)) return stream;
      // A list came while the tunnel was being opened; its connection was nobody's to cut then.
      stream.reset();
      peers.rejections.source += pool.cut((other) => other === peer, REVOKED_TEXT);
      throw new HboneError('cut', { data: { reason: REVOKED_TEXT } });
    },
  };
}

/** Tells gateways between networks that the waypoint has seen the request (protocol.md 1.4). */
const HEADERS = [['x-istio-source', 'waypoint']] as const;

function openPlain(host: string, port: number, signal: AbortSignal): Promise<Carrier> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host, port, noDelay: true, allowHalfOpen: true });
    const onAbort = (): void => {
      socket.destroy();
      reject(new Error('connecting was given up'));
    };
    const settle = (): void => signal.removeEventListener('abort', onAbort);
    socket.on('error', (error) => {
      settle();
      reject(error);
    });
    socket.once('connect', () => {
      settle();
      resolve(createPlainCarrier(socket));
    });
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}
