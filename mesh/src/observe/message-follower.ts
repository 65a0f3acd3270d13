import { COLON, COMMA, CR, HEX_VALUE, HT, LF, LOWER, SP } from '../http1/characters.ts';
import { OBSERVE_LIMITS } from './contract.ts';
import { isWorthKeeping, KnownHead, type RecentHead } from './known-head.ts';
import { type Framing, NOT_SKIMMED, skimFields } from './skim-fields.ts';
import { passLine, wordsOf } from './words.ts';

/** Where in a message the next byte is. */
const Part = {
  startLine: 0,
  lineStart: 1,
  emptyLine: 2,
  fieldName: 3,
  length: 4,
  coding: 5,
  restOfLine: 6,
  fixedBody: 7,
  chunkSize: 8,
  chunkExtension: 9,
  chunkData: 10,
  chunkEnd: 11,
  untilEnd: 12,
  broken: 13,
} as const;

const ZERO = 0x30;
const SEMICOLON = 0x3b;
const CONTENT_LENGTH = Buffer.from('content-length');
const TRANSFER_ENCODING = Buffer.from('transfer-encoding');
const CHUNKED = Buffer.from('chunked');
/** No length was said. */
const NONE = -1;
/** A coding that is not `chunked`. */
const OTHER_CODING = 100;

/** A head that is not whole in so many bytes is read as it comes. */
const SKIMMED_MAX_BYTES = 16 * 1024;
/** Of the head that was skimmed last, by anyone of this thread. */
const framing: Framing = { contentLength: NONE, isChunked: false };

/**
 * Follows the messages of one direction of HTTP/1 (RFC 9112), as much of them as framing needs: heads byte by byte, bodies by their
 * lengths. Keeps no bytes but those of one head, so that its state is small whatever is sent. Laxer than a server has to be: it decides
 * nothing, and what it cannot follow it gives up (`isBroken`).
 */
export abstract class MessageFollower {
  private part: number = Part.startLine;
  /** Nothing of a message has been read. */
  private isBetween = true;
  private headBytes = 0;
  private inTrailers = false;
  private contentLength: number = NONE;
  private name: Buffer = CONTENT_LENGTH;
  /** Bytes of `name` or of `chunked` that were there so far. */
  private matched = 0;
  private isChunked = false;
  private value: number = NONE;
  private valueEnded = false;
  /** Of a body, or of a chunk. */
  private remaining = 0;
  /** Of an answer: what its start line says. */
  status = 0;
  /** The head that was kept last, and how many in a row were others. */
  private known: KnownHead | undefined;
  private strangers = 0;
  private readonly recent: RecentHead;

  /** `recent`: what was kept last by anyone who follows this direction in this thread; connections mostly say what others say. */
  constructor(recent: RecentHead) {
    this.recent = recent;
  }

  get isBroken(): boolean {
    return this.part === Part.broken;
  }

  /** Within a body that ends with its direction. */
  get isUntilEnd(): boolean {
    return this.part === Part.untilEnd;
  }

  push(memory: Buffer, start: number, end: number): void {
    if (this.isBetween && this.takeWhole(memory, start, end)) return;
    let at = start;
    while (at < end) {
      if (this.part <= Part.restOfLine) {
        const next = this.isBetween ? this.skimHead(memory, at, end) : NOT_SKIMMED;
        at = next === NOT_SKIMMED ? this.readHead(memory, at, end) : next;
      } else if (this.part === Part.fixedBody) at = this.skipBody(at, end);
      else if (this.part >= Part.untilEnd) return;
      else at = this.readChunks(memory, at, end);
    }
  }

  /** Gives up: nothing that comes can be followed. */
  protected giveUp(): void {
    this.part = Part.broken;
  }

  /**
   * Reads a start line from `at` in one go, if it is whole and plain. Returns where it ends, or `NOT_SKIMMED`: then nothing was done that
   * reading it once more does not do.
   */
  protected abstract skimStartLine(memory: Buffer, at: number, end: number): number;
  /** A whole head was skimmed; `frame` follows. */
  protected abstract onSkimmed(): void;
  /**
   * Reads a start line from `at`, byte by byte wherever it is cut; calls `beginFields` behind its end. Returns where it stopped.
   */
  protected abstract readStartLine(memory: Buffer, at: number, end: number): number;
  /** A head has ended: says how the body is framed. `length` is undefined without a Content-Length. */
  protected abstract frame(isChunked: boolean, length: number | undefined): 'none' | 'fixed' | 'chunked' | 'until-end';
  /** How long the body is if only the head matters, or `NOT_WHOLE`. */
  protected abstract bodyBytesOf(framing: Framing): number;
  /**
   * A whole message with a body of `bodyBytesOf` came: as if it had been read. False when more matters than its head; then nothing was
   * done.
   */
  protected abstract onWhole(status: number): boolean;
  /** A message has ended; the next start line follows. */
  protected abstract onMessageEnd(): void;

  protected beginFields(): void {
    this.part = Part.lineStart;
    this.contentLength = NONE;
    this.isChunked = false;
  }

  /** Takes what is one message, whole, whose head is known, as most are that come again and again. */
  private takeWhole(memory: Buffer, start: number, end: number): boolean {
    const head = this.known;
    if (head === undefined || end - start !== head.messageBytes) return false;
    if (!head.isAt(wordsOf(memory), start, end) || !this.onWhole(head.status)) return false;
    this.strangers = 1;
    return true;
  }

  private skimHead(memory: Buffer, start: number, end: number): number {
    const words = wordsOf(memory);
    const head = this.knownAt(words, start, end);
    if (head !== undefined) {
      this.status = head.status;
      return this.endSkimmed(head, start + head.bytes);
    }
    const limit = Math.min(end, start + SKIMMED_MAX_BYTES);
    const fieldsAt = this.skimStartLine(memory, start, limit);
    if (fieldsAt === NOT_SKIMMED) return NOT_SKIMMED;
    const headEnd = skimFields(memory, fieldsAt, limit, framing);
    if (headEnd === NOT_SKIMMED) return NOT_SKIMMED;
    this.strangers += 1;
    if (isWorthKeeping(headEnd - start, this.strangers)) {
      this.known = new KnownHead(words, start, headEnd, framing, this.status, this.bodyBytesOf(framing));
      this.recent.head = this.known;
    }
    return this.endSkimmed(framing, headEnd);
  }

  /** The head at `start`, if it is the one that was kept last, here or by others. */
  private knownAt(words: DataView, start: number, end: number): KnownHead | undefined {
    let head = this.known;
    if (head === undefined || !head.isAt(words, start, end)) {
      head = this.recent.head;
      if (head === undefined || !head.isAt(words, start, end)) return undefined;
      this.known = head;
    }
    this.strangers = 1;
    return head;
  }

  private endSkimmed({ contentLength, isChunked }: Framing, end: number): number {
    this.isBetween = false;
    this.contentLength = contentLength;
    this.isChunked = isChunked;
    this.onSkimmed();
    return this.endFields(end);
  }

  /** Reads no further than a head may go: where one that is too long is cut makes no difference. */
  private readHead(memory: Buffer, start: number, end: number): number {
    this.isBetween = false;
    const limit = Math.min(end, start + OBSERVE_LIMITS.headMaxBytes - this.headBytes);
    if (limit === start) {
      this.giveUp();
      return end;
    }
    const at =
      this.part === Part.startLine ? this.readStartLine(memory, start, limit) : this.readFields(memory, start, limit);
    // What follows the head counts anew.
    if (!this.isBetween && this.part <= Part.restOfLine) this.headBytes += at - start;
    return at;
  }

  /** Reads field lines up to the end of `memory` or of the head. */
  private readFields(memory: Buffer, start: number, end: number): number {
    let at = start;
    let { part } = this;
    while (at < end) {
      if (part === Part.restOfLine) {
        at = passLine(memory, wordsOf(memory), at, end);
        if (memory[at - 1] !== LF) break;
        part = Part.lineStart;
        continue;
      }
      const byte = memory[at] ?? 0;
      if (part === Part.lineStart) {
        at += 1;
        const lower = byte | 0x20;
        if (byte === LF) return this.endFields(at);
        if (byte === CR) part = Part.emptyLine;
        else if (this.inTrailers || (lower !== 0x63 && lower !== 0x74)) part = Part.restOfLine;
        else {
          const name = lower === 0x63 ? CONTENT_LENGTH : TRANSFER_ENCODING;
          this.name = name;
          this.matched = 1;
          // Most names that begin alike are told apart by their length.
          const colon = at - 1 + name.length;
          part = colon < end && memory[colon] !== COLON ? Part.restOfLine : Part.fieldName;
        }
      } else if (part === Part.fieldName) {
        part = this.readName(byte);
        if (part !== Part.restOfLine) at += 1;
      } else if (part === Part.emptyLine) {
        if (byte === LF) return this.endFields(at + 1);
        this.giveUp();
        return end;
      } else {
        at += 1;
        const isRead = part === Part.length ? this.readLength(byte) : this.readCoding(byte);
        if (!isRead) {
          this.giveUp();
          return end;
        }
        if (byte === LF) part = Part.lineStart;
      }
    }
    this.part = part;
    return at;
  }

  private readName(byte: number): number {
    const { name, matched } = this;
    if (matched < name.length) {
      if (LOWER[byte] !== name[matched]) return Part.restOfLine;
      this.matched = matched + 1;
      return Part.fieldName;
    }
    if (byte !== COLON) return Part.restOfLine;
    this.matched = 0;
    this.value = NONE;
    this.valueEnded = false;
    if (name === CONTENT_LENGTH) return Part.length;
    this.isChunked = false;
    return Part.coding;
  }

  private readLength(byte: number): boolean {
    if (byte === SP || byte === HT || byte === CR) {
      this.valueEnded = this.value !== NONE;
      return true;
    }
    if (byte === LF) {
      if (this.value === NONE || (this.contentLength !== NONE && this.contentLength !== this.value)) return false;
      this.contentLength = this.value;
      return true;
    }
    const digit = byte - ZERO;
    if (digit < 0 || digit > 9 || this.valueEnded) return false;
    this.value = Math.max(this.value, 0) * 10 + digit;
    return this.value <= Number.MAX_SAFE_INTEGER;
  }

  /** Only whether the last coding is `chunked` counts. */
  private readCoding(byte: number): boolean {
    if (byte === SP || byte === HT || byte === CR) {
      if (this.matched > 0) this.valueEnded = true;
    } else if (byte === COMMA || byte === LF) {
      // An empty list element is none.
      if (this.matched > 0) this.isChunked = this.matched === CHUNKED.length;
      this.matched = 0;
      this.valueEnded = false;
    } else if (this.valueEnded || LOWER[byte] !== CHUNKED[this.matched]) this.matched = OTHER_CODING;
    else this.matched += 1;
    return true;
  }

  private endFields(at: number): number {
    if (this.inTrailers) {
      this.endMessage();
      return at;
    }
    const length = this.contentLength === NONE ? undefined : this.contentLength;
    const framing = this.frame(this.isChunked, length);
    if (this.isBroken) return at;
    switch (framing) {
      case 'none':
        this.endMessage();
        break;
      case 'chunked':
        this.beginChunk();
        break;
      case 'until-end':
        this.part = Part.untilEnd;
        break;
      case 'fixed':
        this.remaining = length ?? 0;
        if (this.remaining === 0) this.endMessage();
        else this.part = Part.fixedBody;
    }
    return at;
  }

  private endMessage(): void {
    this.part = Part.startLine;
    this.isBetween = true;
    this.headBytes = 0;
    this.inTrailers = false;
    this.onMessageEnd();
  }

  private skipBody(at: number, end: number): number {
    const taken = Math.min(this.remaining, end - at);
    this.remaining -= taken;
    if (this.remaining === 0) this.endMessage();
    return at + taken;
  }

  private beginChunk(): void {
    this.part = Part.chunkSize;
    this.value = NONE;
    this.headBytes = 0;
  }

  private readChunks(memory: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end && this.part >= Part.chunkSize && this.part <= Part.chunkEnd) {
      if (this.part === Part.chunkData) {
        const taken = Math.min(this.remaining, end - at);
        this.remaining -= taken;
        if (this.remaining === 0) this.part = Part.chunkEnd;
        at += taken;
        continue;
      }
      const byte = memory[at] ?? 0;
      at += 1;
      this.headBytes += 1;
      if (this.headBytes > OBSERVE_LIMITS.headMaxBytes) this.giveUp();
      else if (this.part === Part.chunkSize) this.readChunkSize(byte);
      else if (byte === LF) this.endChunkLine();
      else if (this.part === Part.chunkEnd && byte !== CR) this.giveUp();
    }
    return at;
  }

  private readChunkSize(byte: number): void {
    const digit = HEX_VALUE[byte] ?? 255;
    if (digit < 16) {
      this.value = Math.max(this.value, 0) * 16 + digit;
      if (this.value > Number.MAX_SAFE_INTEGER) this.giveUp();
    } else if (byte === LF) this.endChunkLine();
    else if (byte === CR || byte === SEMICOLON || byte === SP || byte === HT) this.part = Part.chunkExtension;
    else this.giveUp();
  }

  /** A line feed, behind a chunk or behind its size. */
  private endChunkLine(): void {
    if (this.part === Part.chunkEnd) this.beginChunk();
    else if (this.value === NONE) this.giveUp();
    else if (this.value > 0) {
      this.remaining = this.value;
      this.part = Part.chunkData;
    } else {
      this.inTrailers = true;
      this.part = Part.lineStart;
    }
  }
}
