import { CarrierDuplex, connectHbone, HboneError, type OpenedTunnel } from '@ambit/mesh/hbone';
import type { SocketAddress, Workload } from '@ambit/mesh/model';
import { secureContextOf, type Svid, type TunnelPeer } from '@ambit/mesh/tls';
import { BAGGAGE_HEADER } from '@ambit/mesh/wire';
import type { ConnectionTrace } from './connection-tracer.ts';
import type { RouteToWorkload } from './next-hop.ts';
import type { Party } from './party.ts';
import type { PodContext } from './pod-context.ts';
import { outboundHeaders, partyOfBaggage } from './tunnel-headers.ts';

export type GatewayRoute = RouteToWorkload & { readonly kind: 'double-hbone' };

/** A tunnel to somebody in another network. */
export interface FarTunnel extends Pick<OpenedTunnel<TunnelPeer>, 'stream' | 'peer'> {
  /** Who it says it is; the gateway has chosen it. */
  readonly party: Party | undefined;
  /** To be called once, when the stream is over: the session that was made for it is over too. */
  readonly release: () => void;
}

/**
 * Opens a tunnel within `outer`, the one to the gateway, which hands its bytes on unread to whoever it finds for the authority (protocol.md
 * 1.9). It has a session of its own: a shared one would lead all connections to the same workload. `outer` is used up in every case.
 * @throws HboneError as of any tunnel.
 */
export async function openFarTunnel(
  context: PodContext,
  outer: OpenedTunnel<TunnelPeer>,
  route: GatewayRoute,
  from: {
    readonly source: Workload;
    readonly client: SocketAddress;
    readonly trace: ConnectionTrace | null;
    readonly svid: Svid;
  },
): Promise<FarTunnel> {
  const { tunnels, parties, peers } = context;
  const session = await connectHbone<TunnelPeer>({
    ...tunnels,
    openSocket: () => new CarrierDuplex(outer.stream, tunnels.clock),
    secureContext: secureContextOf(from.svid),
    verifyPeer: peers.serverVerifier(route.innerIdentities),
  });
  try {
    const { stream, peer, headers } = await session.openTunnel({
      authority: route.authority,
      headers: outboundHeaders(from.source, from.client, from.trace, route.service, from.source.network),
    });
    const baggage = headers.find(([name]) => name === BAGGAGE_HEADER)?.[1];
    return {
      stream,
      peer,
      party: baggage === undefined ? undefined : parties.ofDescription(partyOfBaggage(baggage)),
      release: () => session.drain(),
    };
  } catch (error) {
    session.destroy(error instanceof HboneError ? error : new HboneError('aborted'));
    throw error;
  }
}
