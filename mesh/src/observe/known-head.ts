import { OBSERVE_LIMITS } from './contract.ts';
import type { Framing } from './skim-fields.ts';

const WORD_BYTES = 8;
/** Of heads that are all new to a connection, the second and some more are kept, */
const KEPT_UNTIL = 4;
/** and then one in so many (a power of two): from now on it may say the same. */
const KEPT_EVERY = 64;

/** How long a message is depends on more than its head. */
export const NOT_WHOLE: number = -1;

/** The head that was kept last. */
export interface RecentHead {
  head: KnownHead | undefined;
}

/**
 * Whether a head is worth being kept: `strangers` heads in a row were not known on its connection, up to this one. Of those with one
 * request, and where no head is like another, it is not.
 */
export function isWorthKeeping(bytes: number, strangers: number): boolean {
  if (bytes > OBSERVE_LIMITS.knownHeadMaxBytes || strangers === 1) return false;
  return strangers <= KEPT_UNTIL || (strangers & (KEPT_EVERY - 1)) === 0;
}

/**
 * A head that was read, to be known again: what programs say on a connection is mostly what they said before, and comparing is quicker
 * than reading lines.
 */
export class KnownHead implements Framing {
  readonly bytes: number;
  readonly contentLength: number;
  readonly isChunked: boolean;
  /** Of the message with its body, or `NOT_WHOLE` where the head does not tell. */
  readonly messageBytes: number;
  /** Of an answer. */
  readonly status: number;
  /**
   * The head as numbers of eight bytes, the last one over the end of the one before: there are no wider ones that can be compared without
   * allocation. NaN differs from itself, so a head with one is never known, and zeros of both signs are alike: of bytes that no field is
   * framed by.
   */
  private readonly text: readonly number[];

  constructor(words: DataView, start: number, end: number, framing: Framing, status: number, bodyBytes: number) {
    this.bytes = end - start;
    this.contentLength = framing.contentLength;
    this.isChunked = framing.isChunked;
    this.status = status;
    this.messageBytes = bodyBytes === NOT_WHOLE ? NOT_WHOLE : end - start + bodyBytes;
    const text: number[] = [];
    for (let at = start; at + WORD_BYTES < end; at += WORD_BYTES) text.push(words.getFloat64(at, true));
    text.push(words.getFloat64(end - WORD_BYTES, true));
    this.text = text;
  }

  /** Whether `[start, end)` begins with this head. */
  isAt(words: DataView, start: number, end: number): boolean {
    const { text, bytes } = this;
    if (end - start < bytes) return false;
    const last = text.length - 1;
    let at = start;
    for (let i = 0; i < last; i += 1) {
      if (words.getFloat64(at, true) !== text[i]) return false;
      at += WORD_BYTES;
    }
    return words.getFloat64(start + bytes - WORD_BYTES, true) === text[last];
  }
}
