import type { AccessPolicy, PolicyKey } from '../model/access-policy.ts';
import type { MeshRanges } from '../model/mesh-ranges.ts';
import type { WorkloadUid } from '../model/workload.ts';
import type { Table } from './hash-index.ts';
import type { NewChunk } from './record-memory.ts';

/**
 * One update of a shared view, for every thread that reads it: small, since what came is in memory that they share. Readers must be given all
 * of them, in order.
 */
export interface ViewPublication {
  readonly epoch: number;
  /** Secret of this view's hashes. */
  readonly seed: number;
  readonly chunks: readonly NewChunk[];
  /** Present when the records are indexed in another table from now on. */
  readonly table?: Table;
  /** Present when there are other blocks than before: the lengths of those of services, longest first. */
  readonly blockLengths?: readonly BlockLength[];
  /** Workloads that are not there any more. */
  readonly gone: readonly WorkloadUid[];
  readonly touchesServices: boolean;
  // Policies and ranges are few, and decisions walk them: each thread has them as objects.
  readonly policies: readonly AccessPolicy[];
  readonly removedPolicies: readonly PolicyKey[];
  readonly ranges: readonly MeshRanges[];
  readonly removedRanges: readonly string[];
}

/** There are blocks of services of this length in this network. */
export interface BlockLength {
  readonly network: string;
  readonly addressBytes: number;
  readonly prefixLength: number;
}
