import type { FaultCode } from './errors.ts';
import type { FieldBlock } from './field-block.ts';
import { FieldReader } from './field-reader.ts';
import type { StartLineReader } from './start-line.ts';

/** First room for a head that did not arrive at once; doubled as needed. */
const HELD_BYTES_MIN = 1024;

/**
 * Reads a head or trailers: a start line, if there is one, fields, an empty line. What arrives in one piece is read where
 * it lies; only of a section that arrives in pieces are these copied together, up to the limit.
 */
export class SectionReader {
  readonly block: FieldBlock;
  /** After `read`: where it stopped in the bytes it was given. */
  at = 0;
  fault: FaultCode | undefined;
  /** Of the fault, from the beginning of the section. */
  faultOffset = 0;
  /** Where a complete section begins in the bytes of its block. */
  sectionStart = 0;
  private readonly line: StartLineReader | undefined;
  private readonly fields: FieldReader;
  private readonly maxBytes: number;
  private held: Buffer | undefined;
  private heldBytes = 0;

  constructor(block: FieldBlock, line: StartLineReader | undefined, maxBytes: number, fieldCountMax: number) {
    this.block = block;
    this.line = line;
    this.fields = new FieldReader(block, fieldCountMax);
    this.maxBytes = maxBytes;
  }

  /** Bytes of an unfinished section. */
  get pendingBytes(): number {
    return this.heldBytes;
  }

  /** Memory that is taken for a section that did not come in one piece. */
  get memoryBytes(): number {
    return this.held?.length ?? 0;
  }

  /** Whether the start line has been read. */
  get inFields(): boolean {
    return this.line?.done ?? true;
  }

  /** Forgets the last section and the memory it was held in. */
  begin(): void {
    this.held = undefined;
    this.heldBytes = 0;
    this.fault = undefined;
    this.line?.begin();
    this.fields.begin();
  }

  /** True when the section is complete: `block` then points into its bytes. False for a fault or when there is too little. */
  read(buffer: Buffer, start: number, end: number): boolean {
    if (this.held !== undefined) return this.readHeld(this.held, buffer, start, end);
    this.sectionStart = start;
    const stop = Math.min(end, start + this.maxBytes);
    const at = this.readOn(buffer, start, stop);
    this.at = at;
    if (this.fault !== undefined) return this.failed(at - start);
    if (this.fields.done) return this.complete(buffer);
    if (at - start >= this.maxBytes) return this.tooLong();
    if (at > start) this.hold(buffer, start, end);
    return false;
  }

  private readHeld(held: Buffer, buffer: Buffer, start: number, end: number): boolean {
    const before = this.heldBytes;
    const memory = this.append(held, buffer, start, Math.min(end, start + this.maxBytes - before));
    const at = this.readOn(memory, before, this.heldBytes);
    this.at = start + at - before;
    if (this.fault !== undefined) return this.failed(at);
    if (this.fields.done) return this.complete(memory);
    return at >= this.maxBytes ? this.tooLong() : false;
  }

  private readOn(bytes: Buffer, from: number, stop: number): number {
    let at = from;
    const { line } = this;
    if (line !== undefined && !line.done) {
      at = line.read(bytes, at, stop);
      this.fault = line.fault;
      if (!line.done || line.fault !== undefined) return at;
    }
    at = this.fields.read(bytes, at, stop);
    this.fault = this.fields.fault;
    return at;
  }

  private hold(buffer: Buffer, start: number, end: number): void {
    this.sectionStart = 0;
    this.line?.moveBack(start);
    this.fields.moveBack(start);
    this.append(Buffer.allocUnsafeSlow(Math.min(this.maxBytes, HELD_BYTES_MIN)), buffer, start, end);
  }

  private append(held: Buffer, buffer: Buffer, start: number, end: number): Buffer {
    const want = this.heldBytes + end - start;
    let memory = held;
    if (want > memory.length) {
      memory = Buffer.allocUnsafeSlow(Math.min(this.maxBytes, Math.max(want, memory.length * 2)));
      held.copy(memory, 0, 0, this.heldBytes);
    }
    buffer.copy(memory, this.heldBytes, start, end);
    this.held = memory;
    this.heldBytes = want;
    return memory;
  }

  private complete(bytes: Buffer): boolean {
    this.block.bytes = bytes;
    this.heldBytes = 0;
    return true;
  }

  private tooLong(): boolean {
    this.fault = 'section-length';
    return this.failed(this.maxBytes);
  }

  private failed(offset: number): boolean {
    this.faultOffset = offset;
    return false;
  }
}
