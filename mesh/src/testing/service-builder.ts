import { parseCidr, parseIpAddress, ipAddressFromBytes } from '../model/address.ts';
import { type Service, type ServiceAddress, serviceKey } from '../model/service.ts';
import { buildServicePort } from './workload-builder.ts';

/** What a test is about, in plain text; everything else gets the default of an ordinary ClusterIP service. */
export interface ServiceOptions extends Partial<Omit<Service, 'key' | 'addresses' | 'ports'>> {
  /** `10.96.0.1`, `network/10.96.0.1`, or a block `10.0.0.0/8` (`network/10.0.0.0/8`). */
  readonly addresses?: readonly string[];
  /** `80:8080` each. */
  readonly ports?: readonly string[];
}

/** `shop/web.shop.svc.cluster.local` at 10.96.0.1, port 80 to 8080, unless said otherwise. */
export function buildService(options: ServiceOptions = {}): Service {
  const { addresses = ['10.96.0.1'], ports = ['80:8080'], ...rest } = options;
  const name = options.name ?? 'web';
  const namespace = options.namespace ?? 'shop';
  const hostname = options.hostname ?? `${name}.${namespace}.svc.cluster.local`;
  return {
    key: serviceKey({ namespace, hostname }),
    name,
    namespace,
    hostname,
    addresses: addresses.map(buildServiceAddress),
    ports: ports.map(buildServicePort),
    subjectAltNames: [],
    weightedWaypoints: [],
    ipFamilies: 'automatic',
    canonical: true,
    ingressUseWaypoint: false,
    visibility: 'public',
    ...rest,
  };
}

function buildServiceAddress(text: string): ServiceAddress {
  const match = /^(?:([a-z][^/:]*)\/)?([^/]+)(\/\d+)?$/.exec(text);
  const [, network = '', ip = text, length] = match ?? [];
  if (length === undefined) return { network, ip: parseIpAddress(ip) };
  const cidr = parseCidr(`${ip}${length}`);
  return { network, ip: ipAddressFromBytes(cidr.bytes), cidr };
}
