import type { Service, SpiffeId } from '@ambit/mesh/model';
import { CONNECTION_COUNTERS, type ConnectionCounter } from '@ambit/mesh/runtime';
import type { Party } from './party.ts';

/** protocol.md 4.2. `-` is success. */
export type ResponseFlag =
  | '-'
  | 'DENY'
  | 'CONNECT'
  | 'TLS_FAILURE'
  | 'H2_HANDSHAKE_FAILURE'
  | 'NETWORK_POLICY'
  | 'IDENTITY_ERROR'
  | 'CERT_REVOKED';

/** What tells one traffic series from another. */
export interface TrafficSeries {
  readonly direction: 'inbound' | 'outbound';
  readonly source: Party;
  readonly sourceIdentity: SpiffeId | null;
  readonly destination: Party;
  readonly destinationIdentity: SpiffeId | null;
  readonly service?: Pick<Service, 'hostname' | 'namespace' | 'name'> | undefined;
  readonly encrypted: boolean;
}

/** Every series of a worker at one moment. `values` holds one row per series: opened, closed, failed, received, sent. */
export interface TrafficSnapshot {
  readonly labels: readonly (readonly string[])[];
  readonly values: Float64Array;
}

/** Series beyond this number share one whose labels all read `overflow`. */
export const TRAFFIC_SERIES_MAX = 10_000;

const COLUMNS = CONNECTION_COUNTERS.length;
const COLUMN: Readonly<Record<ConnectionCounter, number>> = { opened: 0, closed: 1, failed: 2, received: 3, sent: 4 };
const INITIAL_ROWS = 64;
const UNKNOWN = 'unknown';

/** The traffic counters of one data worker: a row of numbers per series, so that a connection adds without hashing labels. */
export class TrafficTable {
  readonly #rows = new Map<string, number>();
  readonly #labels: (readonly string[])[] = [];
  /** Connections repeat: newest first, so that most need no key to be made. */
  readonly #recent: RecentRow[] = [];
  #values: Float64Array = new Float64Array(INITIAL_ROWS * COLUMNS);

  /** The row of this series with that flag; stays valid for the life of the table. */
  row(series: TrafficSeries, flag: ResponseFlag): number {
    const recent = this.#recent.find((candidate) => isSame(candidate, series, flag));
    if (recent !== undefined) return recent.row;
    const row = this.#lookUp(series, flag);
    const { direction, source, sourceIdentity, destination, destinationIdentity, service, encrypted } = series;
    if (this.#recent.length === RECENT_COUNT_MAX) this.#recent.pop();
    this.#recent.unshift({
      ...{ direction, source, sourceIdentity, destination, destinationIdentity, service, encrypted },
      ...{ flag, row },
    });
    return row;
  }

  #lookUp(series: TrafficSeries, flag: ResponseFlag): number {
    const service = series.service;
    const key =
      `${series.direction}|${flag}|${series.encrypted ? 1 : 0}|${series.source.id}|${series.destination.id}|` +
      `${series.sourceIdentity ?? ''}|${series.destinationIdentity ?? ''}|${service?.namespace ?? ''}|${service?.hostname ?? ''}`;
    const known = this.#rows.get(key);
    if (known !== undefined) return known;
    if (this.#labels.length >= TRAFFIC_SERIES_MAX) return this.#overflow();
    return this.#addRow(key, labelsOf(series, flag));
  }

  add(row: number, counter: ConnectionCounter, by: number): void {
    const at = row * COLUMNS + COLUMN[counter];
    this.#values[at] = (this.#values[at] ?? 0) + by;
  }

  snapshot(): TrafficSnapshot {
    return { labels: [...this.#labels], values: this.#values.slice(0, this.#labels.length * COLUMNS) };
  }

  #overflow(): number {
    const key = 'overflow';
    return (
      this.#rows.get(key) ??
      this.#addRow(
        key,
        Array.from({ length: LABEL_COUNT }, () => key),
      )
    );
  }

  #addRow(key: string, labels: readonly string[]): number {
    const row = this.#labels.push(labels) - 1;
    if ((row + 1) * COLUMNS > this.#values.length) {
      const grown = new Float64Array(this.#values.length * 2);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#rows.set(key, row);
    return row;
  }
}

interface RecentRow extends TrafficSeries {
  readonly flag: ResponseFlag;
  readonly row: number;
}

const RECENT_COUNT_MAX = 8;

function isSame(a: RecentRow, b: TrafficSeries, flag: ResponseFlag): boolean {
  return (
    a.flag === flag &&
    a.source === b.source &&
    a.destination === b.destination &&
    a.service === b.service &&
    a.direction === b.direction &&
    a.encrypted === b.encrypted &&
    a.sourceIdentity === b.sourceIdentity &&
    a.destinationIdentity === b.destinationIdentity
  );
}

const LABEL_COUNT = 27;

function labelsOf(series: TrafficSeries, flag: ResponseFlag): readonly string[] {
  const { description: source } = series.source;
  const { description: destination } = series.destination;
  return [
    series.direction === 'inbound' ? 'destination' : 'source',
    source.workload,
    source.canonicalService,
    source.canonicalRevision,
    source.namespace,
    series.sourceIdentity ?? '',
    source.canonicalService,
    source.canonicalRevision,
    source.cluster,
    series.service?.hostname ?? '',
    series.service?.namespace ?? '',
    series.service?.name ?? '',
    destination.workload,
    destination.canonicalService,
    destination.canonicalRevision,
    destination.namespace,
    series.destinationIdentity ?? '',
    destination.canonicalService,
    destination.canonicalRevision,
    destination.cluster,
    'tcp',
    flag,
    series.encrypted ? 'mutual_tls' : UNKNOWN,
    source.region,
    source.zone,
    destination.region,
    destination.zone,
  ].map((value) => (value === '' ? UNKNOWN : value));
}
