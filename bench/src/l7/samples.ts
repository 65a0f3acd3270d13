import type { Memory } from '../measure/process-usage.ts';
import { ratio, summarise, type Summary, toSignificant } from '../measure/summary.ts';
import type { L7LoadName, L7PeerName } from './plan.ts';

/** One load through one peer, once. */
export interface L7Sample {
  readonly peer: L7PeerName;
  readonly load: L7LoadName;
  readonly round: number;
  /** Or messages, or MiB, as `unitOf` says. */
  readonly requests: number;
  readonly seconds: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Of the proxy, while the requests that count were under way. */
  readonly cpuSeconds: number;
  /** Of processes that are no part of the bench. */
  readonly foreignCpuSeconds: number;
}

export interface L7Results {
  readonly bench: 'l7';
  readonly startedAt: string;
  readonly machine: Readonly<Record<string, string | number>>;
  readonly peers: Readonly<Record<string, { readonly version: string; readonly features: readonly string[] }>>;
  readonly rounds: number;
  readonly loadSeconds: number;
  readonly samples: readonly L7Sample[];
  /** Fresh, before any load. */
  readonly restMemory: Readonly<Record<string, Memory>>;
}

export const L7_FIGURES = ['rate', 'cpuUs', 'p50Us', 'p99Us'] as const;
export type L7Figure = (typeof L7_FIGURES)[number];

const FIGURE_OF: Readonly<Record<L7Figure, (sample: L7Sample) => number>> = {
  rate: ({ requests, seconds }) => requests / seconds,
  cpuUs: ({ requests, cpuSeconds }) => (cpuSeconds * 1e6) / requests,
  p50Us: ({ p50Us }) => p50Us,
  p99Us: ({ p99Us }) => p99Us,
};

/** Median and range of a figure over the rounds; undefined when the peer did not carry the load. */
export function l7Figure(
  results: Pick<L7Results, 'samples'>,
  peer: L7PeerName,
  load: L7LoadName,
  figure: L7Figure,
): Summary | undefined {
  const samples = results.samples.filter((sample) => sample.peer === peer && sample.load === load);
  return summarise(samples.map(FIGURE_OF[figure]));
}

/** Ambit over another peer, round by round, so that what disturbed a round disturbed both. */
export function l7Ratio(
  results: Pick<L7Results, 'samples' | 'rounds'>,
  against: L7PeerName,
  load: L7LoadName,
  figure: L7Figure,
): Summary | undefined {
  const ratios: number[] = [];
  for (let round = 0; round < results.rounds; round++) {
    const samples = results.samples.filter((sample) => sample.round === round);
    const found = ratio(l7Figure({ samples }, 'ambit', load, figure), l7Figure({ samples }, against, load, figure));
    if (found !== undefined) ratios.push(found);
  }
  return summarise(ratios);
}

/** Ratios by their name in the JSON line. Rates above 1 and costs below 1 are in Ambit's favour. */
const QUICK: Readonly<Record<string, readonly [against: L7PeerName, load: L7LoadName, figure: L7Figure]>> = {
  h1_rps_vs_envoy: ['envoy', 'hbone-32x1', 'rate'],
  h1_cpu_vs_envoy: ['envoy', 'hbone-32x1', 'cpuUs'],
  h1_p99_vs_envoy: ['envoy', 'hbone-32x1', 'p99Us'],
  h1_mux_rps_vs_envoy: ['envoy', 'hbone-1x32', 'rate'],
  h1_one_p50_vs_envoy: ['envoy', 'hbone-1x1', 'p50Us'],
  h2_rps_vs_envoy: ['envoy', 'h2-8x4', 'rate'],
  grpc_rps_vs_envoy: ['envoy', 'grpc-8x4', 'rate'],
  grpc_messages_vs_envoy: ['envoy', 'grpc-stream-8', 'rate'],
  download_vs_envoy: ['envoy', 'download', 'rate'],
  upload_vs_envoy: ['envoy', 'upload', 'rate'],
  plain_rps_vs_envoy: ['envoy', 'plain-32', 'rate'],
  plain_rps_vs_nginx: ['nginx', 'plain-32', 'rate'],
};

const DIGITS = 4;
const MEGABYTE = 1024 * 1024;

/** Flat object of the figures that say how Ambit stands. Missing ones are left out. */
export function l7QuickFigures(results: L7Results): Record<string, number> {
  const figures: Record<string, number> = {};
  for (const [name, [against, load, figure]] of Object.entries(QUICK)) {
    const found = l7Ratio(results, against, load, figure);
    if (found !== undefined) figures[name] = toSignificant(found.median, DIGITS);
  }
  const rest = results.restMemory['ambit'];
  if (rest !== undefined) figures['rss_mb'] = toSignificant(rest.rssBytes / MEGABYTE, DIGITS);
  return figures;
}
