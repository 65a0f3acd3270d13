import type { PayloadTap } from './carrier.ts';
import type { PlainSocket } from './plain-socket.ts';
import { sourceRead } from './read-memory.ts';
import { ownSocket, prepareReads, type SocketOwner } from './spliced-socket.ts';
import type { Stream } from './stream.ts';

/** What all early payloads of this thread may keep for being said again. */
const KEPT_MAX_BYTES = 8 * 1024 * 1024;
let keptBytes = 0;

/**
 * The application's first words, sent with the request instead of after its answer, as RFC 9113 8.5 lets a client do: the
 * peer keeps them until it has admitted the tunnel and drops them otherwise. That is one read at most. It is kept until
 * there is an answer, so that a request that the peer did nothing about can be made again as a whole; what nobody has heard when
 * there will be none is taken over by whoever makes the next request for the same socket.
 */
export class EarlyPayload implements SocketOwner {
  private readonly socket: PlainSocket;
  private readonly tap: PayloadTap | null;
  private stream: Stream | undefined;
  private kept: Buffer | undefined;
  private ended = false;
  private said = false;
  private repeatable = true;
  private settled = false;

  constructor(socket: PlainSocket, tap: PayloadTap | null = null) {
    this.socket = socket;
    this.tap = tap;
  }

  /**
   * Whether the request may be made again. Once something was said, an application may have heard it, unless the peer
   * says that it did nothing (`isUnprocessed`): then it may if all of it was kept.
   */
  mayRepeat(isUnprocessed: boolean): boolean {
    if (!this.repeatable || (this.said && !isUnprocessed)) return false;
    this.said = false;
    return true;
  }

  /** Sends on `stream`, whose request has just been made, what was said so far; if nothing yet, what will be read next. */
  sendOn(stream: Stream): void {
    this.stream = stream;
    const { socket } = this;
    const { internals } = stream.connection;
    // Reading one chunk and no more takes the internals.
    if (socket.destroyed || internals === undefined) return;
    const before = ownSocket(socket, this);
    if (before === undefined) prepareReads(socket, this, internals);
    else if (before instanceof EarlyPayload && before !== this) this.takeOver(before);
    if (before !== undefined && this.kept !== undefined) this.say(stream, this.kept);
    if (this.ended) stream.end();
    else if (this.kept === undefined && this.repeatable) internals.startReading(socket);
  }

  /** There is an answer, or there will be none: nothing that was heard will be said again. */
  settle(): void {
    keptBytes -= this.kept?.length ?? 0;
    this.settled = true;
    if (this.said) this.kept = undefined;
    this.repeatable = false;
    this.stream = undefined;
  }

  takeRead(bytes: number): boolean {
    const { stream } = this;
    // Where the request failed meanwhile, only the copy is of use: it goes to the next session.
    if (stream === undefined || stream.closed) this.keep(Buffer.from(sourceRead.subarray(0, bytes)));
    else {
      if (keptBytes + bytes > KEPT_MAX_BYTES) this.repeatable = false;
      else this.keep(Buffer.from(sourceRead.subarray(0, bytes)));
      this.said = true;
      stream.sendSource(bytes);
    }
    if (this.tap !== null) this.tap.onSent(sourceRead, 0, bytes);
    return false;
  }

  takeChunk(chunk: Buffer): void {
    this.keep(chunk);
    if (this.tap !== null) this.tap.onSent(chunk, 0, chunk.length);
    if (this.stream !== undefined) this.say(this.stream, chunk);
  }

  onSocketEnd(): void {
    this.ended = true;
    this.stream?.end();
  }

  // Whoever waits for the answer finds the socket destroyed.
  onSocketError(): void {}
  onSocketGone(): void {}

  private say(stream: Stream, bytes: Buffer): void {
    this.said = true;
    stream.send(bytes);
  }

  /** The request before has failed without being heard. */
  private takeOver(before: EarlyPayload): void {
    this.ended = before.ended;
    const { kept } = before;
    before.kept = undefined;
    if (kept !== undefined) this.keep(kept);
  }

  private keep(bytes: Buffer): void {
    this.kept = bytes;
    // Then it is the caller's, who bounds how many connections wait.
    if (!this.settled) keptBytes += bytes.length;
  }
}
