import { COMMA, HT, SP, TOKEN } from './characters.ts';

/** Walks a comma-separated list of tokens (RFC 9110 5.6.1) without making strings. Empty elements are skipped. */
export class TokenList {
  /** Something in the list is not a token; it has no further elements then. */
  invalid = false;
  /** The element that `next` has found. */
  start = 0;
  end = 0;
  private bytes: Uint8Array = new Uint8Array(0);
  private at = 0;
  private listEnd = 0;

  begin(bytes: Uint8Array, start: number, end: number): void {
    this.bytes = bytes;
    this.at = start;
    this.listEnd = end;
    this.invalid = false;
  }

  /** Whether there is one more. */
  next(): boolean {
    const { bytes, listEnd } = this;
    let { at } = this;
    while (at < listEnd && isSeparator(bytes[at])) at += 1;
    const start = at;
    while (at < listEnd && TOKEN[bytes[at] ?? 0] === 1) at += 1;
    this.start = start;
    this.end = at;
    while (at < listEnd && isSpace(bytes[at])) at += 1;
    this.at = at;
    this.invalid = at < listEnd && (bytes[at] !== COMMA || start === this.end);
    return this.end > start && !this.invalid;
  }
}

function isSpace(byte: number | undefined): boolean {
  return byte === SP || byte === HT;
}

function isSeparator(byte: number | undefined): boolean {
  return byte === COMMA || isSpace(byte);
}
