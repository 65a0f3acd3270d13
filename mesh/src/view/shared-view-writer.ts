import { type IpAddress, ipAddressFromBytes } from '../model/address.ts';
import type { MeshViewUpdate } from '../model/mesh-view.ts';
import { type Service, type ServiceKey, serviceKey } from '../model/service.ts';
import { claimsOf } from '../model/workload-address-index.ts';
import type { Workload, WorkloadUid } from '../model/workload.ts';
import { BlockLengths } from './block-lengths.ts';
import { EndpointChanges } from './endpoint-changes.ts';
import { findPlace, HashIndex, refAt } from './hash-index.ts';
import { hashKey, KEY } from './key-hash.ts';
import { PartStore } from './part-store.ts';
import { byteOf, RecordMemory, type RecordRef, wordOf } from './record-memory.ts';
import {
  ALIVE,
  FIELDS_NOT_OF_SHAPE,
  HEAD_BYTES,
  podUid,
  RECORD,
  type RecordKind,
  Records,
  WORD,
  wordsAfterValue,
} from './records.ts';
import { blockText } from './shared-view-reader.ts';
import type { ViewPublication } from './shared-view.ts';
import { ValueWriter } from './value-codec.ts';

/** A record that is not there any more from an epoch on. */
interface Dead {
  readonly ref: RecordRef;
  readonly epoch: number;
}

/**
 * The one hand that writes a mesh view which other threads read. Nothing that a reader may see is changed: what changes is written anew,
 * visible from the next epoch on, and what it replaces stays until no reader is at an epoch that has it.
 *
 * A record that died in epoch N:
 *
 *   visible --apply: N--> dead --all at N--> not indexed (in M > N) --all at M--> free
 *
 * The second wait is for readers that had found it before it was taken out of the index: they are done with it at the end of their turn,
 * and adopt M in a later one.
 */
export class SharedViewWriter {
  readonly #seed: number;
  readonly #memory = new RecordMemory();
  readonly #records = new Records(this.#memory.chunks);
  readonly #index = new HashIndex();
  readonly #values = new ValueWriter();
  readonly #parts: PartStore;
  readonly #endpointChanges = new EndpointChanges();
  readonly #blockLengths = new BlockLengths();
  /** In order of their epochs. */
  #dead: Dead[] = [];
  #unindexed: Dead[] = [];
  #epoch = 0;
  #acknowledged = 0;
  #claims = 0;

  /** `seed`: any 32 bits that nobody else can know. */
  constructor(seed: number) {
    this.#seed = seed;
    this.#parts = new PartStore({ seed, memory: this.#memory, index: this.#index });
  }

  /** Bytes that records take, those that readers may still see and that are not in force any more included. */
  get recordBytes(): number {
    return this.#memory.usedBytes;
  }

  /** Writes one update, and tells what readers must be given: all of them, whole, in order. As `MeshViewStore.apply`. */
  apply(update: MeshViewUpdate): ViewPublication {
    const epoch = ++this.#epoch;
    this.#reclaim();
    const removed = (update.removedWorkloads ?? []).filter((uid) => this.#removeWorkload(uid));
    let touchesServices = (update.services ?? []).length > 0;
    for (const key of update.removedServices ?? []) touchesServices = this.#removeService(key) || touchesServices;
    for (const workload of update.workloads ?? []) this.#putWorkload(workload);
    for (const service of update.services ?? []) this.#putService(service);
    for (const [key, endpoints] of this.#endpointChanges.take((one) => this.#endpointsOf(one))) {
      this.#putEndpoints(key, endpoints);
    }
    const table = this.#index.takeNew();
    const blockLengths = this.#blockLengths.takeNew();
    return {
      epoch,
      seed: this.#seed,
      chunks: this.#memory.takeAdded(),
      ...(table === undefined ? {} : { table }),
      ...(blockLengths === undefined ? {} : { blockLengths }),
      gone: removed.filter((uid) => this.#findWorkload(uid) === 0),
      touchesServices,
      policies: update.policies ?? [],
      removedPolicies: update.removedPolicies ?? [],
      ranges: update.ranges ?? [],
      removedRanges: update.removedRanges ?? [],
    };
  }

  /** Every reader has adopted this epoch. */
  acknowledge(epoch: number): void {
    this.#acknowledged = Math.max(this.#acknowledged, epoch);
  }

  #putWorkload(workload: Workload): void {
    const { uid, name, addresses, status, node, locality } = workload;
    const beforeRef = this.#findWorkload(uid);
    const before = beforeRef === 0 ? undefined : this.#records.workload(beforeRef);
    const shapeRef = this.#parts.hold(workload, this.#epoch, FIELDS_NOT_OF_SHAPE);
    const placeRef = this.#parts.hold({ node, locality }, this.#epoch);
    const isPod = uid === podUid(workload, name);
    this.#values.reset();
    this.#values.write({ ...(isPod ? {} : { uid }), name, addresses, status });
    const ref = this.#create(RECORD.workload, claimCount(workload));
    const words = this.#memory.chunks.words(ref);
    words[wordOf(ref) + WORD.shape] = shapeRef;
    words[wordOf(ref) + WORD.place] = placeRef;
    const claimsAt = wordOf(ref) + wordsAfterValue(this.#values.length);
    for (const [i, ip] of claimsOf(workload).entries()) {
      words[claimsAt + i] = this.#claimOf(workload.network, ip, before, beforeRef) ?? ++this.#claims;
    }
    if (workload.hostname !== '') words[claimsAt + claimsOf(workload).length] = ++this.#claims;
    for (const hash of this.#hashesOfWorkload(workload)) this.#index.add(hash, ref);
    for (const key of workload.services.keys()) {
      this.#endpointChanges.add(key, before?.services.has(key) === true ? beforeRef : 0, ref);
    }
    if (before === undefined) return;
    this.#kill(beforeRef);
    for (const key of before.services.keys()) {
      if (!workload.services.has(key)) this.#endpointChanges.add(key, beforeRef, 0);
    }
  }

  /** False when there is none. */
  #removeWorkload(uid: WorkloadUid): boolean {
    const ref = this.#findWorkload(uid);
    if (ref === 0) return false;
    for (const key of this.#records.workload(ref).services.keys()) this.#endpointChanges.add(key, ref, 0);
    this.#kill(ref);
    return true;
  }

  #putService(service: Service): void {
    this.#removeService(service.key);
    this.#values.reset();
    this.#values.write(service);
    const ref = this.#create(RECORD.service, 0);
    for (const hash of this.#hashesOfService(service)) this.#index.add(hash, ref);
    this.#blockLengths.add(service);
  }

  /** False when there is none. */
  #removeService(key: ServiceKey): boolean {
    const ref = this.#findAlive(RECORD.service, hashKey(this.#seed, KEY.service, key), (one) => {
      return this.#records.service(one).key === key;
    });
    if (ref === 0) return false;
    this.#blockLengths.remove(this.#records.service(ref));
    this.#kill(ref);
    return true;
  }

  #putEndpoints(key: ServiceKey, endpoints: readonly RecordRef[]): void {
    const before = this.#findEndpoints(key);
    if (before !== 0) this.#kill(before);
    if (endpoints.length === 0) return;
    this.#values.reset();
    this.#values.write(key);
    const ref = this.#create(RECORD.endpoints, endpoints.length);
    const words = this.#memory.chunks.words(ref);
    words[wordOf(ref) + WORD.count] = endpoints.length;
    words.set(endpoints, wordOf(ref) + wordsAfterValue(this.#values.length));
    this.#index.add(hashKey(this.#seed, KEY.endpoints, key), ref);
  }

  /** A record of what was written last, with room for words behind it. */
  #create(kind: RecordKind, wordsBehind: number): RecordRef {
    const { length, bytes } = this.#values;
    const ref = this.#memory.allocate(sizeOf(length, wordsBehind));
    const words = this.#memory.chunks.words(ref);
    words[wordOf(ref) + WORD.kind] = kind;
    words[wordOf(ref) + WORD.born] = this.#epoch;
    words[wordOf(ref) + WORD.died] = ALIVE;
    words[wordOf(ref) + WORD.valueBytes] = length;
    this.#memory.chunks.bytes(ref).set(bytes, byteOf(ref) + HEAD_BYTES);
    return ref;
  }

  #kill(ref: RecordRef): void {
    this.#memory.chunks.words(ref)[wordOf(ref) + WORD.died] = this.#epoch;
    this.#dead.push({ ref, epoch: this.#epoch });
  }

  #findWorkload(uid: WorkloadUid): RecordRef {
    return this.#findAlive(RECORD.workload, hashKey(this.#seed, KEY.uid, uid), (ref) => {
      return this.#records.workload(ref).uid === uid;
    });
  }

  #findEndpoints(key: ServiceKey): RecordRef {
    return this.#findAlive(RECORD.endpoints, hashKey(this.#seed, KEY.endpoints, key), (ref) => {
      return this.#records.endpointsKey(ref) === key;
    });
  }

  /** 0 when there is none. */
  #findAlive(kind: RecordKind, hash: number, isIt: (ref: RecordRef) => boolean): RecordRef {
    const { table } = this.#index;
    for (let place = findPlace(table, hash, hash); place >= 0; place = findPlace(table, hash, place + 1)) {
      const ref = refAt(table, place);
      if (this.#records.isVisible(ref, kind, this.#epoch) && isIt(ref)) return ref;
    }
    return 0;
  }

  #endpointsOf(key: ServiceKey): readonly RecordRef[] {
    const ref = this.#findEndpoints(key);
    if (ref === 0) return [];
    return Array.from({ length: this.#records.word(ref, WORD.count) }, (_, i) => this.#records.endpoint(ref, i));
  }

  /** When the workload claimed this address before, if it did. */
  #claimOf(network: string, ip: IpAddress, before: Workload | undefined, ref: RecordRef): number | undefined {
    if (before === undefined || before.network !== network) return undefined;
    const at = claimsOf(before).indexOf(ip);
    if (at < 0) return undefined;
    return this.#records.claim(ref, at);
  }

  /** Frees what no reader can see, and takes out of the index what none looks for any more. */
  #reclaim(): void {
    const isPast = ({ epoch }: Dead): boolean => epoch <= this.#acknowledged;
    const free = countOf(this.#unindexed, isPast);
    for (const { ref } of this.#unindexed.slice(0, free)) this.#free(ref);
    const unseen = countOf(this.#dead, isPast);
    const unindexed = this.#dead.slice(0, unseen).map(({ ref }) => ({ ref, epoch: this.#epoch }));
    for (const { ref } of unindexed) for (const hash of this.#hashesOf(ref)) this.#index.remove(hash, ref);
    this.#unindexed = [...this.#unindexed.slice(free), ...unindexed];
    this.#dead = this.#dead.slice(unseen);
  }

  #free(ref: RecordRef): void {
    const valueBytes = this.#records.word(ref, WORD.valueBytes);
    switch (this.#records.word(ref, WORD.kind)) {
      case RECORD.workload:
        this.#memory.free(ref, sizeOf(valueBytes, claimCount(this.#records.workload(ref))));
        this.#parts.release(this.#records.word(ref, WORD.shape));
        this.#parts.release(this.#records.word(ref, WORD.place));
        return;
      case RECORD.service:
        this.#memory.free(ref, sizeOf(valueBytes, 0));
        return;
      default:
        this.#memory.free(ref, sizeOf(valueBytes, this.#records.word(ref, WORD.count)));
    }
  }

  #hashesOf(ref: RecordRef): ReadonlySet<number> {
    switch (this.#records.word(ref, WORD.kind)) {
      case RECORD.workload:
        return this.#hashesOfWorkload(this.#records.workload(ref));
      case RECORD.service:
        return this.#hashesOfService(this.#records.service(ref));
      default:
        return new Set([hashKey(this.#seed, KEY.endpoints, this.#records.endpointsKey(ref))]);
    }
  }

  #hashesOfWorkload(workload: Workload): ReadonlySet<number> {
    const hashes = new Set([hashKey(this.#seed, KEY.uid, workload.uid)]);
    for (const ip of claimsOf(workload)) hashes.add(hashKey(this.#seed, KEY.address, workload.network, ip));
    if (workload.hostname !== '') hashes.add(hashKey(this.#seed, KEY.name, serviceKey(workload)));
    return hashes;
  }

  #hashesOfService(service: Service): ReadonlySet<number> {
    const hashes = new Set([
      hashKey(this.#seed, KEY.service, service.key),
      hashKey(this.#seed, KEY.hostname, service.hostname),
    ]);
    for (const { network, ip, cidr } of service.addresses) {
      hashes.add(
        cidr === undefined
          ? hashKey(this.#seed, KEY.vip, network, ip)
          : hashKey(this.#seed, KEY.block, network, blockText(ipAddressFromBytes(cidr.bytes), cidr)),
      );
    }
    return hashes;
  }
}

/** Words behind the value of a workload. */
function claimCount(workload: Workload): number {
  return claimsOf(workload).length + (workload.hostname === '' ? 0 : 1);
}

function sizeOf(valueBytes: number, wordsBehind: number): number {
  return (wordsAfterValue(valueBytes) + wordsBehind) * Int32Array.BYTES_PER_ELEMENT;
}

/** How many at the beginning are so. */
function countOf<T>(values: readonly T[], isSo: (value: T) => boolean): number {
  const end = values.findIndex((value) => !isSo(value));
  return end < 0 ? values.length : end;
}
