import { CR, DIGIT, LF, SP, TOKEN } from '../http1/characters.ts';
import { NOT_WHOLE, type RecentHead } from './known-head.ts';
import { MessageFollower } from './message-follower.ts';
import { type Framing, LINE_END, NOT_SKIMMED } from './skim-fields.ts';
import { VERSION_PREFIX } from './version-prefix.ts';
import { passLine, wordOf, wordsOf } from './words.ts';

const HEAD = Buffer.from('HEAD');
const CONNECT = Buffer.from('CONNECT');
/** What a request line ends with, in words. */
const VERSION_BYTES: number = ' HTTP/1.1\r\n'.length;
const SPACE_HTT = wordOf(' HTT');
const P_SLASH_1_POINT = wordOf('P/1.');

/** What a client's requests mean for whoever pairs them with answers. */
export interface RequestOwner {
  /** The first byte of a request. */
  onRequestBegin(): void;
  /** The head of the request that began last is complete. */
  onRequestHead(isHead: boolean): void;
}

/** Where in a request line the next byte is. */
type LinePart = 'before' | 'method' | 'rest';

const recent: RecentHead = { head: undefined };

/** Follows a client's requests. */
export class RequestFollower extends MessageFollower {
  /** A request line was read: what this is, is HTTP/1. */
  isHttp = false;
  /** CONNECT was asked for: what follows is something else. */
  isConnect = false;
  private readonly owner: RequestOwner;
  private linePart: LinePart = 'before';
  /** Which of the methods that matter it may be. */
  private method: Buffer | undefined;
  private methodBytes = 0;
  /** Bytes of the version that have come behind the last space. */
  private versionBytes = 0;

  constructor(owner: RequestOwner) {
    super(recent);
    this.owner = owner;
  }

  protected skimStartLine(memory: Buffer, start: number, end: number): number {
    const words = wordsOf(memory);
    // Either may begin a method that matters.
    const first = words.getUint8(start);
    if (first === HEAD[0] || first === CONNECT[0]) return NOT_SKIMMED;
    let at = start;
    while (at < end && TOKEN[words.getUint8(at)] === 1) at += 1;
    if (at === start || at === end || words.getUint8(at) !== SP) return NOT_SKIMMED;
    const lineEnd = passLine(memory, words, at + 1, end);
    return lineEnd - at > VERSION_BYTES && endsInVersion(words, lineEnd) ? lineEnd : NOT_SKIMMED;
  }

  protected onSkimmed(): void {
    this.method = undefined;
    this.isHttp = true;
    this.owner.onRequestBegin();
  }

  protected bodyBytesOf({ isChunked, contentLength }: Framing): number {
    return isChunked ? NOT_WHOLE : Math.max(contentLength, 0);
  }

  protected onWhole(): boolean {
    this.owner.onRequestBegin();
    this.owner.onRequestHead(false);
    return true;
  }

  protected readStartLine(memory: Buffer, start: number, end: number): number {
    for (let at = start; at < end; at += 1) {
      const byte = memory[at] ?? 0;
      if (this.linePart === 'rest') {
        if (byte === LF) return this.endLine(at + 1);
        this.readRest(byte);
      } else if (byte === SP && this.methodBytes > 0) {
        this.linePart = 'rest';
        this.versionBytes = 0;
      } else if (TOKEN[byte] === 1) {
        this.readMethod(byte);
      } else if (this.linePart === 'method' || (byte !== CR && byte !== LF)) {
        // RFC 9112 2.2 allows for empty lines before a request, and for nothing else.
        this.giveUp();
        return end;
      }
    }
    return end;
  }

  protected frame(isChunked: boolean, length: number | undefined): 'none' | 'fixed' | 'chunked' {
    const { method, methodBytes } = this;
    this.isConnect = method === CONNECT && methodBytes === CONNECT.length;
    if (this.isConnect) {
      this.giveUp();
      return 'none';
    }
    this.owner.onRequestHead(method === HEAD && methodBytes === HEAD.length);
    if (isChunked) return 'chunked';
    return length === undefined ? 'none' : 'fixed';
  }

  protected onMessageEnd(): void {
    this.linePart = 'before';
    this.methodBytes = 0;
  }

  private readMethod(byte: number): void {
    const { methodBytes } = this;
    if (methodBytes === 0) {
      this.linePart = 'method';
      this.method = byte === HEAD[0] ? HEAD : CONNECT;
      this.owner.onRequestBegin();
    }
    if (this.method?.[methodBytes] !== byte) this.method = undefined;
    this.methodBytes = methodBytes + 1;
  }

  /** The version is what comes behind the last space. */
  private readRest(byte: number): void {
    const { versionBytes } = this;
    if (byte === SP) this.versionBytes = 0;
    else if (versionBytes < VERSION_PREFIX.length)
      this.versionBytes = byte === VERSION_PREFIX[versionBytes] ? versionBytes + 1 : Number.MAX_SAFE_INTEGER;
    // Behind the prefix comes one digit, then CR.
  }

  private endLine(at: number): number {
    if (this.versionBytes === VERSION_PREFIX.length) {
      this.isHttp = true;
      this.beginFields();
    } else this.giveUp();
    return at;
  }
}

/** Whether a whole request line of HTTP/1 ends at `end`; any digit will do behind the point, and nothing else. */
function endsInVersion(words: DataView, end: number): boolean {
  const at = end - VERSION_BYTES;
  return (
    words.getInt32(at, true) === SPACE_HTT &&
    words.getInt32(at + 4, true) === P_SLASH_1_POINT &&
    DIGIT[words.getUint8(at + 8)] === 1 &&
    words.getUint16(end - 2, true) === LINE_END
  );
}
