import type { PayloadTap } from '@ambit/mesh/hbone';
import { ConnectionObserver, type ExchangeSink, type StopReason } from '@ambit/mesh/observe';
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
  /** Nearly always the next one too. */
  #last: Outcome | undefined;

  private constructor(table: RequestTable, options: RequestTapOptions) {
    this.#table = table;
    this.#direction = options.direction;
    this.#sendsRequest = options.sendsRequest;
    this.#observer = new ConnectionObserver(this, table.nowMs);
  }

  /** Null when requests are not counted. */
  static create(
    { requests }: { readonly requests: RequestTable | null },
    options: RequestTapOptions,
  ): RequestTap | null {
    return requests === null ? null : new RequestTap(requests, options);
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
    const known = this.#last;
    if (known?.status === status && known.grpcStatus === grpcStatus && known.isGrpc === isGrpc) {
      this.#table.add(known.row, durationMs);
    } else this.#addOther(status, isGrpc, grpcStatus, durationMs);
  }

  onStopped(reason: StopReason): void {
    this.#table.countUnread(this.#direction, reason);
  }

  #addOther(status: number, isGrpc: boolean, grpcStatus: number, durationMs: number): void {
    for (const outcome of this.#outcomes) {
      if (outcome.status !== status || outcome.grpcStatus !== grpcStatus || outcome.isGrpc !== isGrpc) continue;
      this.#last = outcome;
      this.#table.add(outcome.row, durationMs);
      return;
    }
    if (this.#series === undefined) return;
    const row = this.#table.row(this.#series, status, isGrpc, grpcStatus);
    this.#table.add(row, durationMs);
    if (this.#outcomes.length === OUTCOMES_MAX) this.#outcomes = [];
    this.#last = { status, isGrpc, grpcStatus, row };
    this.#outcomes.push(this.#last);
  }
}
