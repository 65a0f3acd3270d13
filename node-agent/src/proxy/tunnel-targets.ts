import type { PoolTarget } from '@ambit/mesh/hbone';
import { dialInNetns } from '@ambit/mesh/linux';
import type { IpAddress, Workload } from '@ambit/mesh/model';
import { secureContextOf, type Svid, type TunnelPeer } from '@ambit/mesh/tls';
import type { TunnelRoute } from './next-hop.ts';
import { ownSource, type PodContext, svidNow } from './pod-context.ts';
import { isSameWay, tunnelKey } from './tunnel-key.ts';

interface KnownTarget {
  readonly bind: IpAddress | null;
  readonly svid: Svid;
  readonly route: TunnelRoute;
  readonly target: PoolTarget<TunnelPeer>;
}

/** Where the tunnels of one pod's connections go, as its pool takes it. */
export class TunnelTargets {
  readonly #context: PodContext;
  /** The last way to each workload: connections repeat. */
  readonly #known = new WeakMap<Workload, KnownTarget>();

  constructor(context: PodContext) {
    this.#context = context;
  }

  /** To where `route` leads, for a connection from `sourceIp`. */
  of(sourceIp: IpAddress, route: TunnelRoute, source: Workload, svid: Svid): PoolTarget<TunnelPeer> {
    const bind = ownSource(source, sourceIp, route.hboneAddress.ip);
    const known = this.#known.get(route.workload);
    if (known !== undefined && known.bind === bind && known.svid === svid && isSameWay(known.route, route)) {
      return known.target;
    }
    const target = this.#create(route, bind, svid);
    this.#known.set(route.workload, { bind, svid, route, target });
    return target;
  }

  #create(route: TunnelRoute, bind: IpAddress | null, svid: Svid): PoolTarget<TunnelPeer> {
    const { netns, peers, settings, sinks } = this.#context;
    const { hboneAddress, expectedIdentities } = route;
    return {
      key: tunnelKey(bind, svid.id, route),
      openSocket: () => {
        sinks.account.handshake();
        return dialInNetns(netns, {
          destination: hboneAddress,
          mark: settings.packetMark,
          ...(bind === null ? {} : { source: { ip: bind } }),
        });
      },
      // Not that of whoever has waited longest: it may have been replaced meanwhile, and would end before what it opens is retired.
      secureContext: () => secureContextOf(svidNow(this.#context)?.svid ?? svid),
      verifyPeer: peers.serverVerifier(expectedIdentities),
    };
  }
}
