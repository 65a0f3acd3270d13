import { createCidr, type IpAddress, ipAddressFromBytes, ipAddressToBytes } from './address.ts';
import type { Service, ServiceAddress } from './service.ts';

/** Services that share one address or block. */
type Holders = Map<Service['key'], Service>;

interface NetworkVips {
  readonly exact: Map<IpAddress, Holders>;
  /** First address of the block, per prefix length and family. */
  readonly blocks: BlocksOfLength[];
}

interface BlocksOfLength {
  readonly addressBytes: number;
  readonly prefixLength: number;
  readonly holders: Map<IpAddress, Holders>;
}

/** Virtual addresses and blocks of services, per network. */
export class VipIndex {
  /** Invariant: no empty network, no empty list of blocks of a length, no empty holders. */
  readonly #networks = new Map<string, NetworkVips>();

  add(service: Service): void {
    for (const address of service.addresses) this.#holdersFor(address).set(service.key, service);
  }

  /** `service` must be the very object that was added. */
  remove(service: Service): void {
    for (const { network, ip, cidr } of service.addresses) {
      const vips = this.#networks.get(network);
      if (vips === undefined) continue;
      if (cidr === undefined) {
        removeHolder(vips.exact, ip, service);
      } else {
        const at = vips.blocks.findIndex((blocks) => holdsLike(blocks, cidr.bytes.length, cidr.prefixLength));
        const blocks = vips.blocks[at];
        if (blocks === undefined) continue;
        removeHolder(blocks.holders, ipAddressFromBytes(cidr.bytes), service);
        if (blocks.holders.size === 0) vips.blocks.splice(at, 1);
      }
      if (vips.exact.size === 0 && vips.blocks.length === 0) this.#networks.delete(network);
    }
  }

  /** The order is that of `MeshView.serviceByAddress`. */
  find(network: string, ip: IpAddress, clientNamespace: string | undefined): Service | undefined {
    const vips = this.#networks.get(network);
    if (vips === undefined) return undefined;
    const exact = preferred(vips.exact.get(ip), clientNamespace);
    if (exact !== undefined || vips.blocks.length === 0) return exact;
    const bytes = ipAddressToBytes(ip);
    let best: Service | undefined;
    // Longest first, so a later block wins only by being of the client's own namespace.
    for (const blocks of vips.blocks) {
      if (blocks.addressBytes !== bytes.length) continue;
      const first = ipAddressFromBytes(createCidr(bytes, blocks.prefixLength).bytes);
      const found = preferred(blocks.holders.get(first), clientNamespace);
      if (found === undefined) continue;
      if (clientNamespace === undefined || found.namespace === clientNamespace) return found;
      best ??= found;
    }
    return best;
  }

  #holdersFor({ network, ip, cidr }: ServiceAddress): Holders {
    const vips = getOrAdd(this.#networks, network, () => ({ exact: new Map(), blocks: [] }));
    if (cidr === undefined) return getOrAdd(vips.exact, ip, () => new Map());
    const { bytes, prefixLength } = cidr;
    let blocks = vips.blocks.find((candidate) => holdsLike(candidate, bytes.length, prefixLength));
    if (blocks === undefined) {
      blocks = { addressBytes: bytes.length, prefixLength, holders: new Map() };
      vips.blocks.push(blocks);
      vips.blocks.sort((a, b) => b.prefixLength - a.prefixLength);
    }
    return getOrAdd(blocks.holders, ipAddressFromBytes(bytes), () => new Map());
  }
}

function holdsLike(blocks: BlocksOfLength, addressBytes: number, prefixLength: number): boolean {
  return blocks.addressBytes === addressBytes && blocks.prefixLength === prefixLength;
}

/** Of those the client may see: its own namespace's, then a canonical one, then the least key. */
export function preferredService(
  services: Iterable<Service>,
  clientNamespace: string | undefined,
): Service | undefined {
  let best: Service | undefined;
  for (const service of services) best = preferredOf(best, service, clientNamespace);
  return best;
}

/** `preferredService` of one more: `best` is that of the others. */
export function preferredOf(
  best: Service | undefined,
  service: Service,
  clientNamespace: string | undefined,
): Service | undefined {
  if (!isVisible(service, clientNamespace)) return best;
  return best === undefined || isBetter(service, best, clientNamespace) ? service : best;
}

function preferred(holders: Holders | undefined, clientNamespace: string | undefined): Service | undefined {
  return holders === undefined ? undefined : preferredService(holders.values(), clientNamespace);
}

function isBetter(service: Service, than: Service, clientNamespace: string | undefined): boolean {
  const difference = rank(service, clientNamespace) - rank(than, clientNamespace);
  return difference === 0 ? service.key < than.key : difference > 0;
}

function isVisible(service: Service, clientNamespace: string | undefined): boolean {
  return service.visibility === 'public' || clientNamespace === undefined || service.namespace === clientNamespace;
}

function rank(service: Service, clientNamespace: string | undefined): number {
  return (service.namespace === clientNamespace ? 2 : 0) + (service.canonical ? 1 : 0);
}

function removeHolder(index: Map<IpAddress, Holders>, ip: IpAddress, service: Service): void {
  const holders = index.get(ip);
  if (holders?.get(service.key) !== service) return;
  holders.delete(service.key);
  if (holders.size === 0) index.delete(ip);
}

function getOrAdd<K, V>(map: Map<K, V>, key: K, create: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = create();
    map.set(key, value);
  }
  return value;
}
