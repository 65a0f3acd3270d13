import type { Service } from '../model/service.ts';
import { parseWorkloadUid, type Workload } from '../model/workload.ts';
import { byteOf, type Chunks, type RecordRef, wordOf } from './record-memory.ts';
import { ValueReader } from './value-codec.ts';
import { RecordCache } from './record-cache.ts';

// A record begins with six words; its value follows, and after that what else its kind needs.
//
//   workload   what it has alone; shape and place are parts that it shares with others; after the value, for each address and the
//              host name, if there is one, when it was claimed
//   part       of workloads: all that the pods of one Deployment share (the shape), or what those of one node share (the place)
//   service    all of it
//   endpoints  the key of a service; then the records of the workloads that back it, in order

export const RECORD = { workload: 1, part: 2, service: 3, endpoints: 4 } as const;
export type RecordKind = (typeof RECORD)[keyof typeof RECORD];

export const WORD = {
  kind: 0,
  /** Epoch from which on it is there. Of a part: tells it from what was in its place before. */
  born: 1,
  /** Epoch from which on it is not there any more; `ALIVE` while nobody has said so. */
  died: 2,
  valueBytes: 3,
  /** Workload: the part. Part: how many hold it. Endpoints: how many there are. */
  shape: 4,
  holders: 4,
  count: 4,
  place: 5,
} as const;

export const HEAD_WORDS = 6;
export const HEAD_BYTES: number = HEAD_WORDS * Int32Array.BYTES_PER_ELEMENT;
export const ALIVE = 0x7fff_ffff;

/** Objects that a thread keeps of each kind, and again as many that were not asked for lately. */
const WORKLOADS_KEPT_MAX = 16_384;
const SERVICES_KEPT_MAX = 4096;
const PARTS_KEPT_MAX = 4096;
const ENDPOINT_LISTS_KEPT_MAX = 1024;
/** A longer list of endpoints is made anew each time, so that those that are kept do not keep every workload. */
export const ENDPOINTS_OF_KEPT_LIST_MAX = 128;

/** First word after the value. */
export function wordsAfterValue(valueBytes: number): number {
  return HEAD_WORDS + ((valueBytes + 3) >>> 2);
}

/** Of a workload, what is no part of its shape. */
const NOT_OF_SHAPE: Readonly<Record<keyof OwnFacts | keyof PlaceFacts, true>> = {
  uid: true,
  name: true,
  addresses: true,
  status: true,
  node: true,
  locality: true,
};
export const FIELDS_NOT_OF_SHAPE: ReadonlySet<string> = new Set(Object.keys(NOT_OF_SHAPE));

/** What a workload has alone. */
export interface OwnFacts {
  /** Absent when it is as Kubernetes' pods are named. */
  readonly uid?: Workload['uid'];
  readonly name: string;
  readonly addresses: Workload['addresses'];
  readonly status: Workload['status'];
}

/** The workloads that back a service, in order, and its key. */
export interface Endpoints {
  readonly key: string;
  readonly workloads: readonly Workload[];
}

export type PlaceFacts = Pick<Workload, 'node' | 'locality'>;
export type ShapeFacts = Omit<Workload, keyof OwnFacts | keyof PlaceFacts>;

/** Cluster, namespace and name of a pod, as its uid has them. */
export function podUid({ clusterId, namespace }: Pick<Workload, 'clusterId' | 'namespace'>, name: string): string {
  return `${clusterId}//Pod/${namespace}/${name}`;
}

/** Makes objects of records, for one thread. The same record gives the same object as long as it is asked for now and then. */
export class Records {
  readonly #chunks: Chunks;
  readonly #reader = new ValueReader();
  readonly #workloads = new RecordCache<Workload>(WORKLOADS_KEPT_MAX);
  readonly #services = new RecordCache<Service>(SERVICES_KEPT_MAX);
  readonly #parts = new RecordCache<ShapeFacts | PlaceFacts>(PARTS_KEPT_MAX);
  readonly #endpoints = new RecordCache<Endpoints>(ENDPOINT_LISTS_KEPT_MAX);

  constructor(chunks: Chunks) {
    this.#chunks = chunks;
  }

  word(ref: RecordRef, word: number): number {
    return this.#chunks.words(ref)[wordOf(ref) + word] ?? 0;
  }

  /** A record of this kind that is there in `epoch`. */
  isVisible(ref: RecordRef, kind: RecordKind, epoch: number): boolean {
    // Whoever writes may be ahead, and further than this thread can look.
    if (!this.#chunks.knows(ref)) return false;
    const words = this.#chunks.words(ref);
    const at = wordOf(ref);
    return (
      words[at + WORD.kind] === kind && (words[at + WORD.born] ?? 0) <= epoch && epoch < (words[at + WORD.died] ?? 0)
    );
  }

  workload(ref: RecordRef): Workload {
    const born = this.word(ref, WORD.born);
    const known = this.#workloads.get(ref, born);
    if (known !== undefined) return known;
    const own = this.#value<OwnFacts>(ref);
    const shape = this.#part<ShapeFacts>(this.word(ref, WORD.shape));
    const place = this.#part<PlaceFacts>(this.word(ref, WORD.place));
    const uid = own.uid ?? parseWorkloadUid(podUid(shape, own.name));
    const workload: Workload = { ...shape, ...place, ...own, uid };
    this.#workloads.set(ref, born, workload);
    return workload;
  }

  service(ref: RecordRef): Service {
    const born = this.word(ref, WORD.born);
    const known = this.#services.get(ref, born);
    if (known !== undefined) return known;
    const service = this.#value<Service>(ref);
    this.#services.set(ref, born, service);
    return service;
  }

  /** Key of the service whose endpoints these are. */
  endpointsKey(ref: RecordRef): string {
    return this.#value<string>(ref);
  }

  /** Record of one of the endpoints. */
  endpoint(ref: RecordRef, index: number): RecordRef {
    return this.#wordBehind(ref, index);
  }

  endpoints(ref: RecordRef): Endpoints {
    const born = this.word(ref, WORD.born);
    const known = this.#endpoints.get(ref, born);
    if (known !== undefined) return known;
    const count = this.word(ref, WORD.count);
    const workloads: Workload[] = [];
    for (let i = 0; i < count; i++) workloads.push(this.workload(this.endpoint(ref, i)));
    const endpoints = { key: this.endpointsKey(ref), workloads };
    if (count <= ENDPOINTS_OF_KEPT_LIST_MAX) this.#endpoints.set(ref, born, endpoints);
    return endpoints;
  }

  /** When a workload claimed the address of this index, and, behind those of addresses, its name: a later claim is more. */
  claim(ref: RecordRef, index: number): number {
    return this.#wordBehind(ref, index);
  }

  #wordBehind(ref: RecordRef, index: number): number {
    return this.word(ref, wordsAfterValue(this.word(ref, WORD.valueBytes)) + index);
  }

  #part<T extends ShapeFacts | PlaceFacts>(ref: RecordRef): T {
    const born = this.word(ref, WORD.born);
    const known = this.#parts.get(ref, born);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- records name their parts by what they are
    if (known !== undefined) return known as T;
    const part = this.#value<T>(ref);
    this.#parts.set(ref, born, part);
    return part;
  }

  #value<T>(ref: RecordRef): T {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- SharedViewWriter wrote a value of this type there
    return this.#reader.read(this.#chunks.bytes(ref), byteOf(ref) + HEAD_BYTES) as T;
  }
}
