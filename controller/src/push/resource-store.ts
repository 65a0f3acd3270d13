import type { DiscoveryResource } from '@ambit/mesh/wire';

/** A resource as it is sent, and what else finds it. The bytes are shared by all subscribers. */
export interface PushResource extends DiscoveryResource {
  /** Names of the services this workload backs; empty for anything else. */
  readonly backs: readonly string[];
  /** `namespace/name` of the Gateways whose waypoints may see it, in order. Absent: whoever may read the type. */
  readonly forGateways?: readonly string[];
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
  const own = resource?.forNode;
  if (resource === undefined || own === undefined || own.node !== node) return resource;
  return { ...resource, version: own.version, value: own.value };
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
    }
  }

  /** What a subscribed name stands for: a resource's own name or alias; a service brings the workloads behind it. */
  resolve(asked: string): readonly string[] {
    const direct = this.#resources.has(asked) ? [asked] : [...(this.#byAlias.get(asked) ?? [])];
    return direct.flatMap((name) => [name, ...(this.#backends.get(name) ?? [])]);
  }

  #remove(name: string): void {
    const known = this.#resources.get(name);
    if (known === undefined) return;
    this.#resources.delete(name);
    for (const alias of known.aliases) remove(this.#byAlias, alias, name);
    for (const service of known.backs) remove(this.#backends, service, name);
  }
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
