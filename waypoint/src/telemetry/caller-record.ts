import type { IpAddress, MeshView, Workload } from '@ambit/mesh/model';
import type { ExchangeFacts } from '../http/exchange-facts.ts';
import type { Caller } from '../http/pipeline.ts';
import { textField } from './line-writer.ts';

/** The workload that asks; undefined: who has its address, if anybody, is somebody else. */
export function callerWorkload(view: MeshView, network: string, { address, isFar }: Caller): Workload | undefined {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the listener has it from the kernel in canonical form
  return isFar === true ? undefined : view.workloadByAddress(network, address as IpAddress);
}

/** What a record of requests needs to know of a caller, and what it said last of itself: its requests mostly begin alike. */
export class CallerRecord {
  readonly #caller: Caller;
  #source: Workload | undefined;
  #epoch = -1;
  #method = '';
  #authority = '';
  #named: Uint8Array | undefined;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** The workload that it is. */
  sourceIn(view: MeshView, network: string): Workload | undefined {
    if (this.#epoch !== view.epoch) {
      this.#epoch = view.epoch;
      this.#source = callerWorkload(view, network, this.#caller);
    }
    return this.#source;
  }

  /** The fields of a line of text about who asks whom, in bytes. */
  named({ method, authority }: ExchangeFacts): Uint8Array {
    if (this.#named !== undefined && this.#method === method && this.#authority === authority) return this.#named;
    const { address, identity } = this.#caller;
    const known = identity === null ? '' : ` src.identity="${identity}"`;
    const text = `src.addr=${address}${known}${textField('method', method)}${textField('authority', authority)}`;
    this.#method = method;
    this.#authority = authority;
    this.#named = Buffer.from(text);
    return this.#named;
  }
}
