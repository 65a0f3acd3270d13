import { DIGIT } from './characters.ts';
import type { FaultCode } from './errors.ts';

const PREFIX = 'HTTP/';
const USUAL = 'HTTP/1.';
const LENGTH = 8;
const ZERO = 48;
const ONE = 49;
const DOT = 46;

/** Reads `HTTP/1.1` or `HTTP/1.0`, byte by byte, since it may be cut anywhere. */
export class VersionReader {
  fault: FaultCode | undefined;
  /** 0 or 1, once `done`. */
  minor: 0 | 1 = 1;
  private seen = 0;
  private major = ZERO;
  private last = ZERO;

  get done(): boolean {
    return this.seen === LENGTH;
  }

  begin(): void {
    this.seen = 0;
    this.fault = undefined;
  }

  /** Says where it stopped: at `stop`, after the version, or at the byte of a fault. */
  read(bytes: Buffer, from: number, stop: number): number {
    if (this.seen === 0 && stop - from >= LENGTH && this.takeWhole(bytes, from)) return from + LENGTH;
    let at = from;
    while (at < stop && this.seen < LENGTH) {
      if (!this.take(bytes[at] ?? 0)) {
        this.fault = 'version';
        return at;
      }
      at += 1;
    }
    if (this.seen === LENGTH && (this.major !== ONE || this.last > ONE)) this.fault = 'version-unsupported';
    return at;
  }

  /** All of it at once, as it mostly comes; false for all that is not simply right. */
  private takeWhole(bytes: Buffer, from: number): boolean {
    for (let index = 0; index < USUAL.length; index += 1) {
      if (bytes[from + index] !== USUAL.charCodeAt(index)) return false;
    }
    const last = bytes[from + USUAL.length] ?? 0;
    if (last !== ZERO && last !== ONE) return false;
    this.minor = last === ZERO ? 0 : 1;
    this.seen = LENGTH;
    return true;
  }

  private take(byte: number): boolean {
    const index = this.seen;
    this.seen += 1;
    if (index < PREFIX.length) return byte === PREFIX.charCodeAt(index);
    if (index === PREFIX.length + 1) return byte === DOT;
    if (DIGIT[byte] !== 1) return false;
    if (index === PREFIX.length) this.major = byte;
    else {
      this.last = byte;
      this.minor = byte === ZERO ? 0 : 1;
    }
    return true;
  }
}
