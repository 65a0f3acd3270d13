import { Http2Code, Http2Violation, WINDOW_MAX_BYTES } from './frame-codec.ts';

/** Flow-control windows as plain state (RFC 9113 section 5.2 and 6.9). Pure. */

/** What we may send. May be negative after the peer lowered INITIAL_WINDOW_SIZE. */
export class SendWindow {
  private bytes: number;

  constructor(initialBytes: number) {
    this.bytes = initialBytes;
  }

  get availableBytes(): number {
    return this.bytes;
  }

  consume(bytes: number): void {
    this.bytes -= bytes;
  }

  /** False when the window would pass 2^31-1: FLOW_CONTROL_ERROR. */
  grant(bytes: number): boolean {
    if (this.bytes + bytes > WINDOW_MAX_BYTES) return false;
    this.bytes += bytes;
    return true;
  }
}

/**
 * What the peer may send, and how much of it we owe back. Invariant: window + received and not yet returned = size.
 * Credit is returned in large steps, never a frame per read.
 */
export class ReceiveWindow {
  private readonly stepBytes: number;
  private windowBytes: number;
  private releasedBytes = 0;

  /** A WINDOW_UPDATE is due once `stepBytes` have been released. */
  constructor(sizeBytes: number, stepBytes: number) {
    this.windowBytes = sizeBytes;
    this.stepBytes = stepBytes;
  }

  /** What the peer may still send. */
  get availableBytes(): number {
    return this.windowBytes;
  }

  /** False when the peer sent more than it was granted: FLOW_CONTROL_ERROR. */
  receive(bytes: number): boolean {
    this.windowBytes -= bytes;
    return this.windowBytes >= 0;
  }

  /** Bytes received earlier need no more memory. Returns the increment to announce now, or 0. */
  release(bytes: number): number {
    this.releasedBytes += bytes;
    if (this.releasedBytes < this.stepBytes) return 0;
    const increment = this.releasedBytes;
    this.releasedBytes = 0;
    this.windowBytes += increment;
    return increment;
  }
}

/** @throws Http2Violation when the connection's window is overrun. */
export function receiveOnConnection(window: ReceiveWindow, bytes: number): void {
  if (!window.receive(bytes)) throw new Http2Violation(Http2Code.flowControlError, 'connection window overrun');
}
