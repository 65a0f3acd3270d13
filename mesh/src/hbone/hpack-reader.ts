import { Http2Code, Http2Violation } from './frame-codec.ts';

/** RFC 9113 6.5.2: the table size an endpoint grants unless it announces another. */
export const TABLE_MAX_BYTES = 4096;
/** Longest encoded integer: beyond this many continuation bytes no length or index is legal. */
const INTEGER_BYTES_MAX = 4;
const EMPTY: Buffer = Buffer.alloc(0);

/** Reads what header blocks are made of, integers and strings (RFC 7541 5). What they mean is for whoever extends it. Pure. */
export abstract class HpackReader {
  protected block: Buffer = EMPTY;
  protected at = 0;
  /** Where the block ends in its memory. */
  protected end = 0;
  /** Of the string that was passed over last. */
  protected textIsHuffman = false;
  protected textStart = 0;
  protected textEnd = 0;

  /** The block is `[start, end)` of `memory`. */
  protected beginBlock(memory: Buffer, start: number, end: number): void {
    this.block = memory;
    this.at = start;
    this.end = end;
  }

  /** The block belongs to its connection again. */
  protected endBlock(): void {
    this.block = EMPTY;
  }

  /** `mask`: the bits of its first octet. */
  protected readInteger(mask: number): number {
    let value = this.readByte() & mask;
    if (value < mask) return value;
    for (let shift = 0; shift < INTEGER_BYTES_MAX * 7; shift += 7) {
      const byte = this.readByte();
      value += (byte & 0x7f) * 2 ** shift;
      if ((byte & 0x80) === 0) return value;
    }
    return failCompression('integer too long');
  }

  /** Passes a string over and says where it is. */
  protected passText(): void {
    this.textIsHuffman = ((this.block[this.at] ?? 0) & 0x80) !== 0;
    const length = this.readInteger(0x7f);
    this.textStart = this.at;
    this.textEnd = this.at + length;
    if (this.textEnd > this.end) failCompression('string beyond the block');
    this.at = this.textEnd;
  }

  private readByte(): number {
    const { at } = this;
    if (at >= this.end) return failCompression('block ends within a field');
    this.at = at + 1;
    return this.block[at] ?? 0;
  }
}

/** Most bytes that a string of this many decodes to: no Huffman code is shorter than five bits. */
export function decodedBytesMax(bytes: number): number {
  return Math.ceil((bytes * 8) / 5);
}

/** @throws Http2Violation COMPRESSION_ERROR. */
export function failCompression(rule: string): never {
  throw new Http2Violation(Http2Code.compressionError, rule);
}
