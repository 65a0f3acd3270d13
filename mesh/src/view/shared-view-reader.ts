import type { AccessPolicy } from '../model/access-policy.ts';
import { createCidr, type IpAddress, ipAddressFromBytes, ipAddressToBytes } from '../model/address.ts';
import { RangeIndex } from '../model/mesh-ranges.ts';
import type { EffectivePolicies, MeshView, MeshViewStep } from '../model/mesh-view.ts';
import { PolicyIndex } from '../model/policy-index.ts';
import { type NamespacedHostname, type Service, type ServiceKey, serviceKey } from '../model/service.ts';
import { preferredService } from '../model/vip-index.ts';
import { claimsOf } from '../model/workload-address-index.ts';
import type { Workload, WorkloadUid } from '../model/workload.ts';
import { allRefs, findPlace, refAt, type Table } from './hash-index.ts';
import { hashKey, KEY } from './key-hash.ts';
import { Chunks, type RecordRef } from './record-memory.ts';
import { ALIVE, RECORD, Records, WORD } from './records.ts';
import type { BlockLength, ViewPublication } from './shared-view.ts';

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
    let found: Workload | undefined;
    let claimed = -1;
    for (const ref of this.#refs(RECORD.workload, hashKey(this.#seed, KEY.address, network, ip))) {
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
    let found: Workload | undefined;
    let claimed = ALIVE;
    for (const ref of this.#refs(RECORD.workload, hashKey(this.#seed, KEY.name, serviceKey(name)))) {
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
    for (const service of this.#services(hashKey(this.#seed, KEY.service, key))) {
      if (service.key === key) return service;
    }
    return undefined;
  }

  serviceByAddress(network: string, ip: IpAddress, clientNamespace?: string): Service | undefined {
    const exact = preferredService(
      this.#services(hashKey(this.#seed, KEY.vip, network, ip)).filter(({ addresses }) =>
        addresses.some((one) => one.cidr === undefined && one.network === network && one.ip === ip),
      ),
      clientNamespace,
    );
    if (exact !== undefined || this.#blockLengths.length === 0) return exact;
    return this.#serviceByBlock(network, ipAddressToBytes(ip), clientNamespace);
  }

  isInRanges(network: string, ip: IpAddress): boolean {
    return this.#ranges.contains(network, ip);
  }

  servicesByHostname(hostname: string): readonly Service[] {
    return this.#services(hashKey(this.#seed, KEY.hostname, hostname))
      .filter((one) => one.hostname === hostname)
      .sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  *endpoints(key: ServiceKey): Iterable<Workload> {
    for (const ref of this.#refs(RECORD.endpoints, hashKey(this.#seed, KEY.endpoints, key))) {
      if (this.#records.endpointsKey(ref) !== key) continue;
      const count = this.#records.word(ref, WORD.count);
      for (let i = 0; i < count; i++) yield this.#records.workload(this.#records.endpoint(ref, i));
      return;
    }
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
    for (const ref of this.#refs(RECORD.workload, hashKey(this.#seed, KEY.uid, uid), epoch)) {
      if (this.#records.workload(ref).uid === uid) return ref;
    }
    return 0;
  }

  /** The longest first, so a later block wins only by being of the client's own namespace. */
  #serviceByBlock(network: string, bytes: Uint8Array, clientNamespace: string | undefined): Service | undefined {
    let best: Service | undefined;
    for (const length of this.#blockLengths) {
      if (length.network !== network || length.addressBytes !== bytes.length) continue;
      const first = ipAddressFromBytes(createCidr(bytes, length.prefixLength).bytes);
      const holders = this.#services(hashKey(this.#seed, KEY.block, network, blockText(first, length))).filter(
        ({ addresses }) => addresses.some((one) => isBlock(one, network, first, length)),
      );
      const found = preferredService(holders, clientNamespace);
      if (found === undefined) continue;
      if (clientNamespace === undefined || found.namespace === clientNamespace) return found;
      best ??= found;
    }
    return best;
  }

  #services(hash: number): Service[] {
    return this.#refs(RECORD.service, hash).map((ref) => this.#records.service(ref));
  }

  /** Records of this hash, which are most likely of the key that was looked for. */
  #refs(kind: Parameters<Records['isVisible']>[1], hash: number, epoch = this.#epoch): RecordRef[] {
    const table = this.#table;
    const refs: RecordRef[] = [];
    if (table === undefined) return refs;
    for (let place = findPlace(table, hash, hash); place >= 0; place = findPlace(table, hash, place + 1)) {
      const ref = refAt(table, place);
      // A key may be in a record twice, and one that is looked up may meet one that is not.
      if (ref > 0 && this.#records.isVisible(ref, kind, epoch) && !refs.includes(ref)) refs.push(ref);
    }
    return refs;
  }

  #all(kind: Parameters<Records['isVisible']>[1]): ReadonlySet<RecordRef> {
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

function isBlock(
  { network, cidr }: Service['addresses'][number],
  inNetwork: string,
  first: IpAddress,
  { addressBytes, prefixLength }: BlockLength,
): boolean {
  if (cidr === undefined || network !== inNetwork) return false;
  return (
    cidr.bytes.length === addressBytes && cidr.prefixLength === prefixLength && ipAddressFromBytes(cidr.bytes) === first
  );
}
