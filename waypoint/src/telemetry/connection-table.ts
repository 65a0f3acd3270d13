import type { Workload } from '@ambit/mesh/model';
import { CONNECTION_COUNTERS, type ConnectionCounter } from '@ambit/mesh/runtime';
import { type RelayFailure, relayFlag, type RelaySubject } from '../listener/relay-facts.ts';
import type { Endpoint } from '../upstream/cluster.ts';
import { CONNECTION_LABELS } from './connection-metrics.ts';
import { REQUEST_SERIES_MAX } from './request-table.ts';
import { orUnknown, partyLabels } from './series-labels.ts';

/** One series: its labels, and what it counts in the order of `CONNECTION_COUNTERS`. */
export interface ConnectionSeries {
  readonly labels: readonly string[];
  readonly counts: readonly number[];
}

/** What tells one series from another. */
export interface ConnectionParties extends Pick<RelaySubject, 'caller' | 'cluster'> {
  readonly source: Workload | undefined;
  readonly endpoint: Endpoint | null;
}

/** Counts of one series, to be added to. */
export class ConnectionCounts {
  readonly labels: readonly string[];
  readonly counts: number[] = CONNECTION_COUNTERS.map(() => 0);

  constructor(labels: readonly string[]) {
    this.labels = labels;
  }

  add(counter: ConnectionCounter, by: number): void {
    const at = CONNECTION_COUNTERS.indexOf(counter);
    this.counts[at] = (this.counts[at] ?? 0) + by;
  }
}

const OVERFLOW = 'overflow';

/** The metrics of the connections of bytes of one data worker. */
export class ConnectionTable {
  readonly #series = new Map<string, ConnectionCounts>();

  /** Valid for the life of the table. Series beyond a number share one whose labels all read `overflow`. */
  of({ caller, cluster, source, endpoint }: ConnectionParties, failure: RelayFailure | null): ConnectionCounts {
    const labels = [
      ...partyLabels(source, caller.identity, endpoint?.workload, cluster.service),
      'tcp',
      relayFlag(failure),
      caller.identity === null ? 'none' : 'mutual_tls',
    ].map(orUnknown);
    const key = labels.join('\u0000');
    const known = this.#series.get(key);
    if (known !== undefined) return known;
    if (this.#series.size < REQUEST_SERIES_MAX) return this.#add(key, labels);
    return (
      this.#series.get(OVERFLOW) ??
      this.#add(
        OVERFLOW,
        CONNECTION_LABELS.map(() => OVERFLOW),
      )
    );
  }

  snapshot(): readonly ConnectionSeries[] {
    return [...this.#series.values()].map(({ labels, counts }) => ({ labels, counts: [...counts] }));
  }

  #add(key: string, labels: readonly string[]): ConnectionCounts {
    const series = new ConnectionCounts(labels);
    this.#series.set(key, series);
    return series;
  }
}
