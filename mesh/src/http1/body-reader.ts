import { CR, LF } from './characters.ts';
import { ChunkLineReader } from './chunk-line.ts';
import type { FaultCode, FaultPlace } from './errors.ts';
import { FieldBlock } from './field-block.ts';
import { FORBIDDEN_TRAILERS } from './field-names.ts';
import type { Framing } from './head.ts';
import type { Http1Limits } from './limits.ts';
import { SectionReader } from './section-reader.ts';

/** `data`: bytes of the body are at `[dataStart, dataEnd)`. `end` comes once, also for an empty body. */
export type BodyStep = 'more' | 'data' | 'trailers' | 'end' | 'fault';

const COUNTED = 0;
const UNTIL_CLOSE = 1;
const CHUNK_LINE = 2;
const CHUNK_DATA = 3;
const CHUNK_CR = 4;
const CHUNK_LF = 5;
const TRAILERS = 6;
const END = 7;

/** Finds the body in the bytes after a head. Keeps none of it: what belongs to it is pointed at in the caller's memory. */
export class BodyReader {
  /** After `read`: where it stopped. */
  at = 0;
  dataStart = 0;
  dataEnd = 0;
  fault: FaultCode | undefined;
  faultPlace: FaultPlace = 'body';
  faultOffset = 0;
  /** Of the body as it was sent, with the lines of its chunks, without trailers. */
  wireBytes = 0;
  private readonly limits: Http1Limits;
  private readonly line: ChunkLineReader;
  /** Made for the first body that has trailers: few have. */
  private trailerReader: SectionReader | undefined;
  private hasTrailers = false;
  private state = END;
  /** Bytes to come of the body or the chunk. */
  private left = 0;

  constructor(limits: Http1Limits) {
    this.limits = limits;
    this.line = new ChunkLineReader(limits);
  }

  /** Of the body that has just ended, when it had some. Valid until the reader is given more bytes. */
  get trailers(): FieldBlock | undefined {
    return this.hasTrailers ? this.trailerReader?.block : undefined;
  }

  /** Memory that is taken for trailers. */
  get memoryBytes(): number {
    return this.trailerReader?.memoryBytes ?? 0;
  }

  /** The end of the connection is the end of the body. */
  get endsWithConnection(): boolean {
    return this.state === UNTIL_CLOSE;
  }

  begin(framing: Framing, contentLength: number): void {
    this.fault = undefined;
    this.wireBytes = 0;
    this.hasTrailers = false;
    this.left = 0;
    switch (framing) {
      case 'none':
        this.state = END;
        return;
      case 'length':
        this.state = COUNTED;
        this.left = contentLength;
        return;
      case 'chunked':
        this.state = CHUNK_LINE;
        this.line.beginBody();
        return;
      case 'until-close':
      case 'tunnel':
        this.state = UNTIL_CLOSE;
    }
  }

  /** One step at a time: call it again from `at` until it says `more`, `end` or `fault`. */
  read(buffer: Buffer, start: number, end: number): BodyStep {
    let at = start;
    for (;;) {
      this.at = at;
      switch (this.state) {
        case END:
          return 'end';
        case COUNTED:
          if (this.left === 0) {
            this.state = END;
            return 'end';
          }
          return this.data(at, Math.min(end, at + this.left), COUNTED);
        case UNTIL_CLOSE:
          return this.data(at, end, UNTIL_CLOSE);
        case CHUNK_DATA:
          return this.data(at, Math.min(end, at + this.left), CHUNK_CR);
        case TRAILERS:
          return this.readTrailers(buffer, at, end);
        default:
          if (at === end) return 'more';
          at = this.readFraming(buffer, at, end);
          if (this.fault !== undefined) return this.failed('chunk', this.wireBytes);
      }
    }
  }

  /** Hands out what is there; `next` is the state once nothing is left of the length. */
  private data(start: number, end: number, next: number): BodyStep {
    if (end === start) return 'more';
    this.dataStart = start;
    this.dataEnd = end;
    this.at = end;
    this.wireBytes += end - start;
    if (this.state !== UNTIL_CLOSE) {
      this.left -= end - start;
      if (this.left === 0) this.state = next;
    }
    return 'data';
  }

  private readFraming(buffer: Buffer, from: number, end: number): number {
    if (this.state !== CHUNK_LINE) return this.readChunkEnd(buffer[from] ?? 0, from);
    const { line } = this;
    const at = line.read(buffer, from, end);
    this.wireBytes += at - from;
    this.fault = line.fault;
    if (!line.done || line.fault !== undefined) return at;
    this.left = line.size;
    this.state = line.size === 0 ? TRAILERS : CHUNK_DATA;
    if (line.size === 0) this.trailerReader?.begin();
    line.begin();
    return at;
  }

  private readChunkEnd(byte: number, at: number): number {
    if (byte !== (this.state === CHUNK_CR ? CR : LF)) {
      this.fault = 'chunk-end';
      return at;
    }
    this.state = this.state === CHUNK_CR ? CHUNK_LF : CHUNK_LINE;
    this.wireBytes += 1;
    return at + 1;
  }

  private readTrailers(buffer: Buffer, start: number, end: number): BodyStep {
    // Nearly every body ends here, without trailers.
    if (buffer[start] === CR && start + 1 < end && buffer[start + 1] === LF && !this.trailersBegun()) {
      this.at = start + 2;
      return this.ended();
    }
    this.trailerReader ??= this.createTrailerReader();
    const reader = this.trailerReader;
    const complete = reader.read(buffer, start, end);
    this.at = reader.at;
    if (reader.fault !== undefined) {
      this.fault = reader.fault;
      return this.failed('trailer', reader.faultOffset);
    }
    if (!complete) return 'more';
    if (reader.block.count === 0) return this.ended();
    const forbidden = forbiddenTrailer(reader.block);
    if (forbidden >= 0) {
      this.fault = 'trailer-forbidden';
      return this.failed('trailer', reader.block.nameStart(forbidden) - reader.sectionStart);
    }
    this.hasTrailers = true;
    this.state = END;
    return 'trailers';
  }

  private trailersBegun(): boolean {
    return this.trailerReader !== undefined && this.trailerReader.pendingBytes > 0;
  }

  private createTrailerReader(): SectionReader {
    const { trailersMaxBytes, trailerCountMax } = this.limits;
    const reader = new SectionReader(new FieldBlock(), undefined, trailersMaxBytes, trailerCountMax);
    reader.begin();
    return reader;
  }

  private ended(): BodyStep {
    this.state = END;
    return 'end';
  }

  private failed(place: FaultPlace, offset: number): BodyStep {
    this.faultPlace = place;
    this.faultOffset = offset;
    return 'fault';
  }
}

/** The first trailer that may not be one; -1 when there is none. */
function forbiddenTrailer(block: FieldBlock): number {
  for (let index = 0; index < block.count; index += 1) {
    if (FORBIDDEN_TRAILERS.has(block.name(index).toLowerCase())) return index;
  }
  return -1;
}
