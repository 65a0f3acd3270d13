import {
  createMeshViewStore,
  type MeshViewUpdate,
  type OriginalDestination,
  parseCidr,
  parseIpAddress,
  parseSocketAddress,
  parseSpiffeId,
  type Port,
  type Service,
  type SocketAddress,
  type SpiffeId,
  type Workload,
} from '@ambit/mesh/model';
import { buildService, buildWorkload, type WorkloadOptions } from '@ambit/mesh/testing';
import { decideOutbound, type OutboundOptions, type OutboundRoute } from '../src/proxy/outbound-route.ts';

// What tables of outbound decisions share.

export const client: Workload = buildWorkload({
  name: 'client',
  addresses: ['10.0.0.9', 'fd00::9'],
  services: { 'shop/cl.example': ['80'] },
});

export const service: Service = buildService();
/** What endpoints of `service` serve it on. */
export const backing: Readonly<Record<string, readonly string[]>> = { [service.key]: ['80:8080'] };

/** An endpoint of `service`, at an address by the length of its name. */
export function endpoint(name: string, more: WorkloadOptions = {}): Workload {
  return buildWorkload({ name, addresses: [`10.0.1.${name.length}`], services: backing, ...more });
}

const options: OutboundOptions = {
  meshRanges: [parseCidr('10.0.0.0/8'), parseCidr('fd00::/8')],
  random: () => 0,
  openConnections: () => 0,
  waited: false,
};

/** What becomes of a connection of `client`, or of another source, to `destination` in a mesh of `world` and that source. */
export function decide(
  world: MeshViewUpdate,
  destination: string,
  more: Partial<OutboundOptions> & { readonly source?: Workload | undefined } = {},
): OutboundRoute {
  const store = createMeshViewStore();
  const source = 'source' in more ? more.source : client;
  store.apply({ ...world, workloads: [...(source === undefined ? [] : [source]), ...(world.workloads ?? [])] });
  return decideOutbound(store.view, source, parseSocketAddress(destination) as OriginalDestination, {
    ...options,
    ...more,
  });
}

export function identity(account: string, namespace = 'shop'): SpiffeId {
  return parseSpiffeId(`spiffe://cluster.local/ns/${namespace}/sa/${account}`);
}

export function hbone(ip: string, port = 15008): SocketAddress {
  return { ip: parseIpAddress(ip), port: port as Port };
}
