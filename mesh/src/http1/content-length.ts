import { DIGIT } from './characters.ts';
import { LENGTH_DIGITS_MAX } from './limits.ts';

const ZERO = 48;

/** The value of Content-Length at `[start, end)`: digits only, no zero before others, a number that a double holds. Else -1. */
export function readContentLength(bytes: Uint8Array, start: number, end: number): number {
  if (start === end || end - start > LENGTH_DIGITS_MAX) return -1;
  // Somebody might read a leading zero as octal.
  if (bytes[start] === ZERO && end - start > 1) return -1;
  let length = 0;
  for (let at = start; at < end; at += 1) {
    const byte = bytes[at] ?? 0;
    if (DIGIT[byte] !== 1) return -1;
    length = length * 10 + (byte - ZERO);
  }
  return length > Number.MAX_SAFE_INTEGER ? -1 : length;
}
