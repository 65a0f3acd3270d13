import type { HboneError } from './errors.ts';

/** How a carrier ended. Counts are payload bytes: sent into it, received from it. */
export interface CarrierResult {
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Absent when both directions ended cleanly. */
  readonly error?: HboneError;
}

/**
 * Looks at payload as it passes, once and in order, before or after it has left. The memory is used again afterwards: what is kept is
 * copied. Must neither throw nor change a byte.
 */
export interface PayloadTap {
  /** `[start, end)` of `memory` was sent into the carrier. */
  onSent(memory: Buffer, start: number, end: number): void;
  /** `[start, end)` of `memory` was received from it. */
  onReceived(memory: Buffer, start: number, end: number): void;
}

/** Receives what a carrier brings. */
export interface CarrierReader {
  /** Bytes in `[start, end)` of `memory`, which is only valid during the call: copy what is kept. */
  onBytes(memory: Buffer, start: number, end: number): void;
  /** The peer ended its direction; the other one may go on. */
  onEnd(): void;
  /** After a `write` that returned false: writing may go on. */
  onDrain?(): void;
  /**
   * After a `write` that returned false, before `onDrain`: little of what was written, `waitingBytes`, still waits. Whoever brings more
   * from afar may ask for it already, and write it behind. Perhaps never, perhaps several times.
   */
  onDraining?(waitingBytes: number): void;
  /** Exactly once, last: the carrier is gone. */
  onClose(result: CarrierResult): void;
}

/** Bytes both ways with back-pressure, whatever carries them: a tunnel, or a plaintext socket. */
export interface Carrier {
  /** Payload bytes sent so far; readable at any time. */
  readonly bytesSent: number;
  /** Payload bytes received so far; readable at any time. */
  readonly bytesReceived: number;
  readonly closed: boolean;
  /** Delivers to `reader` from now on. Once; everything below comes after it. */
  read(reader: CarrierReader): void;
  /** Asks the peer for no more until `resume`; what is in flight (of a tunnel at most one window) still arrives. */
  pause(): void;
  resume(): void;
  /**
   * Sends `[start, end)` of `memory`, which is the caller's again at once: what cannot leave is copied. False: wait for `onDrain`
   * before writing more.
   */
  write(memory: Buffer, start?: number, end?: number): boolean;
  /** Ends our direction after what was written. */
  end(): void;
  /** Ends both directions at once: RST_STREAM CANCEL, or RST. */
  reset(): void;
}
