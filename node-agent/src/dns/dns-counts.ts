import type { HistogramSample } from '@ambit/mesh/runtime';
import { DNS_LIMITS } from './dns-limits.ts';
import { DNS_DURATION_BUCKETS_S } from './dns-metrics.ts';

export type DnsProtocol = 'udp' | 'tcp';

/** Whose questions are counted together. */
export interface DnsSource {
  readonly canonicalName: string;
  readonly canonicalRevision: string;
}

/** One series of each DNS metric. */
export interface DnsRow {
  readonly labels: readonly string[];
  requests: number;
  forwarded: number;
  failed: number;
  durationSum: number;
  /** Not cumulated; one more than there are bounds. */
  readonly durations: number[];
}

/** What crosses to the main thread at a scrape. */
export type DnsSnapshot = readonly (Pick<DnsRow, 'labels' | 'requests' | 'forwarded' | 'failed'> &
  Pick<HistogramSample, 'sum' | 'counts'>)[];

const OVERFLOW = ['overflow', 'overflow', 'overflow', 'overflow'] as const;

/** Counters of a worker: they outlive the pods that they count for. */
export class DnsCounts {
  readonly #rows = new Map<string, DnsRow>();

  /** The same row for the same labels; who asks often keeps it. */
  row(type: string, protocol: DnsProtocol, source: DnsSource | null): DnsRow {
    const { canonicalName = '', canonicalRevision = '' } = source ?? {};
    const labels = [type, protocol, canonicalName || 'unknown', canonicalRevision || 'unknown'];
    const known = this.#rows.get(labels.join('\0'));
    if (known !== undefined) return known;
    return this.#add(this.#rows.size < DNS_LIMITS.series - 1 ? labels : OVERFLOW);
  }

  snapshot(): DnsSnapshot {
    return [...this.#rows.values()].map(({ labels, requests, forwarded, failed, durationSum, durations }) => ({
      labels,
      requests,
      forwarded,
      failed,
      sum: durationSum,
      counts: [...durations],
    }));
  }

  #add(labels: readonly string[]): DnsRow {
    const key = labels.join('\0');
    const known = this.#rows.get(key);
    if (known !== undefined) return known;
    const durations = Array.from({ length: DNS_DURATION_BUCKETS_S.length + 1 }, () => 0);
    const row: DnsRow = { labels, requests: 0, forwarded: 0, failed: 0, durationSum: 0, durations };
    this.#rows.set(key, row);
    return row;
  }
}

/** Counts one question that was forwarded, once it is over. */
export function countForwarded(row: DnsRow, durationMs: number, answered: boolean): void {
  const seconds = durationMs / 1000;
  const bucket = DNS_DURATION_BUCKETS_S.findIndex((bound) => seconds <= bound);
  const at = bucket === -1 ? DNS_DURATION_BUCKETS_S.length : bucket;
  row.durations[at] = (row.durations[at] ?? 0) + 1;
  row.durationSum += seconds;
  if (!answered) row.failed++;
}
