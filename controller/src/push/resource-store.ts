import { isIP } from 'node:net';
import { cidrContains, type IpAddress, parseIpAddress, type ServiceAddress } from '@ambit/mesh/model';
import type { DiscoveryResource } from '@ambit/mesh/wire';

/** A resource as it is sent, and what else finds it. The bytes are shared by all subscribers. */
export interface PushResource extends DiscoveryResource {
  /** Names of the services this workload backs; empty for anything else. */
  readonly backs: readonly string[];
  /** The node it runs on, of a workload. */
  readonly node?: string;
  /** What a service goes by beside its name and its addresses. */
  readonly covers?: {
    /** May begin with `*.`, which stands for one label or more. */
    readonly hostname: string;
    readonly blocks: readonly ServiceAddress[];
  };
  /** `namespace/name` of the Gateways whose waypoints may see it, in order. Absent: whoever may read the type. */
  readonly forGateways?: readonly string[];
  /** What waypoints of that Gateway, `namespace/name`, get in place of what all others do. */
  readonly forGateway?: Pick<DiscoveryResource, 'version' | 'value'> & { readonly gateway: string };
  /** What subscribers of that node get in place of what all others do. */
  readonly forNode?: Pick<DiscoveryResource, 'version' | 'value'> & { readonly node: string };
}

/** For whom resources are looked at. */
export interface ResourceReader {
  readonly node: string;
  /** `namespace/name` of the Gateway whose waypoint it is. */
  readonly gateway?: string;
}

/** The resource as the reader gets it; undefined where it is not for it. */
export function resourceFor(
  { node, gateway }: ResourceReader,
  resource: PushResource | undefined,
): DiscoveryResource | undefined {
  if (resource?.forGateways !== undefined && (gateway === undefined || !resource.forGateways.includes(gateway))) {
    return undefined;
  }
  if (resource === undefined) return undefined;
  const { forNode, forGateway } = resource;
  const own = forNode?.node === node ? forNode : forGateway?.gateway === gateway ? forGateway : undefined;
  return own === undefined ? resource : { ...resource, version: own.version, value: own.value };
}

/**
 * The present resources of one type. Every name has one version, which is a hash of its content, so that a restarted
 * controller gives the same versions.
 */
export class ResourceStore {
  readonly typeUrl: string;
  readonly #resources = new Map<string, PushResource>();
  readonly #byAlias = new Map<string, Set<string>>();
  readonly #backends = new Map<string, Set<string>>();
  readonly #byNode = new Map<string, Set<string>>();
  readonly #byHostname = new Map<string, Set<string>>();
  /** Those with blocks of addresses. */
  readonly #blocks = new Set<string>();
  /** Of all wildcards that there ever were, the most labels: a long name is looked for by no longer ends of it than can be found. */
  #wildcardLabelsMax = 0;
  #revision = 0;

  constructor(typeUrl: string) {
    this.typeUrl = typeUrl;
  }

  /** Grows with every update; for logs. */
  get revision(): number {
    return this.#revision;
  }

  get size(): number {
    return this.#resources.size;
  }

  get(name: string): PushResource | undefined {
    return this.#resources.get(name);
  }

  names(): Iterable<string> {
    return this.#resources.keys();
  }

  /** Removes, then puts. */
  update(removed: Iterable<string>, put: Iterable<PushResource>): void {
    this.#revision++;
    for (const name of removed) this.#remove(name);
    for (const resource of put) {
      this.#remove(resource.name);
      this.#resources.set(resource.name, resource);
      for (const alias of resource.aliases) add(this.#byAlias, alias, resource.name);
      for (const service of resource.backs) add(this.#backends, service, resource.name);
      if (resource.node !== undefined && resource.node !== '') add(this.#byNode, resource.node, resource.name);
      if (resource.covers !== undefined) this.#addCovering(resource.name, resource.covers);
    }
  }

  /**
   * What a subscribed name stands for: a resource's own name or alias, the services of a block that the address is in, with `*` for the
   * namespace those of a host name in any; a service brings the workloads behind it.
   */
  resolve(asked: string): readonly string[] {
    const direct = this.#resources.has(asked) ? [asked] : [...(this.#byAlias.get(asked) ?? [])];
    return [...direct, ...this.#covering(asked)].flatMap((name) => [name, ...(this.#backends.get(name) ?? [])]);
  }

  onNode(node: string): Iterable<string> {
    return this.#byNode.get(node) ?? [];
  }

  #addCovering(name: string, { hostname, blocks }: NonNullable<PushResource['covers']>): void {
    add(this.#byHostname, hostname, name);
    if (isWildcard(hostname)) {
      this.#wildcardLabelsMax = Math.max(this.#wildcardLabelsMax, hostname.split('.').length - 1);
    }
    if (blocks.length > 0) this.#blocks.add(name);
  }

  #covering(asked: string): readonly string[] {
    if (asked.startsWith(ANY_NAMESPACE)) {
      return hostnamesFor(asked.slice(ANY_NAMESPACE.length), this.#wildcardLabelsMax).flatMap((name) => [
        ...(this.#byHostname.get(name) ?? []),
      ]);
    }
    if (this.#blocks.size === 0) return [];
    const address = addressIn(asked);
    if (address === null) return [];
    return [...this.#blocks].filter((name) => {
      const blocks = this.#resources.get(name)?.covers?.blocks ?? [];
      return blocks.some((block) => isInBlock(address, block));
    });
  }

  #remove(name: string): void {
    const known = this.#resources.get(name);
    if (known === undefined) return;
    this.#resources.delete(name);
    for (const alias of known.aliases) remove(this.#byAlias, alias, name);
    for (const service of known.backs) remove(this.#backends, service, name);
    if (known.node !== undefined) remove(this.#byNode, known.node, name);
    if (known.covers !== undefined) remove(this.#byHostname, known.covers.hostname, name);
    this.#blocks.delete(name);
  }
}

/** In place of the namespace in front of a host name: in whichever it is. Ambit's own. */
const ANY_NAMESPACE = '*/';

/** Of the names asked for, those that the resource answers beside its own name and aliases. */
export function coveredNames(asked: ReadonlySet<string>, { covers }: PushResource): readonly string[] {
  if (covers === undefined) return [];
  const { hostname, blocks } = covers;
  const own = `${ANY_NAMESPACE}${hostname}`;
  if (blocks.length === 0 && !isWildcard(hostname)) return asked.has(own) ? [own] : [];
  return [...asked].filter((name) => {
    if (name.startsWith(ANY_NAMESPACE))
      return name === own || (isWildcard(hostname) && name.endsWith(hostname.slice(1)));
    if (blocks.length === 0) return false;
    const address = addressIn(name);
    return address !== null && blocks.some((block) => isInBlock(address, block));
  });
}

function isWildcard(hostname: string): boolean {
  return hostname.startsWith('*.');
}

/** The name, then the wildcards that cover it, of at most so many labels beside the `*`. */
function hostnamesFor(name: string, labelsMax: number): readonly string[] {
  const names: string[] = [];
  let dot = name.length;
  for (let labels = 1; labels <= labelsMax && dot > 0; labels++) {
    dot = name.lastIndexOf('.', dot - 1);
    if (dot === -1) break;
    names.unshift(`*${name.slice(dot)}`);
  }
  return [name, ...names];
}

interface Address {
  readonly network: string;
  readonly ip: IpAddress;
}

/** Of a name that is `network/address`. */
function addressIn(name: string): Address | null {
  const slash = name.indexOf('/');
  const ip = name.slice(slash + 1);
  return isIP(ip) === 0 ? null : { network: name.slice(0, slash), ip: parseIpAddress(ip) };
}

function isInBlock({ network, ip }: Address, block: ServiceAddress): boolean {
  return block.cidr !== undefined && network === block.network && cidrContains(block.cidr, ip);
}

function add(index: Map<string, Set<string>>, key: string, name: string): void {
  const names = index.get(key);
  if (names === undefined) index.set(key, new Set([name]));
  else names.add(name);
}

function remove(index: Map<string, Set<string>>, key: string, name: string): void {
  const names = index.get(key);
  names?.delete(name);
  if (names?.size === 0) index.delete(key);
}
