import { CR, FIELD_VALUE, HEX_VALUE, LF, TOKEN } from './characters.ts';
import type { FaultCode } from './errors.ts';
import { LENGTH_DIGITS_MAX, type Http1Limits } from './limits.ts';

const SIZE = 0;
const EXTENSION_NAME_FIRST = 1;
const EXTENSION_NAME = 2;
const EXTENSION_VALUE_FIRST = 3;
const EXTENSION_VALUE = 4;
const QUOTED = 5;
const QUOTED_PAIR = 6;
const QUOTED_END = 7;
const END_LF = 8;
const DONE = 9;

const SEMICOLON = 59;
const EQUALS = 61;
const QUOTE = 34;
const BACKSLASH = 92;
const NO_HEX = 255;

/**
 * Reads the line before a chunk: size, extensions, CR LF. Extensions are checked and forgotten, since nobody has agreed on
 * any with us; white space in them, which RFC 9112 calls bad, is refused.
 */
export class ChunkLineReader {
  fault: FaultCode | undefined;
  size = 0;
  private readonly limits: Http1Limits;
  private state = SIZE;
  private digits = 0;
  private lineBytes = 0;
  /** Of all lines since `beginBody`. */
  private extensionBytes = 0;

  constructor(limits: Http1Limits) {
    this.limits = limits;
  }

  get done(): boolean {
    return this.state === DONE;
  }

  beginBody(): void {
    this.extensionBytes = 0;
    this.begin();
  }

  begin(): void {
    this.state = SIZE;
    this.size = 0;
    this.digits = 0;
    this.lineBytes = 0;
    this.fault = undefined;
  }

  /** Says where it stopped: at `end`, after the line, or at the byte of a fault. */
  read(bytes: Buffer, from: number, end: number): number {
    let at = from;
    while (at < end && this.state !== DONE) {
      if (this.lineBytes === this.limits.chunkLineMaxBytes) this.fault = 'chunk-line-length';
      else this.take(bytes[at] ?? 0);
      if (this.fault !== undefined) return at;
      this.lineBytes += 1;
      at += 1;
    }
    return at;
  }

  private take(byte: number): void {
    switch (this.state) {
      case SIZE:
        return this.takeSize(byte);
      case END_LF:
        if (byte !== LF) this.fault = 'line-end';
        this.state = DONE;
        return undefined;
      default:
        this.extensionBytes += 1;
        if (this.extensionBytes > this.limits.chunkExtensionsMaxBytes) this.fault = 'chunk-extensions-length';
        else this.takeExtension(byte);
        return undefined;
    }
  }

  private takeSize(byte: number): void {
    const value = HEX_VALUE[byte] ?? NO_HEX;
    if (value !== NO_HEX) {
      this.digits += 1;
      this.size = this.size * 16 + value;
      if (this.digits > LENGTH_DIGITS_MAX || this.size > Number.MAX_SAFE_INTEGER) this.fault = 'chunk-size-range';
    } else if (this.digits === 0) this.fault = 'chunk-size';
    else if (byte === CR) this.state = END_LF;
    else if (byte === SEMICOLON) this.state = EXTENSION_NAME_FIRST;
    else this.fault = byte === LF ? 'line-end' : 'chunk-size';
  }

  private takeExtension(byte: number): void {
    const next = nextExtensionState(this.state, byte);
    if (next < 0) this.fault = byte === LF ? 'line-end' : 'chunk-extension';
    else this.state = next;
  }
}

/** -1: illegal. */
function nextExtensionState(state: number, byte: number): number {
  switch (state) {
    case EXTENSION_NAME_FIRST:
      return TOKEN[byte] === 1 ? EXTENSION_NAME : -1;
    case EXTENSION_NAME:
      if (TOKEN[byte] === 1) return EXTENSION_NAME;
      return byte === EQUALS ? EXTENSION_VALUE_FIRST : afterExtension(byte);
    case EXTENSION_VALUE_FIRST:
      if (TOKEN[byte] === 1) return EXTENSION_VALUE;
      return byte === QUOTE ? QUOTED : -1;
    case EXTENSION_VALUE:
      return TOKEN[byte] === 1 ? EXTENSION_VALUE : afterExtension(byte);
    case QUOTED:
      if (byte === QUOTE) return QUOTED_END;
      if (byte === BACKSLASH) return QUOTED_PAIR;
      return FIELD_VALUE[byte] === 1 ? QUOTED : -1;
    case QUOTED_PAIR:
      return FIELD_VALUE[byte] === 1 ? QUOTED : -1;
    default:
      return afterExtension(byte);
  }
}

function afterExtension(byte: number): number {
  if (byte === CR) return END_LF;
  return byte === SEMICOLON ? EXTENSION_NAME_FIRST : -1;
}
