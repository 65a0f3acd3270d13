import type { SpiffeId, Workload } from '@ambit/mesh/model';
import { HISTOGRAM_COLUMNS, observeAt, SeriesRows, type SeriesSnapshot } from '@ambit/mesh/runtime';
import type { ExchangeFacts } from '../http/exchange-facts.ts';
import { FAILURES, type FailureReason } from '../http/failures.ts';
import type { Cluster, Endpoint } from '../upstream/cluster.ts';
import { REQUEST_LABELS } from './request-metrics.ts';
import { orUnknown, partyLabels } from './series-labels.ts';

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
  readonly #rows = new SeriesRows({
    columns: ROW_COLUMNS,
    labelCount: REQUEST_LABELS.length,
    seriesMax: REQUEST_SERIES_MAX,
  });
  /** Requests repeat: newest first, so that most need no key to be made. */
  #recent: Series[] = [];

  add(exchange: ExchangeFacts, source: Workload | undefined): void {
    const at = this.#rowOf(exchange, source);
    const { values } = this.#rows;
    observeAt(values, at + HISTOGRAM_AT.duration, exchange.durationMs);
    observeAt(values, at + HISTOGRAM_AT.requestBytes, exchange.requestBytes);
    observeAt(values, at + HISTOGRAM_AT.responseBytes, exchange.responseBytes);
  }

  snapshot(): SeriesSnapshot {
    return this.#rows.snapshot();
  }

  /** Where it begins. */
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
    const row = this.#rows.at(key, () => labels);
    if (this.#recent.length >= RECENT_MAX) this.#recent.pop();
    this.#recent.unshift({ source, identity: caller.identity, cluster, endpoint, status, grpcStatus, reason, row });
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
