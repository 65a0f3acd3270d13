import { CR, LF, SP, TARGET, TOKEN } from './characters.ts';
import type { RequestHead } from './head.ts';
import type { Http1Limits } from './limits.ts';
import { methodOf } from './methods.ts';
import { DONE, FIRST, StartLineReader } from './start-line.ts';

const EMPTY_LF = 1;
const METHOD_FIRST = 2;
const METHOD = 3;
const TARGET_FIRST = 4;
const IN_TARGET = 5;
const VERSION = 6;
const END_CR = 7;
const END_LF = 8;

/**
 * Reads `method SP target SP version CR LF` into a head. One empty line before it is skipped, as RFC 9112 2.2 asks for:
 * clients of old send it after a body.
 */
export class RequestLineReader extends StartLineReader {
  private readonly head: RequestHead;
  private readonly limits: Http1Limits;
  private methodStart = 0;

  constructor(head: RequestHead, limits: Http1Limits) {
    super(head);
    this.head = head;
    this.limits = limits;
  }

  override moveBack(by: number): void {
    this.methodStart -= by;
    this.head.targetStart -= by;
    this.head.targetEnd -= by;
  }

  protected override step(bytes: Buffer, at: number, stop: number): number {
    switch (this.state) {
      case FIRST:
        this.state = bytes[at] === CR ? EMPTY_LF : METHOD_FIRST;
        return bytes[at] === CR ? at + 1 : at;
      case EMPTY_LF:
        return this.expect(bytes, at, LF, METHOD_FIRST, 'line-end');
      case METHOD_FIRST:
        this.methodStart = at;
        this.state = METHOD;
        return at;
      case METHOD:
        return this.readMethod(bytes, at, stop);
      case TARGET_FIRST:
        this.head.targetStart = at;
        this.state = IN_TARGET;
        return at;
      case IN_TARGET:
        return this.readTarget(bytes, at, stop);
      case VERSION:
        return this.readVersion(bytes, at, stop, END_CR);
      case END_CR:
        return this.expect(bytes, at, CR, END_LF, bytes[at] === LF ? 'line-end' : 'version');
      default:
        return this.expect(bytes, at, LF, DONE, 'line-end');
    }
  }

  private readMethod(bytes: Buffer, from: number, stop: number): number {
    let at = from;
    while (at < stop && TOKEN[bytes[at] ?? 0] === 1) at += 1;
    const end = this.methodStart + this.limits.methodMaxBytes;
    if (at > end) return this.fail('method-length', end);
    if (at === stop) return at;
    if (bytes[at] !== SP || at === this.methodStart) return this.fail('method', at);
    this.head.method = methodOf(bytes, this.methodStart, at);
    this.state = TARGET_FIRST;
    return at + 1;
  }

  private readTarget(bytes: Buffer, from: number, stop: number): number {
    let at = from;
    while (at < stop && TARGET[bytes[at] ?? 0] === 1) at += 1;
    const { head } = this;
    const end = head.targetStart + this.limits.targetMaxBytes;
    if (at > end) return this.fail('target-length', end);
    if (at === stop) return at;
    if (at === head.targetStart) return this.fail('target', at);
    // "GET /" and the end of the line is HTTP/0.9.
    if (bytes[at] !== SP) return this.fail(bytes[at] === CR || bytes[at] === LF ? 'version' : 'target', at);
    head.targetEnd = at;
    this.state = VERSION;
    return at + 1;
  }
}
