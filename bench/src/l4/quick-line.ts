import { ratio, summarise, toSignificant, type Summary } from '../measure/summary.ts';
import { loadFigures, memoryFigures, type LoadFigures } from './figures.ts';
import type { PeerName } from './peer.ts';
import type { LoadName } from './plan.ts';
import type { L4Results } from './samples.ts';

const MEGABYTE = 1024 * 1024;
const KILOBYTE = 1024;
const DIGITS = 4;

type Figure = Exclude<keyof LoadFigures, 'foreignCores'>;

/**
 * Ratios Ambit : Envoy by their name in the JSON line, those of `ambit-http` with `http_` in front. Rates above 1 and costs below 1 are in
 * Ambit's favour.
 */
export const RATIOS: Readonly<Record<string, readonly [LoadName, Figure]>> = {
  rps_c32_vs_envoy: ['c32', 'rate'],
  rps_c128_vs_envoy: ['c128', 'rate'],
  cpu_c32_vs_envoy: ['c32', 'cpuUs'],
  cpu_c128_vs_envoy: ['c128', 'cpuUs'],
  p50_c1_vs_envoy: ['c1', 'p50Us'],
  cpu_c1_vs_envoy: ['c1', 'cpuUs'],
  p50_c1_silent_vs_envoy: ['c1-silent', 'p50Us'],
  churn_vs_envoy: ['churn', 'rate'],
  churn_cpu_vs_envoy: ['churn', 'cpuUs'],
  churn_p99_vs_envoy: ['churn', 'p99Us'],
  bulk1_vs_envoy: ['bulk1', 'gigabits'],
  bulk4_vs_envoy: ['bulk4', 'gigabits'],
  cpu_gb_vs_envoy: ['bulk1', 'cpuSecondsPerGigabyte'],
  cpu_gb4_vs_envoy: ['bulk4', 'cpuSecondsPerGigabyte'],
};

/** Flat object of the figures that say how Ambit stands: ratios to Envoy, and Ambit's own memory. Missing ones are left out. */
export function quickFigures(results: L4Results): Record<string, number> {
  const figures: Record<string, number> = {};
  const put = (name: string, value: number | undefined): void => {
    if (value !== undefined && Number.isFinite(value)) figures[name] = toSignificant(value, DIGITS);
  };
  for (const [name, value] of ratiosOf(results)) put(name, value);
  const memory = memoryFigures(results, 'ambit');
  if (memory !== undefined) {
    put('rss_mb', memory.restRssBytes / MEGABYTE);
    put('anonymous_mb', memory.restAnonymousBytes / MEGABYTE);
    const idle = Math.max(memory.clientIdleBytesPerConnection, memory.serverIdleBytesPerConnection);
    put('idle_kb_per_connection', idle / KILOBYTE);
  }
  const peaks = (['bulk1', 'bulk4'] as const).map((load) => loadFigures(results, 'ambit', load).peakRssBytes?.max ?? 0);
  if (Math.max(...peaks) > 0) put('bulk_rss_mb', Math.max(...peaks) / MEGABYTE);
  return figures;
}

/**
 * The same ratios taken round by round: peers of one round ran within seconds of each other, and a machine that is faster in one round
 * than in the next moves both. By name; what was not run is left out.
 */
export function roundRatios(results: L4Results): Readonly<Record<string, Summary>> {
  const rounds = [...new Set(results.samples.map((sample) => sample.round))].map(
    (round) => new Map(ratiosOf({ ...results, samples: results.samples.filter((sample) => sample.round === round) })),
  );
  const found: Record<string, Summary> = {};
  for (const [name] of ratiosOf(results)) {
    const summary = summarise(rounds.map((round) => round.get(name)).filter((value) => value !== undefined));
    if (summary !== undefined) found[name] = summary;
  }
  return found;
}

/** All ratios by name, also of what was not run. */
function ratiosOf(results: L4Results): readonly (readonly [name: string, value: number | undefined])[] {
  return Object.entries(RATIOS).flatMap(([name, [load, figure]]) => {
    const of = (peer: PeerName): Summary | undefined => loadFigures(results, peer, load)[figure];
    return [
      [name, ratio(of('ambit'), of('envoy'))] as const,
      [`http_${name}`, ratio(of('ambit-http'), of('envoy'))] as const,
    ];
  });
}
