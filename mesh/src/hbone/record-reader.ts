import { Socket } from 'node:net';
import { atTurnEnd } from '../runtime/turn-end.ts';
import type { ByteLink } from './byte-link.ts';
import type { ReadInternals } from './node-internals.ts';
import { RECORD_MAX_BYTES, type RecordSlab, takeRecordSlab } from './read-memory.ts';
import type { Stream } from './stream.ts';

const EMPTY: Buffer = Buffer.alloc(0);
/**
 * A connection that has brought so much in one turn of the event loop is read on in the next one, as its socket alone could bring 2 MiB: others
 * would wait meanwhile, and so would what it brought, until caches have forgotten it. A read that was begun goes beyond by its rest.
 */
const TURN_BYTES = 128 * 1024;
const COUNTED_MIN_BYTES = RECORD_MAX_BYTES / 2;

/** Reads landing at `[start, end)` of `memory`. */
export type TakeBytes = (memory: Buffer, start: number, end: number) => void;

/**
 * Reads decrypted records of a TLS socket into memory of ours and merges payload that lies in one piece. A connection at
 * rest owns room for one record; while full records keep coming it borrows a slab, where they land one behind the other.
 */
export class RecordReader {
  private readonly onBytes: TakeBytes;
  private landing: Buffer = EMPTY;
  private slab: RecordSlab | undefined;
  /** Index in the slab of the record to come. */
  private place = 0;
  /** Some of the current memory is still being read by a socket. */
  private dirty = false;
  private pendingStream: Stream | undefined;
  private pendingMemory: Buffer = EMPTY;
  private pendingStart = 0;
  private pendingEnd = 0;
  /** Where reads land, as Node knows. */
  private toldBuffer: Buffer = EMPTY;
  private flushScheduled = false;
  private turnBytes = 0;
  private socket: Socket | undefined;
  private internals: ReadInternals | undefined;

  constructor(onBytes: TakeBytes) {
    this.onBytes = onBytes;
  }

  /** Once. What has come before is taken at once. */
  start(socket: ByteLink, internals: ReadInternals | undefined): void {
    if (internals === undefined || !(socket instanceof Socket)) {
      socket.on('data', (chunk: Buffer) => this.takeChunk(chunk));
      return;
    }
    this.landing = Buffer.allocUnsafeSlow(RECORD_MAX_BYTES);
    this.toldBuffer = this.landing;
    this.socket = socket;
    this.internals = internals;
    const early: unknown = socket.read();
    const onRead = (bytes: number): boolean => {
      this.takeRecord(bytes);
      return this.mayReadOn(bytes);
    };
    internals.installReadBuffer(socket, this.landing, onRead, () => this.nextBuffer());
    if (early instanceof Buffer) this.takeChunk(early);
  }

  /** Payload for `stream`, in the memory being taken. Held back while more may follow it in one piece. */
  deliver(stream: Stream, memory: Buffer, start: number, end: number): void {
    if (this.pendingStream === stream && this.pendingMemory === memory && this.pendingEnd === start) {
      this.pendingEnd = end;
      return;
    }
    this.flush();
    this.pendingStream = stream;
    this.pendingMemory = memory;
    this.pendingStart = start;
    this.pendingEnd = end;
  }

  /** Hands on what is held back. */
  flush(): void {
    const stream = this.pendingStream;
    if (stream === undefined) return;
    this.pendingStream = undefined;
    const memory = this.pendingMemory;
    this.pendingMemory = EMPTY;
    const slab = this.slab?.memory === memory ? this.slab : undefined;
    if (stream.closed) stream.release(this.pendingEnd - this.pendingStart);
    else if (!stream.deliver(memory, this.pendingStart, this.pendingEnd, slab)) this.dirty = true;
  }

  private takeChunk(chunk: Buffer): void {
    this.onBytes(chunk, 0, chunk.length);
    this.flush();
    this.dirty = false;
  }

  private takeRecord(bytes: number): void {
    const memory = this.slab?.memory ?? this.landing;
    const start = this.place * RECORD_MAX_BYTES;
    this.onBytes(memory, start, start + bytes);
    this.advance(bytes === RECORD_MAX_BYTES);
  }

  /** Counts what was read in this turn, but for small records, of which no connection brings much. */
  private mayReadOn(bytes: number): boolean {
    if (bytes < COUNTED_MIN_BYTES) return true;
    if (this.turnBytes === 0) atTurnEnd(this.onTurnEnd);
    this.turnBytes += bytes;
    if (this.turnBytes < TURN_BYTES) return true;
    this.flush();
    return false;
  }

  private readonly onTurnEnd = (): void => {
    const isHeld = this.turnBytes >= TURN_BYTES;
    this.turnBytes = 0;
    if (isHeld && this.socket !== undefined) this.internals?.startReading(this.socket);
  };

  /** Chooses where the next record lands. `full`: another one is likely to follow at once. */
  private advance(full: boolean): void {
    if (!full || this.slab === undefined) this.flush();
    if (this.pendingStream !== undefined && this.slab !== undefined && this.place + 1 < this.slab.places.length) {
      this.place += 1;
      this.scheduleFlush();
      return;
    }
    this.flush();
    this.place = 0;
    if (this.slab !== undefined && (this.dirty || !full)) {
      this.slab.retire();
      this.slab = undefined;
    } else if (this.dirty) {
      this.landing = Buffer.allocUnsafeSlow(RECORD_MAX_BYTES);
    }
    this.dirty = false;
    if (full && this.slab === undefined) this.slab = takeRecordSlab();
  }

  /** Where the next record lands, if not where the last one did: to say so again after every read costs as much as a call. */
  private nextBuffer(): Buffer | undefined {
    const next = this.slab?.places[this.place] ?? this.landing;
    if (next === this.toldBuffer) return undefined;
    this.toldBuffer = next;
    return next;
  }

  private readonly onFlushTurn = (): void => {
    this.flushScheduled = false;
    this.flush();
  };

  /** If nothing follows in this loop turn, what is held back goes on alone. */
  private scheduleFlush(): void {
    if (this.flushScheduled) return;
    this.flushScheduled = true;
    atTurnEnd(this.onFlushTurn);
  }
}
