import { decodedBytesMax, failCompression, HpackReader, TABLE_MAX_BYTES } from './hpack-reader.ts';
import { ENTRY_OVERHEAD_BYTES, type HeaderField, HpackTable } from './hpack-table.ts';
import { decodeHuffman } from './huffman.ts';

export interface HpackLimits {
  readonly headerListMaxBytes: number;
  readonly headerCountMax: number;
  readonly headerBlockMaxBytes: number;
}

export interface DecodedHeaders {
  /** Fields in order, pseudo fields included; octets above 0x7f as Latin-1. Cut off at the limits when `oversized`. */
  readonly fields: readonly HeaderField[];
  /** The list broke a limit. The table is in step with the peer all the same. */
  readonly oversized: boolean;
}

/** Decodes the header blocks of one connection in order of arrival (RFC 7541). Pure. */
export class HpackDecoder extends HpackReader {
  private readonly limits: HpackLimits;
  private readonly table = new HpackTable(TABLE_MAX_BYTES);
  private readonly scratch: { buffer: Buffer };

  /** `scratch` may be shared by the decoders of a thread: it is only used during `decode`. */
  constructor(limits: HpackLimits, scratch: { buffer: Buffer } = { buffer: Buffer.alloc(0) }) {
    super();
    this.limits = limits;
    this.scratch = scratch;
  }

  get tableBytes(): number {
    return this.table.sizeBytes;
  }

  /**
   * Decodes one complete block of at most `headerBlockMaxBytes`.
   * @throws Http2Violation COMPRESSION_ERROR; the connection cannot go on.
   */
  decode(block: Buffer): DecodedHeaders {
    this.beginBlock(block, 0, block.length);
    const fields: HeaderField[] = [];
    let listBytes = 0;
    let oversized = false;
    let sizeUpdates = 0;
    let fieldSeen = false;
    while (this.at < block.length) {
      const first = block[this.at] ?? 0;
      if ((first & 0xe0) === 0x20) {
        sizeUpdates += 1;
        // RFC 7541 4.2: at the start of a block only, at most two.
        if (fieldSeen || sizeUpdates > 2 || !this.table.resize(this.readInteger(0x1f)))
          failCompression('table size update');
        continue;
      }
      fieldSeen = true;
      const field = this.readField(first);
      listBytes += field[0].length + field[1].length + ENTRY_OVERHEAD_BYTES;
      oversized ||= listBytes > this.limits.headerListMaxBytes || fields.length >= this.limits.headerCountMax;
      if (!oversized) fields.push(field);
    }
    this.endBlock();
    return { fields, oversized };
  }

  private readField(first: number): HeaderField {
    if ((first & 0x80) !== 0) return this.lookup(this.readInteger(0x7f));
    const indexed = (first & 0x40) !== 0;
    const nameIndex = this.readInteger(indexed ? 0x3f : 0x0f);
    const name = nameIndex === 0 ? this.readString() : this.lookup(nameIndex)[0];
    const field: HeaderField = [name, this.readString()];
    if (indexed) this.table.add(field);
    return field;
  }

  private lookup(index: number): HeaderField {
    return this.table.lookup(index) ?? failCompression('index beyond the tables');
  }

  private readString(): string {
    this.passText();
    const { textStart: start, textEnd: end } = this;
    if (!this.textIsHuffman) return this.block.toString('latin1', start, end);
    const room = decodedBytesMax(end - start);
    if (this.scratch.buffer.length < room) this.scratch.buffer = Buffer.allocUnsafeSlow(Math.max(room, 4096));
    const bytes = decodeHuffman(this.block, start, end, this.scratch.buffer);
    if (bytes < 0) return failCompression('Huffman code');
    return this.scratch.buffer.toString('latin1', 0, bytes);
  }
}
