import type { MeshView } from '@ambit/mesh/model';
import type { AccessVerdict, PolicyNote } from '@ambit/mesh/policies';
import type { Clock, WritableLineSink } from '@ambit/mesh/runtime';
import type { ExchangeFacts, ExchangeObserver } from '../http/exchange-facts.ts';
import type { Caller } from '../http/pipeline.ts';
import { type AccessLogFormat, jsonLine } from './access-log-line.ts';
import { AccessLogText } from './access-log-text.ts';
import { CallerRecord } from './caller-record.ts';
import { RequestTable } from './request-table.ts';

/** Counts every exchange and writes its line. */
export class ExchangeRecorder implements ExchangeObserver {
  readonly table: RequestTable = new RequestTable();
  readonly #notes = new Map<PolicyNote['effect'], number>();
  readonly #clock: Clock;
  readonly #view: MeshView;
  readonly #network: string;
  readonly #accessLog: Pick<WritableLineSink, 'write' | 'writeLine'> | null;
  readonly #format: AccessLogFormat;
  readonly #text = new AccessLogText();
  /** By connection. */
  readonly #callers = new WeakMap<Caller, CallerRecord>();

  constructor(options: {
    readonly clock: Clock;
    readonly view: MeshView;
    readonly network: string;
    /** Null: no access log. */
    readonly accessLog: Pick<WritableLineSink, 'write' | 'writeLine'> | null;
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
    const caller = this.#recordOf(exchange.caller);
    this.table.add(exchange, caller.sourceIn(this.#view, this.#network));
    if (exchange.access !== null) this.onPolicyNotes(exchange.access);
    if (this.#accessLog === null) return;
    const timeMs = this.#clock.now();
    if (this.#format === 'json') this.#accessLog.write(jsonLine(exchange, timeMs));
    else this.#accessLog.writeLine(this.#text.of(exchange, caller, timeMs));
  }

  #recordOf(caller: Caller): CallerRecord {
    let record = this.#callers.get(caller);
    if (record === undefined) {
      record = new CallerRecord(caller);
      this.#callers.set(caller, record);
    }
    return record;
  }
}
