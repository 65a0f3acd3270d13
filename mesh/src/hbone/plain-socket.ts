/** What a tunnel needs of the plaintext socket it is joined to. A `net.Socket` has all of it, a `BareSocket` nothing else. */
export interface PlainSocket {
  readonly destroyed: boolean;
  /** Its FIN was read. */
  readonly readableEnded: boolean;
  /** `end` was called. */
  readonly writableEnded: boolean;
  /** The kernel has our FIN. */
  readonly writableFinished: boolean;
  /** Bytes that wait in the stream above the handle. */
  readonly writableLength: number;
  /** While it may be written to by its descriptor; of a `net.Socket` never. */
  readonly descriptor?: number | undefined;
  /** Where it may be read by its descriptor: what a read brought instead of bytes. */
  onReadEnd?(status: number): void;
  /** Sends FIN. */
  end(): void;
  destroy(error?: Error): void;
  /** Closes once FIN was sent. */
  destroySoon(): void;
  resetAndDestroy(): void;
  pause(): void;
  resume(): void;
}

/** Shuts a socket at once, by reset where that is possible. */
export function resetSocket(socket: PlainSocket): void {
  // While the kernel is asked to send our FIN, libuv refuses to reset; the connection is half gone by then anyway.
  const isShuttingDown = socket.writableEnded && !socket.writableFinished && socket.writableLength === 0;
  if (isShuttingDown) socket.destroy();
  else socket.resetAndDestroy();
}
