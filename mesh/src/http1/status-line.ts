import { CR, DIGIT, FIELD_VALUE, LF, SP } from './characters.ts';
import type { ResponseHead } from './head.ts';
import { DONE, FIRST, StartLineReader } from './start-line.ts';

const VERSION_SPACE = 1;
const STATUS = 2;
const STATUS_END = 3;
const REASON_FIRST = 4;
const REASON = 5;
const END_LF = 6;

const STATUS_DIGITS = 3;
const ZERO = 48;

/** Reads `version SP status [SP reason] CR LF` into a head. Many servers leave out the second space with the reason. */
export class StatusLineReader extends StartLineReader {
  private readonly head: ResponseHead;
  private digits = 0;

  constructor(head: ResponseHead) {
    super(head);
    this.head = head;
  }

  override begin(): void {
    super.begin();
    this.digits = 0;
    this.head.status = 0;
    this.head.reasonStart = 0;
    this.head.reasonEnd = 0;
  }

  override moveBack(by: number): void {
    this.head.reasonStart -= by;
    this.head.reasonEnd -= by;
  }

  protected override step(bytes: Buffer, at: number, stop: number): number {
    const byte = bytes[at] ?? 0;
    switch (this.state) {
      case FIRST:
        return this.readVersion(bytes, at, stop, VERSION_SPACE);
      case VERSION_SPACE:
        return this.expect(bytes, at, SP, STATUS, 'version');
      case STATUS:
        return this.readDigit(byte, at);
      case STATUS_END:
        this.head.reasonStart = at;
        this.head.reasonEnd = at;
        if (byte !== SP && byte !== CR) return this.fail(byte === LF ? 'line-end' : 'status-code', at);
        this.state = byte === SP ? REASON_FIRST : END_LF;
        return at + 1;
      case REASON_FIRST:
        this.head.reasonStart = at;
        this.state = REASON;
        return at;
      case REASON:
        return this.readReason(bytes, at, stop);
      default:
        return this.expect(bytes, at, LF, DONE, 'line-end');
    }
  }

  private readDigit(byte: number, at: number): number {
    if (DIGIT[byte] !== 1 || (this.digits === 0 && byte === ZERO)) return this.fail('status-code', at);
    this.head.status = this.head.status * 10 + byte - ZERO;
    this.digits += 1;
    if (this.digits === STATUS_DIGITS) this.state = STATUS_END;
    return at + 1;
  }

  private readReason(bytes: Buffer, from: number, stop: number): number {
    let at = from;
    while (at < stop && FIELD_VALUE[bytes[at] ?? 0] === 1) at += 1;
    if (at === stop) return at;
    if (bytes[at] !== CR) return this.fail(bytes[at] === LF ? 'line-end' : 'reason', at);
    this.head.reasonEnd = at;
    this.state = END_LF;
    return at + 1;
  }
}
