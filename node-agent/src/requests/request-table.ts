import { NO_GRPC_STATUS, type StopReason } from '@ambit/mesh/observe';
import { HISTOGRAM_COLUMNS, observeAt, SeriesRows, type SeriesSnapshot } from '@ambit/mesh/runtime';
import { seriesKey, trafficLabels, type TrafficSeries } from '../proxy/traffic-table.ts';
import { REQUEST_LABELS } from './request-metrics.ts';

/** Series beyond this number share one whose labels all read `overflow`. */
export const REQUEST_SERIES_MAX = 10_000;

/** First and last of the statuses in a row that are registered. */
const REGISTERED_ROWS: readonly (readonly [number, number])[] = [
  [100, 103],
  [200, 208],
  [226, 226],
  [300, 305],
  [307, 308],
  [400, 418],
  [421, 426],
  [428, 429],
  [431, 431],
  [451, 451],
  [500, 511],
];
// `node:http` has them too, and importing it loads a whole HTTP client: 8 MB in every worker.
const REGISTERED: ReadonlySet<number> = new Set(
  REGISTERED_ROWS.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, index) => first + index)),
);

/** Connections not read any further, by reason, of both sides. */
export type UnreadCounts = Record<TrafficSeries['direction'], Map<StopReason, number>>;

/** The request metrics of one data worker: a row of numbers per series, so that a request adds without hashing labels. */
export class RequestTable {
  /** Milliseconds that only grow, by which requests are timed. */
  readonly nowMs: () => number;
  readonly unread: UnreadCounts = { inbound: new Map(), outbound: new Map() };
  readonly #rows = new SeriesRows({
    columns: HISTOGRAM_COLUMNS,
    labelCount: REQUEST_LABELS.length,
    seriesMax: REQUEST_SERIES_MAX,
  });

  constructor(nowMs: () => number) {
    this.nowMs = nowMs;
  }

  /** Where the row of requests with this outcome is, for the life of the table. `series` says nothing of the outcome. */
  row(series: TrafficSeries, status: number, isGrpc: boolean, grpcStatus: number): number {
    const code = codeLabel(status);
    const grpc = grpcStatus === NO_GRPC_STATUS ? '-' : String(grpcStatus);
    const protocol = isGrpc ? 'grpc' : 'http';
    return this.#rows.at(`${protocol}|${code}|${grpc}|${seriesKey(series)}`, () => [
      ...trafficLabels(series, protocol, '-'),
      code,
      grpc,
    ]);
  }

  add(row: number, durationMs: number): void {
    observeAt(this.#rows.values, row, durationMs);
  }

  countUnread(direction: TrafficSeries['direction'], reason: StopReason): void {
    const counts = this.unread[direction];
    counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }

  snapshot(): SeriesSnapshot {
    return this.#rows.snapshot();
  }
}

/** A status that nobody has registered reads as its class, such as `4xx`: applications may make up hundreds. */
function codeLabel(status: number): string {
  if (status === 0 || REGISTERED.has(status)) return String(status);
  return `${Math.floor(status / 100)}xx`;
}
