import type { PayloadTap } from '@ambit/mesh/hbone';
import { ConnectionObserver, type ExchangeSink, type StopReason } from '@ambit/mesh/observe';
import type { Clock } from '@ambit/mesh/runtime';
import type { TrafficSeries } from '../proxy/traffic-table.ts';
import type { RequestTable } from './request-table.ts';

/** Outcomes of one connection whose rows are remembered; more are looked up again. */
const OUTCOMES_MAX = 4;

interface Outcome {
  readonly status: number;
  readonly isGrpc: boolean;
  readonly grpcStatus: number;
  readonly row: number;
}

export interface RequestTapOptions {
  readonly direction: TrafficSeries['direction'];
  /** Whether the carrier is sent what the client says, as an outbound tunnel is. */
  readonly sendsRequest: boolean;
}

/** Counts the requests of one connection as its bytes pass. Never throws. */
export class RequestTap implements PayloadTap, ExchangeSink {
  readonly #table: RequestTable;
  readonly #direction: TrafficSeries['direction'];
  readonly #sendsRequest: boolean;
  readonly #observer: ConnectionObserver;
  #series: TrafficSeries | undefined;
  #outcomes: Outcome[] = [];

  private constructor(table: RequestTable, clock: Pick<Clock, 'monotonic'>, options: RequestTapOptions) {
    this.#table = table;
    this.#direction = options.direction;
    this.#sendsRequest = options.sendsRequest;
    this.#observer = new ConnectionObserver(this, () => clock.monotonic());
  }

  /** Null when requests are not counted. */
  static create(
    { requests, clock }: { readonly requests: RequestTable | null; readonly clock: Pick<Clock, 'monotonic'> },
    options: RequestTapOptions,
  ): RequestTap | null {
    return requests === null ? null : new RequestTap(requests, clock, options);
  }

  /** What there is to know of the connection is known; before that no request can be over. */
  begin(series: TrafficSeries): void {
    this.#series = series;
  }

  end(): void {
    this.#observer.end();
  }

  onSent(memory: Buffer, start: number, end: number): void {
    if (this.#sendsRequest) this.#observer.request(memory, start, end);
    else this.#observer.response(memory, start, end);
  }

  onReceived(memory: Buffer, start: number, end: number): void {
    if (this.#sendsRequest) this.#observer.response(memory, start, end);
    else this.#observer.request(memory, start, end);
  }

  onExchange(status: number, isGrpc: boolean, grpcStatus: number, durationMs: number): void {
    for (const outcome of this.#outcomes) {
      if (outcome.status === status && outcome.grpcStatus === grpcStatus && outcome.isGrpc === isGrpc) {
        this.#table.add(outcome.row, durationMs);
        return;
      }
    }
    this.#addNew(status, isGrpc, grpcStatus, durationMs);
  }

  onStopped(reason: StopReason): void {
    this.#table.countUnread(this.#direction, reason);
  }

  #addNew(status: number, isGrpc: boolean, grpcStatus: number, durationMs: number): void {
    if (this.#series === undefined) return;
    const row = this.#table.row(this.#series, status, isGrpc, grpcStatus);
    this.#table.add(row, durationMs);
    if (this.#outcomes.length === OUTCOMES_MAX) this.#outcomes = [];
    this.#outcomes.push({ status, isGrpc, grpcStatus, row });
  }
}
