import type { IpAddress, MeshView } from '@ambit/mesh/model';
import type { AccessVerdict, PolicyNote } from '@ambit/mesh/policies';
import type { Clock, LineSink } from '@ambit/mesh/runtime';
import type { ExchangeFacts, ExchangeObserver } from '../http/exchange-facts.ts';
import { type AccessLogFormat, formatAccessLogLine } from './access-log-line.ts';
import { RequestTable } from './request-table.ts';

/** Counts every exchange and writes its line. */
export class ExchangeRecorder implements ExchangeObserver {
  readonly table: RequestTable = new RequestTable();
  readonly #notes = new Map<PolicyNote['effect'], number>();
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

  /** How often policies that decide nothing had something to tell, by what. */
  get policyNotes(): readonly (readonly [effect: string, count: number])[] {
    return [...this.#notes];
  }

  onPolicyNotes({ notes }: AccessVerdict): void {
    for (const { effect } of notes) this.#notes.set(effect, (this.#notes.get(effect) ?? 0) + 1);
  }

  onExchange(exchange: ExchangeFacts): void {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the listener has it from the kernel in canonical form
    const source = this.#view.workloadByAddress(this.#network, exchange.caller.address as IpAddress);
    this.table.add(exchange, source);
    if (exchange.access !== null) this.onPolicyNotes(exchange.access);
    this.#accessLog?.write(formatAccessLogLine(exchange, this.#clock.now(), this.#format));
  }
}
