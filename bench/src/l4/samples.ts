import type { BulkLoadName, LoadName, RequestLoadName } from './plan.ts';
import type { PeerDescription, PeerName } from './peer.ts';
import type { Memory } from '../measure/process-usage.ts';

/**
 * One load on one peer in one round. CPU is of the proxies alone, in seconds over the whole load: of one with turns, also while others have
 * theirs.
 */
export type Sample = RequestSample | BulkSample;

interface SampleBase {
  readonly peer: PeerName;
  readonly round: number;
  readonly clientCpuSeconds: number;
  readonly serverCpuSeconds: number;
  /** CPU of programs that have nothing to do with the bench, in `seconds`: a disturbed sample is still a sample, but marked. */
  readonly foreignCpuSeconds: number;
}

export interface RequestSample extends SampleBase {
  readonly kind: 'requests';
  readonly load: RequestLoadName;
  readonly requests: number;
  readonly seconds: number;
  readonly errors: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

export interface BulkSample extends SampleBase {
  readonly kind: 'bulk';
  readonly load: BulkLoadName;
  readonly bytes: number;
  readonly seconds: number;
  readonly clientPeakRssBytes: number;
  readonly serverPeakRssBytes: number;
  readonly clientAfter: Memory;
  readonly serverAfter: Memory;
}

/** Memory of fresh proxies: after one request, with some idle connections standing, and with `idleConnectionCount` more. */
export interface MemorySample {
  readonly peer: PeerName;
  readonly clientAtRest: Memory;
  readonly serverAtRest: Memory;
  readonly clientFirstIdle: Memory;
  readonly serverFirstIdle: Memory;
  readonly idleConnectionCount: number;
  readonly clientIdle: Memory;
  readonly serverIdle: Memory;
}

/** Everything one run measured, as written to the results file. */
export interface L4Results {
  readonly bench: 'l4';
  readonly startedAt: string;
  readonly machine: Readonly<Record<string, string | number>>;
  readonly peers: Readonly<Partial<Record<PeerName, PeerDescription>>>;
  readonly starts: number;
  /** Of each start; those of samples are numbered on. */
  readonly rounds: number;
  readonly loadSeconds: number;
  readonly samples: readonly Sample[];
  readonly memory: readonly MemorySample[];
}

/** Samples of one peer under one load. */
export function samplesOf(results: L4Results, peer: PeerName, load: LoadName): readonly Sample[] {
  return results.samples.filter((sample) => sample.peer === peer && sample.load === load);
}
