import { summarise, type Summary } from '../measure/summary.ts';
import type { Memory } from '../measure/process-usage.ts';
import type { LoadName } from './plan.ts';
import type { PeerName } from './peer.ts';
import { samplesOf, type L4Results, type MemorySample, type Sample } from './samples.ts';

const MICRO = 1e6;
const GIGA = 1e9;

/** Medians over the rounds of one load. Absent where the load has no such figure. */
export interface LoadFigures {
  /** Requests or connections per second. */
  readonly rate?: Summary;
  readonly p50Us?: Summary;
  readonly p99Us?: Summary;
  /** CPU of both proxies per request or connection. */
  readonly cpuUs?: Summary;
  readonly gigabits?: Summary;
  /** CPU of both proxies per gigabyte (10^9 bytes). */
  readonly cpuSecondsPerGigabyte?: Summary;
  /** The larger of the two sides. */
  readonly peakRssBytes?: Summary;
  readonly afterRssBytes?: Summary;
  /** Mean number of cores that others used meanwhile. */
  readonly foreignCores?: Summary;
}

export interface MemoryFigures {
  /** The larger of the two sides. */
  readonly restRssBytes: number;
  readonly restAnonymousBytes: number;
  readonly clientIdleBytesPerConnection: number;
  readonly serverIdleBytesPerConnection: number;
}

/** Figures of one peer under one load; empty when it was not run. */
export function loadFigures(results: L4Results, peer: PeerName, load: LoadName): LoadFigures {
  const samples = samplesOf(results, peer, load);
  const requests = samples.filter((sample) => sample.kind === 'requests');
  const bulk = samples.filter((sample) => sample.kind === 'bulk');
  const cpu = (sample: Sample): number => sample.clientCpuSeconds + sample.serverCpuSeconds;
  // Direct TCP has no proxy: a CPU figure of zero would be read as a result.
  const proxied = peer !== 'direct';
  return compact({
    rate: summarise(requests.map((sample) => sample.requests / sample.seconds)),
    p50Us: summarise(requests.map((sample) => sample.p50Us)),
    p99Us: summarise(requests.map((sample) => sample.p99Us)),
    cpuUs: proxied ? summarise(requests.map((sample) => (cpu(sample) * MICRO) / sample.requests)) : undefined,
    gigabits: summarise(bulk.map((sample) => (sample.bytes * 8) / sample.seconds / GIGA)),
    cpuSecondsPerGigabyte: proxied ? summarise(bulk.map((sample) => (cpu(sample) * GIGA) / sample.bytes)) : undefined,
    peakRssBytes: proxied
      ? summarise(bulk.map((sample) => Math.max(sample.clientPeakRssBytes, sample.serverPeakRssBytes)))
      : undefined,
    afterRssBytes: proxied
      ? summarise(bulk.map((sample) => Math.max(sample.clientAfter.rssBytes, sample.serverAfter.rssBytes)))
      : undefined,
    foreignCores: summarise(samples.map((sample) => sample.foreignCpuSeconds / sample.seconds)),
  });
}

/** Memory figures of one peer; undefined when they were not taken. */
export function memoryFigures(results: L4Results, peer: PeerName): MemoryFigures | undefined {
  const sample = results.memory.find((candidate) => candidate.peer === peer);
  if (sample === undefined) return undefined;
  return {
    restRssBytes: Math.max(sample.clientAtRest.rssBytes, sample.serverAtRest.rssBytes),
    restAnonymousBytes: Math.max(sample.clientAtRest.anonymousBytes, sample.serverAtRest.anonymousBytes),
    clientIdleBytesPerConnection: perConnection(sample, sample.clientFirstIdle, sample.clientIdle),
    serverIdleBytesPerConnection: perConnection(sample, sample.serverFirstIdle, sample.serverIdle),
  };
}

function perConnection(sample: MemorySample, before: Memory, after: Memory): number {
  return (after.rssBytes - before.rssBytes) / sample.idleConnectionCount;
}

function compact(figures: { readonly [Key in keyof LoadFigures]: LoadFigures[Key] | undefined }): LoadFigures {
  // Object.fromEntries forgets the keys; only undefined is left out.
  return Object.fromEntries(Object.entries(figures).filter(([, value]) => value !== undefined)) as LoadFigures;
}
