import type { MeshView, Workload } from '@ambit/mesh/model';
import { type Clock, type LineSink, WIDE } from '@ambit/mesh/runtime';
import type { RelayFailure, RelayRecord, RelaySubject } from '../listener/relay-facts.ts';
import type { Endpoint } from '../upstream/cluster.ts';
import type { AccessLogFormat } from './access-log-line.ts';
import { formatConnectionLine } from './connection-line.ts';
import { callerWorkload } from './caller-record.ts';
import { type ConnectionCounts, ConnectionTable } from './connection-table.ts';

export interface RelayRecorderOptions {
  readonly clock: Clock;
  readonly view: MeshView;
  readonly network: string;
  /** Null: no access log. */
  readonly accessLog: Pick<LineSink, 'write'> | null;
  readonly format: AccessLogFormat;
}

/** Counts every connection of bytes and writes its line. */
export class RelayRecorder {
  readonly table: ConnectionTable = new ConnectionTable();
  readonly #options: RelayRecorderOptions;

  constructor(options: RelayRecorderOptions) {
    this.#options = options;
  }

  begin(subject: RelaySubject): RelayRecord {
    const { view, network } = this.#options;
    return new ConnectionRecord(this.table, this.#options, subject, callerWorkload(view, network, subject.caller));
  }
}

/** Counted once when it is joined to a server and once when it ends; its bytes at any time between. */
class ConnectionRecord implements RelayRecord {
  readonly #table: ConnectionTable;
  readonly #options: RelayRecorderOptions;
  readonly #subject: RelaySubject;
  readonly #source: Workload | undefined;
  readonly #startMs: number;
  #endpoint: Endpoint | null = null;
  #attempts = 0;
  #counts: ConnectionCounts | null = null;
  #received: number = WIDE;
  #sent: number = WIDE;

  constructor(
    table: ConnectionTable,
    options: RelayRecorderOptions,
    subject: RelaySubject,
    source: Workload | undefined,
  ) {
    this.#received = 0;
    this.#sent = 0;
    this.#table = table;
    this.#options = options;
    this.#subject = subject;
    this.#source = source;
    this.#startMs = options.clock.monotonic();
  }

  tried(endpoint: Endpoint): void {
    this.#endpoint = endpoint;
    this.#attempts += 1;
  }

  opened(): void {
    this.#counts = this.#countsOf(null);
    this.#counts.add('opened', 1);
  }

  carried(bytesReceived: number, bytesSent: number): void {
    // What was never joined to a server has carried nothing.
    this.#counts?.add('received', bytesReceived - this.#received);
    this.#counts?.add('sent', bytesSent - this.#sent);
    this.#received = bytesReceived;
    this.#sent = bytesSent;
  }

  ended(failure: RelayFailure | null): void {
    const counts = this.#countsOf(failure);
    if (this.#counts !== null) counts.add('closed', 1);
    if (failure !== null && failure !== 'stopped') counts.add('failed', 1);
    const { clock, accessLog, format } = this.#options;
    if (accessLog === null) return;
    const facts = {
      ...this.#subject,
      ...{ endpoint: this.#endpoint, attempts: this.#attempts, failure },
      ...{ bytesReceived: this.#received, bytesSent: this.#sent, durationMs: clock.monotonic() - this.#startMs },
    };
    accessLog.write(formatConnectionLine(facts, clock.now(), format));
  }

  #countsOf(failure: RelayFailure | null): ConnectionCounts {
    return this.#table.of({ ...this.#subject, source: this.#source, endpoint: this.#endpoint }, failure);
  }
}
