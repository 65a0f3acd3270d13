import type { SpiffeId, Workload } from '@ambit/mesh/model';
import type { ExchangeFacts } from '../http/exchange-facts.ts';
import { FAILURES, type FailureReason } from '../http/failures.ts';
import type { Cluster, Endpoint } from '../upstream/cluster.ts';
import { BUCKETS, REQUEST_LABELS } from './request-metrics.ts';
import { orUnknown, partyLabels } from './series-labels.ts';

/** Every series of a worker at one moment; `values` holds one row per series, laid out as `COLUMNS` says. */
export interface RequestSnapshot {
  readonly labels: readonly (readonly string[])[];
  readonly values: Float64Array;
}

const BUCKET_COUNT = BUCKETS.length + 1;
/** A sum and its buckets, not cumulated. */
const HISTOGRAM_COLUMNS = 1 + BUCKET_COUNT;
/** Where each histogram begins in a row. What a row counts is the sum of the buckets of any of them. */
export const HISTOGRAM_AT: Readonly<Record<'duration' | 'requestBytes' | 'responseBytes', number>> = {
  duration: 0,
  requestBytes: HISTOGRAM_COLUMNS,
  responseBytes: 2 * HISTOGRAM_COLUMNS,
};
/** Numbers per row. */
export const ROW_COLUMNS: number = 3 * HISTOGRAM_COLUMNS;
/** Series beyond this share one whose labels all read `overflow`. */
export const REQUEST_SERIES_MAX = 10_000;

const INITIAL_ROWS = 16;

/** The series that an exchange belongs to, in parts that are compared and not hashed. */
interface Series {
  readonly source: Workload | undefined;
  readonly identity: SpiffeId | null;
  readonly cluster: Cluster | null;
  readonly endpoint: Endpoint | null;
  readonly status: number;
  readonly grpcStatus: number | null;
  readonly reason: FailureReason | null;
  readonly row: number;
}

const RECENT_MAX = 16;

/** The request metrics of one data worker: a row of numbers per series. */
export class RequestTable {
  readonly #rows = new Map<string, number>();
  readonly #labels: (readonly string[])[] = [];
  /** Requests repeat: newest first, so that most need no key to be made. */
  #recent: Series[] = [];
  #values: Float64Array = new Float64Array(INITIAL_ROWS * ROW_COLUMNS);

  add(exchange: ExchangeFacts, source: Workload | undefined): void {
    const at = this.#rowOf(exchange, source) * ROW_COLUMNS;
    this.#observe(at + HISTOGRAM_AT.duration, exchange.durationMs);
    this.#observe(at + HISTOGRAM_AT.requestBytes, exchange.requestBytes);
    this.#observe(at + HISTOGRAM_AT.responseBytes, exchange.responseBytes);
  }

  snapshot(): RequestSnapshot {
    return { labels: [...this.#labels], values: this.#values.slice(0, this.#labels.length * ROW_COLUMNS) };
  }

  #observe(at: number, value: number): void {
    const values = this.#values;
    let bucket = 0;
    while (bucket < BUCKETS.length && value > (BUCKETS[bucket] ?? 0)) bucket += 1;
    values[at] = (values[at] ?? 0) + value;
    values[at + 1 + bucket] = (values[at + 1 + bucket] ?? 0) + 1;
  }

  #rowOf(exchange: ExchangeFacts, source: Workload | undefined): number {
    const { status, grpcStatus, reason, endpoint, decision, caller } = exchange;
    const cluster = decision?.kind === 'forward' ? decision.cluster : null;
    for (const one of this.#recent) {
      if (
        one.endpoint === endpoint &&
        one.status === status &&
        one.grpcStatus === grpcStatus &&
        one.source === source &&
        one.identity === caller.identity &&
        one.cluster === cluster &&
        one.reason === reason
      ) {
        return one.row;
      }
    }
    const labels = labelsOf(exchange, source, cluster);
    const key = labels.join('\u0000');
    const row = this.#rows.get(key) ?? this.#addRow(key, labels);
    if (this.#recent.length >= RECENT_MAX) this.#recent.pop();
    this.#recent.unshift({ source, identity: caller.identity, cluster, endpoint, status, grpcStatus, reason, row });
    return row;
  }

  #addRow(key: string, labels: readonly string[]): number {
    if (this.#labels.length >= REQUEST_SERIES_MAX) {
      const overflow = REQUEST_LABELS.map(() => 'overflow');
      const known = this.#rows.get('overflow');
      return known ?? this.#push('overflow', overflow);
    }
    return this.#push(key, labels);
  }

  #push(key: string, labels: readonly string[]): number {
    const row = this.#labels.push(labels) - 1;
    if ((row + 1) * ROW_COLUMNS > this.#values.length) {
      const grown = new Float64Array(this.#values.length * 2);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#rows.set(key, row);
    return row;
  }
}

function labelsOf(exchange: ExchangeFacts, source: Workload | undefined, cluster: Cluster | null): readonly string[] {
  const { caller, endpoint, status, grpcStatus, reason } = exchange;
  return [
    ...partyLabels(source, caller.identity, endpoint?.workload, cluster?.service),
    grpcStatus === null ? 'http' : 'grpc',
    String(status),
    grpcStatus === null || grpcStatus < 0 ? '-' : String(grpcStatus),
    reason === null ? '-' : FAILURES[reason].flag,
    caller.identity === null ? 'none' : 'mutual_tls',
  ].map(orUnknown);
}
