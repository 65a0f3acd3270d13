import { decodedBytesMax, failCompression, HpackReader, TABLE_MAX_BYTES } from '../hbone/hpack-reader.ts';
import { ENTRY_OVERHEAD_BYTES, STATIC_FIELDS } from '../hbone/hpack-table.ts';
import { decodeHuffman } from '../hbone/huffman.ts';
import { equalsLower } from '../http1/characters.ts';
import { NO_GRPC_STATUS, NO_STATUS, OBSERVE_LIMITS } from './contract.ts';

/** What is of interest of a field, and its value as a number: kind * KIND + value. */
const KIND = 4096;
const NOTHING = 0;
const STATUS: number = KIND;
const GRPC_STATUS: number = 2 * KIND;
const CONTENT_TYPE: number = 3 * KIND;

const STATIC_COUNT: number = STATIC_FIELDS.length;
/** No status of gRPC or HTTP has more digits. */
const NUMBER_BYTES_MAX = 3;
/** gRPC's UNKNOWN, as clients take a status that is none. */
const GRPC_UNKNOWN = 2;
const GRPC_STATUS_MAX = 16;
const ZERO = 0x30;
const GRPC_TYPE = 'application/grpc';
/** Evicted entries are forgotten for good this many at a time. */
const FORGET_COUNT = 64;

const staticFacts: readonly number[] = STATIC_FIELDS.map(([name, value]) => {
  const kind = kindOf(Buffer.from(name), 0, name.length);
  return kind === NOTHING ? NOTHING : kind + valueOf(kind, Buffer.from(value), 0, value.length);
});

/** Where text is decoded to; used during `decode` only, by all of a thread. */
let scratch: Buffer = Buffer.allocUnsafeSlow(1024);

/**
 * Follows the header blocks of one direction of HTTP/2 (RFC 7541) and finds statuses in them. Its table has no text: of every entry
 * only the size and what it says of a status.
 */
export class HeaderFollower extends HpackReader {
  /** Of the block that was decoded last. */
  status: number = NO_STATUS;
  grpcStatus: number = NO_GRPC_STATUS;
  isGrpc = false;
  private capacityBytes = TABLE_MAX_BYTES;
  private announcedBytes = TABLE_MAX_BYTES;
  private usedBytes = 0;
  /** Oldest first: additions push, evictions move `first`. */
  private nameBytes: number[] = [];
  private valueBytes: number[] = [];
  private facts: number[] = [];
  private first = 0;
  /** Of the name that was read last. */
  private kind = NOTHING;
  /** Of the text that was decoded last. */
  private textFrom = 0;
  private length = 0;

  get entryCount(): number {
    return this.facts.length;
  }

  /** The peer lets this direction use a table of up to `bytes`. */
  announce(bytes: number): void {
    this.announcedBytes = Math.max(this.announcedBytes, Math.min(bytes, OBSERVE_LIMITS.tableMaxBytes));
  }

  /** @throws Http2Violation when the table cannot be followed any further. */
  decode(memory: Buffer, start: number, end: number): void {
    this.status = NO_STATUS;
    this.grpcStatus = NO_GRPC_STATUS;
    this.isGrpc = false;
    this.beginBlock(memory, start, end);
    while (this.at < end) {
      const first = memory[this.at] ?? 0;
      if (first >= 0x80) this.note(this.factOf(this.readInteger(0x7f)));
      else if (first >= 0x40) this.readLiteral(0x3f, true);
      else if (first >= 0x20) this.resize(this.readInteger(0x1f));
      else this.readLiteral(0x0f, false);
    }
    this.endBlock();
  }

  private readLiteral(mask: number, isKept: boolean): void {
    const index = this.readInteger(mask);
    if (index === 0) this.readName();
    else this.lookUpName(index);
    const { kind, length: nameBytes } = this;
    this.passText();
    // Of what is neither of interest nor kept not even the length matters.
    if (kind === NOTHING && !isKept) return;
    const text = this.decodeText();
    const { textFrom, length: valueBytes } = this;
    const fact = kind === NOTHING ? NOTHING : kind + valueOf(kind, text, textFrom, textFrom + valueBytes);
    if (isKept) this.add(nameBytes, valueBytes, fact);
    this.note(fact);
  }

  private readName(): void {
    this.passText();
    const text = this.decodeText();
    this.kind = kindOf(text, this.textFrom, this.textFrom + this.length);
  }

  private lookUpName(index: number): void {
    this.kind = Math.floor(this.factOf(index) / KIND) * KIND;
    this.length =
      index <= STATIC_COUNT
        ? (STATIC_FIELDS[index - 1]?.[0].length ?? 0)
        : (this.nameBytes[this.facts.length - (index - STATIC_COUNT)] ?? 0);
  }

  /** What has the text that was passed, from `textFrom` for `length` bytes. */
  private decodeText(): Buffer {
    const { block, textStart, textEnd } = this;
    if (!this.textIsHuffman) {
      this.textFrom = textStart;
      this.length = textEnd - textStart;
      return block;
    }
    const room = decodedBytesMax(textEnd - textStart);
    if (scratch.length < room) scratch = Buffer.allocUnsafeSlow(2 * room);
    const bytes = decodeHuffman(block, textStart, textEnd, scratch);
    if (bytes < 0) failCompression('Huffman code');
    this.textFrom = 0;
    this.length = bytes;
    return scratch;
  }

  private note(fact: number): void {
    if (fact >= CONTENT_TYPE) this.isGrpc ||= fact > CONTENT_TYPE;
    else if (fact >= GRPC_STATUS) this.grpcStatus = fact - GRPC_STATUS;
    else if (fact >= STATUS) this.status = fact - STATUS;
  }

  private factOf(index: number): number {
    if (index <= STATIC_COUNT) return staticFacts[index - 1] ?? failCompression('index 0');
    const at = this.facts.length - (index - STATIC_COUNT);
    const fact = at >= this.first ? this.facts[at] : undefined;
    return fact ?? failCompression('index beyond the tables');
  }

  private add(nameBytes: number, valueBytes: number, fact: number): void {
    const bytes = nameBytes + valueBytes + ENTRY_OVERHEAD_BYTES;
    this.evict(this.capacityBytes - bytes);
    if (bytes > this.capacityBytes) return;
    this.nameBytes.push(nameBytes);
    this.valueBytes.push(valueBytes);
    this.facts.push(fact);
    this.usedBytes += bytes;
  }

  private resize(bytes: number): void {
    if (bytes > this.announcedBytes) failCompression('table size update');
    this.capacityBytes = bytes;
    this.evict(bytes);
  }

  private evict(targetBytes: number): void {
    while (this.usedBytes > targetBytes && this.first < this.facts.length) {
      this.usedBytes -= (this.nameBytes[this.first] ?? 0) + (this.valueBytes[this.first] ?? 0) + ENTRY_OVERHEAD_BYTES;
      this.first += 1;
    }
    if (this.first < FORGET_COUNT || 2 * this.first < this.facts.length) return;
    this.nameBytes = this.nameBytes.slice(this.first);
    this.valueBytes = this.valueBytes.slice(this.first);
    this.facts = this.facts.slice(this.first);
    this.first = 0;
  }
}

function kindOf(text: Buffer, start: number, end: number): number {
  if (equalsLower(text, start, end, ':status')) return STATUS;
  if (equalsLower(text, start, end, 'grpc-status')) return GRPC_STATUS;
  return equalsLower(text, start, end, 'content-type') ? CONTENT_TYPE : NOTHING;
}

function valueOf(kind: number, text: Buffer, start: number, end: number): number {
  if (kind === CONTENT_TYPE)
    return equalsLower(text, start, Math.min(end, start + GRPC_TYPE.length), GRPC_TYPE) ? 1 : 0;
  const number = numberOf(text, start, end);
  if (kind === STATUS) return number ?? NO_STATUS;
  return number === undefined || number > GRPC_STATUS_MAX ? GRPC_UNKNOWN : number;
}

function numberOf(text: Buffer, start: number, end: number): number | undefined {
  if (start === end || end - start > NUMBER_BYTES_MAX) return undefined;
  let value = 0;
  for (let at = start; at < end; at += 1) {
    const digit = (text[at] ?? 0) - ZERO;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  return value;
}
