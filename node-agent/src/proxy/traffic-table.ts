import type { Service, SpiffeId } from '@ambit/mesh/model';
import { CONNECTION_COUNTERS, type ConnectionCounter, SeriesRows, type SeriesSnapshot } from '@ambit/mesh/runtime';
import type { Party } from './party.ts';
import { TRAFFIC_LABELS } from './traffic-metrics.ts';

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

/** Series beyond this number share one whose labels all read `overflow`. */
export const TRAFFIC_SERIES_MAX = 10_000;

const COLUMNS = CONNECTION_COUNTERS.length;
const COLUMN: Readonly<Record<ConnectionCounter, number>> = { opened: 0, closed: 1, failed: 2, received: 3, sent: 4 };
const UNKNOWN = 'unknown';

/** The traffic counters of one data worker: a row of numbers per series, so that a connection adds without hashing labels. */
export class TrafficTable {
  readonly #rows = new SeriesRows({
    columns: COLUMNS,
    labelCount: TRAFFIC_LABELS.length,
    seriesMax: TRAFFIC_SERIES_MAX,
  });
  /** Connections repeat: newest first, so that most need no key to be made. */
  readonly #recent: RecentRow[] = [];

  /** Where the row of this series with that flag is; stays valid for the life of the table. */
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

  add(row: number, counter: ConnectionCounter, by: number): void {
    const { values } = this.#rows;
    const at = row + COLUMN[counter];
    values[at] = (values[at] ?? 0) + by;
  }

  /** The columns: opened, closed, failed, received, sent. */
  snapshot(): SeriesSnapshot {
    return this.#rows.snapshot();
  }

  #lookUp(series: TrafficSeries, flag: ResponseFlag): number {
    return this.#rows.at(`${flag}|${seriesKey(series)}`, () => trafficLabels(series, 'tcp', flag));
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

/** Text that is the same for the same series only. */
export function seriesKey(series: TrafficSeries): string {
  const { direction, encrypted, source, destination, sourceIdentity, destinationIdentity, service } = series;
  return (
    `${direction}|${encrypted ? 1 : 0}|${source.id}|${destination.id}|` +
    `${sourceIdentity ?? ''}|${destinationIdentity ?? ''}|${service?.namespace ?? ''}|${service?.hostname ?? ''}`
  );
}

/** Values of `TRAFFIC_LABELS`. */
export function trafficLabels(
  series: TrafficSeries,
  protocol: 'tcp' | 'http' | 'grpc',
  flag: ResponseFlag,
): readonly string[] {
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
    protocol,
    flag,
    series.encrypted ? 'mutual_tls' : UNKNOWN,
    source.region,
    source.zone,
    destination.region,
    destination.zone,
  ].map((value) => (value === '' ? UNKNOWN : value));
}
