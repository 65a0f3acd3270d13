import { DIGIT, LF, SP } from '../http1/characters.ts';
import { NOT_WHOLE, type RecentHead } from './known-head.ts';
import { MessageFollower } from './message-follower.ts';
import { type Framing, NOT_SKIMMED } from './skim-fields.ts';
import { VERSION_PREFIX } from './version-prefix.ts';
import { passLine, wordOf, wordsOf } from './words.ts';

const ZERO = 0x30;
/** `HTTP/1.x `, then the status. */
const STATUS_AT: number = VERSION_PREFIX.length + 2;
const STATUS_END: number = STATUS_AT + 3;
/** A status line begins with it, in words. */
const HTTP = wordOf('HTTP');
const SLASH_1_POINT: number = wordOf('/1.\0');
const THREE_BYTES = 0xffffff;
const SWITCHING_PROTOCOLS = 101;
const NO_CONTENT = 204;
const NOT_MODIFIED = 304;
const FINAL_STATUS_MIN = 200;

/** What a server's answers mean for whoever pairs them with requests. */
export interface ResponseOwner {
  /** The request that is answered next: undefined when there is none, else whether its answer has no body since it is HEAD. */
  nextIsHead(): boolean | undefined;
  /** The answer to the next request is over. */
  onResponseEnd(status: number): void;
}

const recent: RecentHead = { head: undefined };

/** Follows a server's answers. */
export class ResponseFollower extends MessageFollower {
  /** The connection carries something else from now on. */
  isUpgrade = false;
  private readonly owner: ResponseOwner;
  private lineBytes = 0;

  constructor(owner: ResponseOwner) {
    super(recent);
    this.owner = owner;
  }

  protected skimStartLine(memory: Buffer, start: number, end: number): number {
    const words = wordsOf(memory);
    if (start + STATUS_END > end || words.getInt32(start, true) !== HTTP) return NOT_SKIMMED;
    // Then `/1.`, a digit and a space.
    if ((words.getInt32(start + 4, true) & THREE_BYTES) !== SLASH_1_POINT) return NOT_SKIMMED;
    if (DIGIT[words.getUint8(start + 7)] !== 1 || words.getUint8(start + 8) !== SP) return NOT_SKIMMED;
    const hundreds = words.getUint8(start + STATUS_AT) - ZERO;
    const tens = words.getUint8(start + STATUS_AT + 1) - ZERO;
    const ones = words.getUint8(start + STATUS_AT + 2) - ZERO;
    const isStatus = hundreds > 0 && hundreds <= 9 && tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9;
    if (!isStatus) return NOT_SKIMMED;
    this.status = hundreds * 100 + tens * 10 + ones;
    const lineEnd = passLine(memory, words, start + STATUS_END, end);
    return words.getUint8(lineEnd - 1) === LF ? lineEnd : NOT_SKIMMED;
  }

  protected onSkimmed(): void {}

  protected bodyBytesOf({ isChunked, contentLength }: Framing): number {
    const isFramedByHead = !isChunked && contentLength >= 0 && this.status >= FINAL_STATUS_MIN;
    return isFramedByHead && this.status !== NO_CONTENT && this.status !== NOT_MODIFIED ? contentLength : NOT_WHOLE;
  }

  protected onWhole(status: number): boolean {
    if (this.owner.nextIsHead() !== false) return false;
    this.owner.onResponseEnd(status);
    return true;
  }

  protected readStartLine(memory: Buffer, start: number, end: number): number {
    let at = start;
    for (; at < end && this.lineBytes < STATUS_END; at += 1) {
      if (this.readLine(memory[at] ?? 0)) continue;
      this.giveUp();
      return end;
    }
    if (at === end) return end;
    at = passLine(memory, wordsOf(memory), at, end);
    if (memory[at - 1] === LF) this.beginFields();
    return at;
  }

  protected frame(isChunked: boolean, length: number | undefined): 'none' | 'fixed' | 'chunked' | 'until-end' {
    const { status } = this;
    const isHead = this.owner.nextIsHead();
    if (isHead === undefined || status === SWITCHING_PROTOCOLS) {
      this.isUpgrade = isHead !== undefined;
      if (this.isUpgrade) this.owner.onResponseEnd(status);
      this.giveUp();
      return 'none';
    }
    if (isHead || status < FINAL_STATUS_MIN || status === NO_CONTENT || status === NOT_MODIFIED) return 'none';
    if (isChunked) return 'chunked';
    return length === undefined ? 'until-end' : 'fixed';
  }

  protected onMessageEnd(): void {
    this.lineBytes = 0;
    if (this.status >= FINAL_STATUS_MIN) this.owner.onResponseEnd(this.status);
  }

  private readLine(byte: number): boolean {
    const at = this.lineBytes;
    this.lineBytes = at + 1;
    if (at < VERSION_PREFIX.length) return byte === VERSION_PREFIX[at];
    const digit = byte - ZERO;
    if (at === STATUS_AT - 1) return byte === SP;
    if (digit < 0 || digit > 9) return false;
    if (at === VERSION_PREFIX.length) return true;
    this.status = at === STATUS_AT ? digit : this.status * 10 + digit;
    return at !== STATUS_AT || digit > 0;
  }
}
