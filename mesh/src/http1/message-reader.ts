import { BodyReader } from './body-reader.ts';
import { type FaultCode, type FaultPlace, faultOf, type Http1Fault } from './errors.ts';
import type { FieldBlock } from './field-block.ts';
import type { MessageHead } from './head.ts';
import type { Http1Limits } from './limits.ts';
import { SectionReader } from './section-reader.ts';
import type { StartLineReader } from './start-line.ts';

/**
 * What a reader has found. `more`: it has used all bytes it was given. `head`: a head is complete. `data`: bytes of the body
 * are at `[dataStart, dataEnd)`. `trailers`: they are complete. `end`: the message is; further bytes are the next one's.
 * `fault`: no further byte can be understood.
 */
export type ReadStep = 'more' | 'head' | 'data' | 'trailers' | 'end' | 'fault';

/**
 * How the end of the connection leaves a reader. `idle`: between messages. `end`: it was the end of the body or tunnel.
 * `fault`: within a message.
 */
export type FinishStep = 'idle' | 'end' | 'fault';

/**
 * Reads the messages of one direction of a connection. The caller owns all memory and gives bytes as they come, with
 *
 *     for (let at = start; ; at = reader.at) switch (reader.read(buffer, at, end)) { ... }
 *
 * until `more` or `fault`. It stops at every `end`: whoever wants one message at a time keeps the bytes from `at` on for
 * later. However the bytes are cut, the same steps come, but for how a body is divided into `data`. Never throws.
 */
export abstract class MessageReader<Head extends MessageHead> {
  /** With step `head`, and then up to the first byte of the next message as long as `bytes` is the caller's to keep. */
  readonly head: Head;
  /** After `read`: bytes before it are done with. */
  at = 0;
  dataStart = 0;
  dataEnd = 0;
  fault: Http1Fault | undefined;
  /** Set while a head is interpreted: another one follows it, without a body. */
  protected interim = false;
  private readonly side: 'request' | 'response';
  private readonly section: SectionReader;
  private readonly body: BodyReader;
  private phase: 'head' | 'body' = 'head';
  /** The section reader still holds the last head, which somebody may be looking at. */
  private headRead = false;

  protected constructor(side: 'request' | 'response', head: Head, line: StartLineReader, limits: Http1Limits) {
    this.side = side;
    this.head = head;
    this.section = new SectionReader(head, line, limits.headMaxBytes, limits.fieldCountMax);
    this.section.begin();
    this.body = new BodyReader(limits);
  }

  /** Sets the framing of a head that is complete. */
  protected abstract interpretHead(): FaultCode | undefined;
  /** Where in `head.bytes` the fault of `interpretHead` is. */
  protected abstract faultPosition(): number;

  /** With step `trailers`; valid until the next call. */
  get trailers(): FieldBlock | undefined {
    return this.body.trailers;
  }

  /** Not a byte of a message has come that has not also ended. */
  get idle(): boolean {
    return this.phase === 'head' && this.section.pendingBytes === 0 && this.fault === undefined;
  }

  /** Memory that is taken for a head and trailers that did not come in one piece. */
  get memoryBytes(): number {
    return this.section.memoryBytes + this.body.memoryBytes;
  }

  read(buffer: Buffer, start: number, end: number): ReadStep {
    if (this.fault !== undefined) return 'fault';
    return this.phase === 'head' ? this.readHead(buffer, start, end) : this.readBody(buffer, start, end);
  }

  /**
   * After the `end` of a CONNECT or upgrade that was agreed to: everything else that comes is `data`, up to the end of the
   * connection.
   */
  enterTunnel(): void {
    this.body.begin('tunnel', 0);
    this.phase = 'body';
  }

  /** No further bytes will come. */
  finish(): FinishStep {
    if (this.fault !== undefined) return 'fault';
    if (this.idle) return 'idle';
    if (this.phase === 'body' && this.body.endsWithConnection) {
      this.phase = 'head';
      this.headRead = true;
      return 'end';
    }
    if (this.phase === 'body') this.fail('truncated', 'body', this.body.wireBytes);
    else this.fail('truncated', this.headPlace(), this.section.pendingBytes);
    return 'fault';
  }

  /** Lets go of the memory of the last head, which a connection that waits for its next message need not keep. */
  release(): void {
    if (!this.headRead) return;
    this.headRead = false;
    this.section.begin();
  }

  private readHead(buffer: Buffer, start: number, end: number): ReadStep {
    const { section } = this;
    this.at = start;
    if (start === end) return 'more';
    this.release();
    const complete = section.read(buffer, start, end);
    this.at = section.at;
    if (section.fault !== undefined) return this.fail(section.fault, this.headPlace(), section.faultOffset);
    if (!complete) return 'more';
    this.headRead = true;
    this.interim = false;
    const fault = this.interpretHead();
    if (fault !== undefined) return this.fail(fault, 'framing', this.faultPosition() - section.sectionStart);
    if (this.interim) return 'head';
    this.body.begin(this.head.framing, this.head.contentLength);
    this.phase = 'body';
    return 'head';
  }

  private readBody(buffer: Buffer, start: number, end: number): ReadStep {
    const { body } = this;
    const step = body.read(buffer, start, end);
    this.at = body.at;
    if (step === 'data') {
      this.dataStart = body.dataStart;
      this.dataEnd = body.dataEnd;
    } else if (step === 'end') this.phase = 'head';
    else if (body.fault !== undefined) return this.fail(body.fault, body.faultPlace, body.faultOffset);
    return step;
  }

  private headPlace(): FaultPlace {
    if (this.section.inFields) return 'field';
    return this.side === 'request' ? 'request-line' : 'status-line';
  }

  protected fail(code: FaultCode, place: FaultPlace, offset: number): 'fault' {
    this.fault = faultOf(this.side, code, place, offset);
    return 'fault';
  }
}
