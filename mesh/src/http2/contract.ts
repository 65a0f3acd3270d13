import type { FieldBlock } from '../http1/field-block.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Http2RequestHead, Http2ResponseHead } from './head.ts';
import type { FaultCode } from './errors.ts';
import type { Http2Error } from './http2-error.ts';
import type { Http2Limits } from './limits.ts';
import type { ClientExchange } from './client-exchange.ts';
import type { ServerExchange } from './server-exchange.ts';

/**
 * Hears of what the peer sends in one exchange: pieces of the body, then trailers if there are any, then the end, each direction by
 * itself. `onClose` is last.
 */
export interface Receiver {
  /**
   * Bytes of the body at `[start, end)`, valid during the call: copy what is kept. They count against the peer's credit until
   * `Exchange.release`.
   */
  onData(memory: Buffer, start: number, end: number): void;
  /** Valid during the call. */
  onTrailers(trailers: FieldBlock): void;
  /** The peer's message is complete. Ours may go on. */
  onEnd(): void;
  /** After a `write` that returned false: writing may go on. */
  onDrain(): void;
  /** Once: both messages are complete, or the exchange was cut short by the peer. Not called after `Exchange.reset`. */
  onClose(error: Http2Error | undefined): void;
}

/** Of a client: hears of the response too. */
export interface ResponseReceiver extends Receiver {
  /** A 1xx. Valid during the call. */
  onInterim(head: Http2ResponseHead): void;
  /** Once, before all else of the response. Valid during the call. `endsStream`: `onEnd` follows at once. */
  onResponse(head: Http2ResponseHead, endsStream: boolean): void;
}

export interface Http2Environment {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Replaces single bounds of `DEFAULT_LIMITS`. */
  readonly limits?: Partial<Http2Limits>;
}

export interface ServerOptions extends Http2Environment {
  /**
   * A request has begun; its head is valid during the call (`copyHead` keeps one). Returns who hears of the rest. `endsStream`: `onEnd`
   * follows at once.
   */
  readonly onRequest: (exchange: ServerExchange, head: Http2RequestHead, endsStream: boolean) => Receiver;
  /**
   * A request was refused by us; it is answered, or its stream reset, already. `head`: nobody has heard of it; `rest`: its receiver has
   * been told.
   */
  readonly onFault?: (fault: FaultCode, where: 'head' | 'rest') => void;
  /** Once, last. `error` is absent when the connection ended in order. */
  readonly onClose?: (error: Http2Error | undefined) => void;
}

export interface ClientOptions extends Http2Environment {
  /** An exchange ended, or the peer changed what it takes. */
  readonly onCapacity?: () => void;
  /** Once, last. `error` is absent when the connection ended in order. */
  readonly onClose?: (error: Http2Error | undefined) => void;
}

export type { ClientExchange, ServerExchange };
