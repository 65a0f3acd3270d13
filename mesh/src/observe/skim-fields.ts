import { COLON, CR, LF, SP } from '../http1/characters.ts';
import { passLine, wordOf, wordsOf } from './words.ts';

/** More is to be read than can be skimmed, or less of it is there than all: nothing was done. */
export const NOT_SKIMMED = 0;

/** What fields say of the body that follows. */
export interface Framing {
  /** Negative: nothing was said. */
  contentLength: number;
  isChunked: boolean;
}

const NO_LENGTH = -1;
const SMALL = 0x20;
const LETTER_C = 0x63;
const LETTER_T = 0x74;
const ZERO = 0x30;
const LENGTH_NAME_BYTES: number = 'content-length'.length;
const CODING_NAME_BYTES: number = 'transfer-encoding'.length;
/** Numbers of so many digits are safe integers. */
const DIGITS_MAX = 15;
/** CR, then LF, as two bytes in a row are read. */
export const LINE_END = 0x0a0d;

/**
 * Reads the fields of a head from `start` in one go, if they are whole and plain as nearly all are. Returns where the head ends, or
 * `NOT_SKIMMED`: also when they say of the body anything but its length in digits or that it is chunked, once, and in the usual spelling.
 */
export function skimFields(memory: Buffer, start: number, end: number, framing: Framing): number {
  const words = wordsOf(memory);
  framing.contentLength = NO_LENGTH;
  framing.isChunked = false;
  let at = start;
  while (at < end) {
    const first = words.getUint8(at);
    const small = first | SMALL;
    if (small === LETTER_C && at + LENGTH_NAME_BYTES < end && words.getUint8(at + LENGTH_NAME_BYTES) === COLON) {
      at = skimLength(words, at, end, framing);
      if (at === NOT_SKIMMED) return NOT_SKIMMED;
      continue;
    }
    if (small === LETTER_T && at + CODING_NAME_BYTES < end && words.getUint8(at + CODING_NAME_BYTES) === COLON) {
      at = skimCoding(words, at, end, framing);
      if (at === NOT_SKIMMED) return NOT_SKIMMED;
      continue;
    }
    if (first === LF) return NOT_SKIMMED;
    if (first === CR) return at + 1 < end && words.getUint8(at + 1) === LF ? at + 2 : NOT_SKIMMED;
    at = passLine(memory, words, at, end);
  }
  return NOT_SKIMMED;
}

/** A line `Content-Length: 123`; another name of that length might be another spelling of it. */
function skimLength(words: DataView, start: number, end: number, framing: Framing): number {
  if (framing.contentLength !== NO_LENGTH || !isContentLength(words, start)) return NOT_SKIMMED;
  let at = start + LENGTH_NAME_BYTES + 1;
  if (at < end && words.getUint8(at) === SP) at += 1;
  const digitsAt = at;
  let length = 0;
  for (; at < end; at += 1) {
    const digit = words.getUint8(at) - ZERO;
    if (digit < 0 || digit > 9) break;
    length = length * 10 + digit;
  }
  if (at === digitsAt || at > digitsAt + DIGITS_MAX || !endsLine(words, at, end)) return NOT_SKIMMED;
  framing.contentLength = length;
  return at + 2;
}

/** A line `Transfer-Encoding: chunked`. */
function skimCoding(words: DataView, start: number, end: number, framing: Framing): number {
  const at = start + CODING_LINE_BYTES;
  if (framing.isChunked || at > end || !isChunked(words, start) || !endsLine(words, at, end)) return NOT_SKIMMED;
  framing.isChunked = true;
  return at + 2;
}

function endsLine(words: DataView, at: number, end: number): boolean {
  return at + 1 < end && words.getUint16(at, true) === LINE_END;
}

// Names as they are mostly written, a word at a time: the first letters may be capitals.
const CONT = wordOf('cont');
const ENT = wordOf('ent-');
const LENG = wordOf('leng');
const TH = 0x6874;
const TRAN = wordOf('tran');
const SFER = wordOf('sfer');
const DASH_ENC = wordOf('-enc');
const ODIN = wordOf('odin');
const G_CHUNKED: readonly number[] = [wordOf('g: c'), wordOf('hunk')];
const ED = 0x6465;
const CODING_LINE_BYTES: number = 'transfer-encoding: chunked'.length;
const SECOND_SMALL = SMALL << 8;

function isContentLength(words: DataView, at: number): boolean {
  return (
    (words.getInt32(at, true) | SMALL) === CONT &&
    words.getInt32(at + 4, true) === ENT &&
    (words.getInt32(at + 8, true) | SMALL) === LENG &&
    words.getUint16(at + 12, true) === TH
  );
}

/** Reads `CODING_LINE_BYTES`. */
function isChunked(words: DataView, at: number): boolean {
  return (
    (words.getInt32(at, true) | SMALL) === TRAN &&
    words.getInt32(at + 4, true) === SFER &&
    (words.getInt32(at + 8, true) | SECOND_SMALL) === DASH_ENC &&
    words.getInt32(at + 12, true) === ODIN &&
    words.getInt32(at + 16, true) === G_CHUNKED[0] &&
    words.getInt32(at + 20, true) === G_CHUNKED[1] &&
    words.getUint16(at + 24, true) === ED
  );
}
