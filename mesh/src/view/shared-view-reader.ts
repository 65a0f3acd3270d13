import type { AccessPolicy } from '../model/access-policy.ts';
import { createCidr, type IpAddress, ipAddressFromBytes, ipAddressToBytes } from '../model/address.ts';
import { RangeIndex } from '../model/mesh-ranges.ts';
import type { EffectivePolicies, MeshView, MeshViewStep } from '../model/mesh-view.ts';
import { PolicyIndex } from '../model/policy-index.ts';
import { type NamespacedHostname, type Service, type ServiceKey, serviceKey } from '../model/service.ts';
import { preferredOf } from '../model/vip-index.ts';
import { claimsOf } from '../model/workload-address-index.ts';
import type { Workload, WorkloadUid } from '../model/workload.ts';
import { allRefs, findPlace, refAt, type Table } from './hash-index.ts';
import { hashKey, KEY } from './key-hash.ts';
import { Chunks, type RecordRef } from './record-memory.ts';
import { ALIVE, ENDPOINTS_OF_KEPT_LIST_MAX, RECORD, type RecordKind, Records } from './records.ts';
import type { BlockLength, ViewPublication } from './shared-view.ts';

const ENDPOINTS_REMEMBERED_MAX = 1024;
const NOBODY: readonly Workload[] = [];

/**
 * A mesh view that one thread writes (`SharedViewWriter`) and any number read, each at the epoch that it has adopted: whatever the writer
 * does meanwhile, nothing changes here until the next one is. Objects are made when they are asked for, and kept while they are.
 */
export class SharedViewReader implements MeshView {
  readonly #chunks = new Chunks();
  readonly #records = new Records(this.#chunks);
  readonly #policies = new PolicyIndex();
  readonly #ranges = new RangeIndex();
  #table: Table | undefined;
  #blockLengths: readonly BlockLength[] = [];
  #seed = 0;
  #epoch = 0;
  /** Of this epoch: the text of a key is long, and to hash it costs more than all the rest of a look-up. */
  readonly #endpoints = new Map<ServiceKey, readonly Workload[]>();
  /** What `#find` and `#findNext` found last. */
  #found: RecordRef = 0;

  get epoch(): number {
    return this.#epoch;
  }

  /**
   * From now on the view is that of this publication. To be called between two decisions; the writer may be told afterwards that this thread
   * has it. What is returned speaks of the last step alone and is valid until the next.
   */
  adopt(publication: ViewPublication): MeshViewStep {
    const before = this.#epoch;
    for (const chunk of publication.chunks) this.#chunks.add(chunk);
    this.#table = publication.table ?? this.#table;
    this.#blockLengths = publication.blockLengths ?? this.#blockLengths;
    this.#seed = publication.seed;
    this.#epoch = publication.epoch;
    this.#endpoints.clear();
    const policies = this.#policies.apply(publication.policies, publication.removedPolicies);
    for (const name of publication.removedRanges) this.#ranges.remove(name);
    for (const ranges of publication.ranges) this.#ranges.put(ranges);
    const touchesWorkload = (uid: WorkloadUid): boolean =>
      this.#findWorkload(uid, before) !== this.#findWorkload(uid, this.#epoch);
    return {
      epoch: publication.epoch,
      gone: new Set(publication.gone),
      touchesServices: publication.touchesServices,
      touchesWorkload,
      policiesMayDifferAt: (workload) => policies.reaches(workload) || touchesWorkload(workload.uid),
    };
  }

  workload(uid: WorkloadUid): Workload | undefined {
    const ref = this.#findWorkload(uid, this.#epoch);
    return ref === 0 ? undefined : this.#records.workload(ref);
  }

  workloadByAddress(network: string, ip: IpAddress): Workload | undefined {
    const hash = hashKey(this.#seed, KEY.address, network, ip);
    let found: Workload | undefined;
    let claimed = -1;
    for (
      let place = this.#find(RECORD.workload, hash);
      place >= 0;
      place = this.#findNext(RECORD.workload, hash, place)
    ) {
      const ref = this.#found;
      const workload = this.#records.workload(ref);
      const at = workload.network === network ? claimsOf(workload).indexOf(ip) : -1;
      if (at < 0) continue;
      const claim = this.#records.claim(ref, at);
      if (claim <= claimed) continue;
      claimed = claim;
      found = workload;
    }
    return found;
  }

  workloadByHostname(name: NamespacedHostname): Workload | undefined {
    const hash = hashKey(this.#seed, KEY.name, serviceKey(name));
    let found: Workload | undefined;
    let claimed = ALIVE;
    for (
      let place = this.#find(RECORD.workload, hash);
      place >= 0;
      place = this.#findNext(RECORD.workload, hash, place)
    ) {
      const ref = this.#found;
      const workload = this.#records.workload(ref);
      if (workload.hostname !== name.hostname || workload.namespace !== name.namespace) continue;
      const claim = this.#records.claim(ref, claimsOf(workload).length);
      // The one that has had it for longest.
      if (claim >= claimed) continue;
      claimed = claim;
      found = workload;
    }
    return found;
  }

  service(key: ServiceKey): Service | undefined {
    const hash = hashKey(this.#seed, KEY.service, key);
    for (
      let place = this.#find(RECORD.service, hash);
      place >= 0;
      place = this.#findNext(RECORD.service, hash, place)
    ) {
      const service = this.#records.service(this.#found);
      if (service.key === key) return service;
    }
    return undefined;
  }

  serviceByAddress(network: string, ip: IpAddress, clientNamespace?: string): Service | undefined {
    const hash = hashKey(this.#seed, KEY.vip, network, ip);
    let exact: Service | undefined;
    for (
      let place = this.#find(RECORD.service, hash);
      place >= 0;
      place = this.#findNext(RECORD.service, hash, place)
    ) {
      const service = this.#records.service(this.#found);
      if (hasAddress(service, network, ip)) exact = preferredOf(exact, service, clientNamespace);
    }
    if (exact !== undefined || this.#blockLengths.length === 0) return exact;
    return this.#serviceByBlock(network, ipAddressToBytes(ip), clientNamespace);
  }

  isInRanges(network: string, ip: IpAddress): boolean {
    return this.#ranges.contains(network, ip);
  }

  servicesByHostname(hostname: string): readonly Service[] {
    const hash = hashKey(this.#seed, KEY.hostname, hostname);
    const services: Service[] = [];
    for (
      let place = this.#find(RECORD.service, hash);
      place >= 0;
      place = this.#findNext(RECORD.service, hash, place)
    ) {
      const service = this.#records.service(this.#found);
      if (service.hostname === hostname) services.push(service);
    }
    return services.length > 1 ? services.sort((a, b) => (a.key < b.key ? -1 : 1)) : services;
  }

  endpoints(key: ServiceKey): readonly Workload[] {
    const known = this.#endpoints.get(key);
    if (known !== undefined) return known;
    const endpoints = this.#findEndpoints(key);
    if (this.#endpoints.size >= ENDPOINTS_REMEMBERED_MAX) this.#endpoints.clear();
    // A list that records do not keep is not kept here either.
    if (endpoints.length <= ENDPOINTS_OF_KEPT_LIST_MAX) this.#endpoints.set(key, endpoints);
    return endpoints;
  }

  policiesFor(workload: Workload): EffectivePolicies {
    return this.#policies.effectiveAt(workload);
  }

  *workloads(): Iterable<Workload> {
    for (const ref of this.#all(RECORD.workload)) yield this.#records.workload(ref);
  }

  *services(): Iterable<Service> {
    for (const ref of this.#all(RECORD.service)) yield this.#records.service(ref);
  }

  policies(): Iterable<AccessPolicy> {
    return this.#policies.all();
  }

  #findWorkload(uid: WorkloadUid, epoch: number): RecordRef {
    const hash = hashKey(this.#seed, KEY.uid, uid);
    const kind = RECORD.workload;
    for (let place = this.#find(kind, hash, epoch); place >= 0; place = this.#findNext(kind, hash, place, epoch)) {
      if (this.#records.workload(this.#found).uid === uid) return this.#found;
    }
    return 0;
  }

  #findEndpoints(key: ServiceKey): readonly Workload[] {
    const hash = hashKey(this.#seed, KEY.endpoints, key);
    const kind = RECORD.endpoints;
    for (let place = this.#find(kind, hash); place >= 0; place = this.#findNext(kind, hash, place)) {
      const endpoints = this.#records.endpoints(this.#found);
      if (endpoints.key === key) return endpoints.workloads;
    }
    return NOBODY;
  }

  /** The longest first, so a later block wins only by being of the client's own namespace. */
  #serviceByBlock(network: string, bytes: Uint8Array, clientNamespace: string | undefined): Service | undefined {
    let best: Service | undefined;
    for (const length of this.#blockLengths) {
      if (length.network !== network || length.addressBytes !== bytes.length) continue;
      const first = ipAddressFromBytes(createCidr(bytes, length.prefixLength).bytes);
      const found = this.#holderOfBlock(network, first, length, clientNamespace);
      if (found === undefined) continue;
      if (clientNamespace === undefined || found.namespace === clientNamespace) return found;
      best ??= found;
    }
    return best;
  }

  #holderOfBlock(
    network: string,
    first: IpAddress,
    length: BlockLength,
    clientNamespace: string | undefined,
  ): Service | undefined {
    const hash = hashKey(this.#seed, KEY.block, network, blockText(first, length));
    let best: Service | undefined;
    for (
      let place = this.#find(RECORD.service, hash);
      place >= 0;
      place = this.#findNext(RECORD.service, hash, place)
    ) {
      const service = this.#records.service(this.#found);
      if (hasBlock(service, network, first, length)) best = preferredOf(best, service, clientNamespace);
    }
    return best;
  }

  /**
   * Where the table has the first record of this hash, which is most likely of the key that was looked for and becomes `#found`; -1 when there
   * is none. A look-up makes no object of its own: every connection does several.
   */
  #find(kind: RecordKind, hash: number, epoch = this.#epoch): number {
    return this.#findFrom(kind, hash, hash, epoch);
  }

  /** The next after `place`. */
  #findNext(kind: RecordKind, hash: number, place: number, epoch = this.#epoch): number {
    return this.#findFrom(kind, hash, place + 1, epoch);
  }

  #findFrom(kind: RecordKind, hash: number, from: number, epoch: number): number {
    const table = this.#table;
    if (table === undefined) return -1;
    for (let place = findPlace(table, hash, from); place >= 0; place = findPlace(table, hash, place + 1)) {
      const ref = refAt(table, place);
      if (ref <= 0 || !this.#records.isVisible(ref, kind, epoch)) continue;
      this.#found = ref;
      return place;
    }
    return -1;
  }

  #all(kind: RecordKind): ReadonlySet<RecordRef> {
    const refs = new Set<RecordRef>();
    if (this.#table === undefined) return refs;
    for (const ref of allRefs(this.#table)) if (this.#records.isVisible(ref, kind, this.#epoch)) refs.add(ref);
    return refs;
  }
}

/** What a block is looked up by, beside its network. */
export function blockText(first: IpAddress, { prefixLength }: Pick<BlockLength, 'prefixLength'>): string {
  return `${first}/${prefixLength}`;
}

function hasAddress({ addresses }: Service, network: string, ip: IpAddress): boolean {
  for (const one of addresses) if (one.ip === ip && one.cidr === undefined && one.network === network) return true;
  return false;
}

function hasBlock(
  { addresses }: Service,
  inNetwork: string,
  first: IpAddress,
  { addressBytes, prefixLength }: BlockLength,
): boolean {
  for (const { network, cidr } of addresses) {
    if (cidr === undefined || network !== inNetwork || cidr.prefixLength !== prefixLength) continue;
    if (cidr.bytes.length === addressBytes && ipAddressFromBytes(cidr.bytes) === first) return true;
  }
  return false;
}
