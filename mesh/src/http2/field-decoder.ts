import { COLON, CR, equalsLower, LF, SP } from '../http1/characters.ts';
import { fieldIdOfNumber } from '../http1/field-names.ts';
import type { MessageHead } from '../http1/head.ts';
import { Http2Code, Http2Violation } from '../hbone/frame-codec.ts';
import { decodedBytesMax, failCompression, HpackReader, TABLE_MAX_BYTES } from '../hbone/hpack-reader.ts';
import { ENTRY_OVERHEAD_BYTES } from '../hbone/hpack-table.ts';
import { decodeHuffman } from '../hbone/huffman.ts';
import { copyRange } from './field-copy.ts';
import type { FaultCode } from './errors.ts';
import {
  BAD_NAME,
  FieldKind,
  fieldKindOf,
  isConnectionField,
  judgeName,
  judgeValue,
  PSEUDO_FIRST,
} from './field-kinds.ts';
import { EXPANSION_FACTOR_MAX, type Http2Limits } from './limits.ts';
import { COLON_SPACE_BYTES, LINE_OVERHEAD_BYTES, LineTable } from './line-table.ts';

const COOKIE = Buffer.from('cookie: ');
const SEMICOLON = 59;
const PSEUDO_COUNT = FieldKind.unknownPseudo - PSEUDO_FIRST;

/**
 * Decodes the header blocks of one direction of a connection into one head (RFC 7541), and finds what is wrong with any
 * field by itself (RFC 9113 8.2). Octets are looked at when they arrive and never again when they come by index: the table
 * remembers the verdict. Regular fields go to the head, with the crumbs of Cookie joined; pseudo-headers are kept as positions.
 *
 * The head and all positions hold until the next block is decoded.
 */
export class FieldDecoder<Head extends MessageHead> extends HpackReader {
  readonly head: Head;
  /** What is wrong with the block: of all its fields the first. The table is in step with the peer all the same. */
  fault: FaultCode | undefined;
  /** Where Host, Content-Length and Expect are in the head; -1: nowhere. */
  hostField = -1;
  lengthField = -1;
  expectField = -1;
  /** Expect comes more than once. */
  expectsMore = false;
  /** 1 for fields of the head that the peer wants in no table (RFC 7541 6.2.3). */
  readonly sensitive: Uint8Array;
  private readonly limits: Http2Limits;
  private readonly listMaxBytes: number;
  private readonly table = new LineTable(TABLE_MAX_BYTES);
  private readonly pseudoStarts = new Int32Array(PSEUDO_COUNT);
  private readonly pseudoEnds = new Int32Array(PSEUDO_COUNT);
  /** Bits from `PSEUDO_FIRST`. */
  private pseudoSeen = 0;
  /** Where the values of Cookie's crumbs begin and end. */
  private readonly crumbs: number[] = [];
  private crumbsAreSensitive = false;
  private fieldCount = 0;
  private listBytes = 0;
  private oversized = false;

  /** `listMaxBytes`: what we announced as MAX_HEADER_LIST_SIZE. */
  constructor(head: Head, limits: Http2Limits, listMaxBytes: number = limits.headerListMaxBytes) {
    super();
    this.head = head;
    this.limits = limits;
    this.listMaxBytes = listMaxBytes;
    this.sensitive = new Uint8Array(limits.headerCountMax);
  }

  /** Of the dynamic table, as RFC 7541 counts. */
  get tableBytes(): number {
    return this.table.sizeBytes;
  }

  get memoryBytes(): number {
    return this.table.bytes.length;
  }

  get hasPseudo(): boolean {
    return this.pseudoSeen !== 0;
  }

  has(pseudoKind: number): boolean {
    return (this.pseudoSeen & (1 << (pseudoKind - PSEUDO_FIRST))) !== 0;
  }

  /** Whether there are other pseudo-headers than those of `allowed`, bits from `PSEUDO_FIRST`. */
  hasOtherThan(allowed: number): boolean {
    return (this.pseudoSeen & ~allowed) !== 0;
  }

  valueStart(pseudoKind: number): number {
    return this.pseudoStarts[pseudoKind - PSEUDO_FIRST] ?? 0;
  }

  /** Equal to `valueStart` when there is none. */
  valueEnd(pseudoKind: number): number {
    return this.pseudoEnds[pseudoKind - PSEUDO_FIRST] ?? 0;
  }

  /**
   * Decodes one complete block of at most `headerBlockMaxBytes`.
   * @throws Http2Violation; the connection cannot go on.
   */
  decode(block: Buffer): void {
    this.begin(block);
    let sizeUpdates = 0;
    while (this.at < block.length) {
      const first = block[this.at] ?? 0;
      if (first >= 0x80) this.addIndexed(this.readInteger(0x7f));
      else if (first >= 0x40) this.addLiteral(0x3f, true, false);
      else if (first < 0x20) this.addLiteral(0x0f, false, first >= 0x10);
      else {
        sizeUpdates += 1;
        // RFC 7541 4.2: at the start of a block only, at most two.
        if (this.fieldCount > 0 || sizeUpdates > 2 || !this.table.resize(this.readInteger(0x1f)))
          failCompression('table size update');
      }
    }
    this.endBlock();
    if (this.crumbs.length > 0 && !this.oversized) this.addCookie();
    this.head.bytes = this.table.bytes;
    if (this.oversized) this.fault = 'section-length';
  }

  private begin(block: Buffer): void {
    this.beginBlock(block, 0, block.length);
    this.table.tidy();
    this.head.clear();
    this.fault = undefined;
    this.hostField = -1;
    this.lengthField = -1;
    this.expectField = -1;
    this.expectsMore = false;
    this.pseudoSeen = 0;
    this.pseudoStarts.fill(0);
    this.pseudoEnds.fill(0);
    this.crumbs.length = 0;
    this.crumbsAreSensitive = false;
    this.fieldCount = 0;
    this.listBytes = 0;
    this.oversized = false;
  }

  private addIndexed(index: number): void {
    const { starts, nameBytes, valueBytes, kinds, flags } = this.table;
    const slot = this.slotOf(index);
    this.add(starts[slot] ?? 0, nameBytes[slot] ?? 0, valueBytes[slot] ?? 0, kinds[slot] ?? 0, flags[slot] ?? 0, false);
  }

  /** A literal becomes a line behind all others, and stays there as an entry when the peer wants it kept. */
  private addLiteral(mask: number, keep: boolean, sensitive: boolean): void {
    const { table, block } = this;
    const nameIndex = this.readInteger(mask);
    const slot = nameIndex === 0 ? -1 : this.slotOf(nameIndex);
    if (slot < 0) this.passText();
    const { textIsHuffman, textStart, textEnd } = this;
    this.passText();
    const nameMaxBytes = slot < 0 ? decodedBytesMax(textEnd - textStart) : (table.nameBytes[slot] ?? 0);
    this.reserve(nameMaxBytes + decodedBytesMax(this.textEnd - this.textStart) + LINE_OVERHEAD_BYTES);
    const { bytes, fill: start } = table;
    let nameBytes = nameMaxBytes;
    let kind = table.kinds[slot] ?? 0;
    let flags = (table.flags[slot] ?? 0) & BAD_NAME;
    if (slot < 0) {
      nameBytes = writeText(block, textStart, textEnd, textIsHuffman, bytes, start);
      kind = fieldKindOf(bytes, start, start + nameBytes);
      flags = judgeName(bytes, start, start + nameBytes);
    } else {
      const from = table.starts[slot] ?? 0;
      copyRange(bytes, start, bytes, from, from + nameBytes);
    }
    const valueStart = start + nameBytes + COLON_SPACE_BYTES;
    bytes[valueStart - 2] = COLON;
    bytes[valueStart - 1] = SP;
    const valueBytes = writeText(block, this.textStart, this.textEnd, this.textIsHuffman, bytes, valueStart);
    const valueEnd = valueStart + valueBytes;
    bytes[valueEnd] = CR;
    bytes[valueEnd + 1] = LF;
    flags |= judgeValue(bytes, valueStart, valueEnd);
    table.fill = valueEnd + LINE_OVERHEAD_BYTES - COLON_SPACE_BYTES;
    if (keep) table.add(start, nameBytes, valueBytes, kind, flags);
    this.add(start, nameBytes, valueBytes, kind, flags, sensitive);
    if (this.oversized && !keep) table.fill = start;
  }

  /** Room for one more line. Once the list is too long nothing of it is needed any more but what the table keeps. */
  private reserve(bytes: number): void {
    const { table } = this;
    if (this.oversized && !table.hasRoom(bytes)) table.compact();
    table.reserve(bytes);
  }

  private add(
    start: number,
    nameBytes: number,
    valueBytes: number,
    kind: number,
    flags: number,
    sensitive: boolean,
  ): void {
    this.fieldCount += 1;
    this.listBytes += nameBytes + valueBytes + ENTRY_OVERHEAD_BYTES;
    if (this.listBytes > this.listMaxBytes || this.fieldCount > this.limits.headerCountMax) {
      this.oversized = true;
      if (this.listBytes <= EXPANSION_FACTOR_MAX * this.limits.headerBlockMaxBytes) return;
      throw new Http2Violation(Http2Code.enhanceYourCalm, 'header list expands beyond all measure');
    }
    const nameEnd = start + nameBytes;
    const valueStart = nameEnd + COLON_SPACE_BYTES;
    const valueEnd = valueStart + valueBytes;
    if (flags !== 0) this.fault ??= (flags & BAD_NAME) === 0 ? 'field-value' : 'field-name';
    if (kind === FieldKind.other) this.addField(start, nameEnd, valueStart, valueEnd, sensitive);
    else if (kind >= PSEUDO_FIRST) this.addPseudo(kind, valueStart, valueEnd);
    else if (kind === FieldKind.cookie) {
      this.crumbs.push(valueStart, valueEnd);
      this.crumbsAreSensitive ||= sensitive;
    } else {
      this.noteKnown(kind, valueStart, valueEnd);
      this.addField(start, nameEnd, valueStart, valueEnd, sensitive);
      this.head.setId(this.head.count - 1, fieldIdOfNumber(kind));
    }
  }

  private addField(start: number, nameEnd: number, valueStart: number, valueEnd: number, sensitive: boolean): void {
    const { head } = this;
    this.sensitive[head.count] = sensitive ? 1 : 0;
    head.add(start, nameEnd, valueStart, valueEnd);
  }

  private addPseudo(kind: number, valueStart: number, valueEnd: number): void {
    if (kind === FieldKind.unknownPseudo) {
      this.fault ??= 'pseudo-unknown';
      return;
    }
    if (this.head.count > 0 || this.crumbs.length > 0) this.fault ??= 'pseudo-late';
    if (this.has(kind)) this.fault ??= 'pseudo-duplicate';
    this.pseudoSeen |= 1 << (kind - PSEUDO_FIRST);
    this.pseudoStarts[kind - PSEUDO_FIRST] = valueStart;
    this.pseudoEnds[kind - PSEUDO_FIRST] = valueEnd;
  }

  /** A field that a message's meaning depends on, about to be added. */
  private noteKnown(kind: number, valueStart: number, valueEnd: number): void {
    const index = this.head.count;
    if (isConnectionField(kind)) this.fault ??= 'connection-field';
    else if (kind === FieldKind.te) {
      if (!equalsLower(this.table.bytes, valueStart, valueEnd, 'trailers')) this.fault ??= 'te';
    } else if (kind === FieldKind.host) {
      if (this.hostField >= 0) this.fault ??= 'host-duplicate';
      this.hostField = index;
    } else if (kind === FieldKind.contentLength) {
      if (this.lengthField >= 0) this.fault ??= 'content-length-duplicate';
      this.lengthField = index;
    } else if (kind === FieldKind.expect) {
      this.expectsMore = this.expectField >= 0;
      this.expectField = index;
    }
  }

  /** RFC 9113 8.2.3: crumbs are one field for whoever is not HTTP/2, and for whoever looks for a cookie. */
  private addCookie(): void {
    const { crumbs, table } = this;
    let [start, end] = [crumbs[0] ?? 0, crumbs[1] ?? 0];
    if (crumbs.length > 2) {
      let bytes = COOKIE.length + LINE_OVERHEAD_BYTES - COLON_SPACE_BYTES;
      for (let i = 0; i < crumbs.length; i += 2) bytes += (crumbs[i + 1] ?? 0) - (crumbs[i] ?? 0) + 2;
      table.reserve(bytes);
      const memory = table.bytes;
      COOKIE.copy(memory, table.fill);
      start = table.fill + COOKIE.length;
      end = start;
      for (let i = 0; i < crumbs.length; i += 2) {
        if (i > 0) {
          memory[end] = SEMICOLON;
          memory[end + 1] = SP;
          end += 2;
        }
        end = copyRange(memory, end, memory, crumbs[i] ?? 0, crumbs[i + 1] ?? 0);
      }
      memory[end] = CR;
      memory[end + 1] = LF;
      table.fill = end + 2;
    }
    const nameStart = start - COOKIE.length;
    this.addField(nameStart, start - COLON_SPACE_BYTES, start, end, this.crumbsAreSensitive);
  }

  private slotOf(index: number): number {
    const slot = index === 0 ? -1 : this.table.slotOf(index);
    return slot < 0 ? failCompression('index beyond the tables') : slot;
  }
}

/** Returns how many bytes it has written. */
function writeText(source: Buffer, start: number, end: number, huffman: boolean, target: Buffer, at: number): number {
  if (huffman) {
    const bytes = decodeHuffman(source, start, end, target, at);
    return bytes < 0 ? failCompression('Huffman code') : bytes;
  }
  return copyRange(target, at, source, start, end) - at;
}
