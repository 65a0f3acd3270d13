import type { IpAddress, MeshView } from '@ambit/mesh/model';
import type { Clock, LineSink } from '@ambit/mesh/runtime';
import type { ExchangeFacts, ExchangeObserver } from '../http/exchange-facts.ts';
import { type AccessLogFormat, formatAccessLogLine } from './access-log-line.ts';
import { RequestTable } from './request-table.ts';

/** Counts every exchange and writes its line. */
export class ExchangeRecorder implements ExchangeObserver {
  readonly table: RequestTable = new RequestTable();
  readonly #clock: Clock;
  readonly #view: MeshView;
  readonly #network: string;
  readonly #accessLog: Pick<LineSink, 'write'> | null;
  readonly #format: AccessLogFormat;

  constructor(options: {
    readonly clock: Clock;
    readonly view: MeshView;
    readonly network: string;
    /** Null: no access log. */
    readonly accessLog: Pick<LineSink, 'write'> | null;
    readonly format: AccessLogFormat;
  }) {
    this.#clock = options.clock;
    this.#view = options.view;
    this.#network = options.network;
    this.#accessLog = options.accessLog;
    this.#format = options.format;
  }

  onExchange(exchange: ExchangeFacts): void {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the listener has it from the kernel in canonical form
    const source = this.#view.workloadByAddress(this.#network, exchange.caller.address as IpAddress);
    this.table.add(exchange, source);
    this.#accessLog?.write(formatAccessLogLine(exchange, this.#clock.now(), this.#format));
  }
}
