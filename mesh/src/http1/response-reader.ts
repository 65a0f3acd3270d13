import type { FaultCode } from './errors.ts';
import { HeadFields } from './head-fields.ts';
import { type Framing, ResponseHead } from './head.ts';
import { DEFAULT_LIMITS, type Http1Limits } from './limits.ts';
import { type FinishStep, MessageReader, type ReadStep } from './message-reader.ts';
import { StatusLineReader } from './status-line.ts';

const SWITCHING_PROTOCOLS = 101;

/** What a response must be read by. */
export interface RequestFacts {
  readonly method: string;
  /** The request asked to upgrade, so that 101 is an answer. */
  readonly upgrade: boolean;
}

/**
 * Reads what a server sends. `expectResponse` says before each response what was asked: the same bytes have a body or not by
 * that. Interim responses are heads that another head follows, without `end`.
 */
export class ResponseReader extends MessageReader<ResponseHead> {
  private readonly fields: HeadFields;
  private readonly limits: Http1Limits;
  private request: RequestFacts | undefined;
  private interimCount = 0;

  constructor(limits: Http1Limits = DEFAULT_LIMITS) {
    const head = new ResponseHead();
    super('response', head, new StatusLineReader(head), limits);
    this.limits = limits;
    this.fields = new HeadFields(limits);
  }

  /** Nothing is expected: bytes, should some come, answer nothing. */
  override get idle(): boolean {
    return this.request === undefined && super.idle;
  }

  /** Some of the response has come, so the request must not be sent to another server. */
  get begun(): boolean {
    return this.request !== undefined && (!super.idle || this.interimCount > 0);
  }

  /** A request was sent, or is about to be; at most one at a time. */
  expectResponse(request: RequestFacts): void {
    this.request = request;
    this.interimCount = 0;
  }

  override read(buffer: Buffer, start: number, end: number): ReadStep {
    if (this.request === undefined && start < end && this.fault === undefined) {
      this.at = start;
      return this.fail('unsolicited', 'status-line', 0);
    }
    const step = super.read(buffer, start, end);
    if (step === 'end') this.request = undefined;
    return step;
  }

  override finish(): FinishStep {
    if (this.request !== undefined && super.idle) this.fail('truncated', 'status-line', 0);
    const step = super.finish();
    if (step === 'end') this.request = undefined;
    return step;
  }

  protected override interpretHead(): FaultCode | undefined {
    const { head, request } = this;
    this.fields.faultAt = head.reasonStart;
    const { status } = head;
    head.interim = status < 200 && status !== SWITCHING_PROTOCOLS;
    const fault = this.fields.interpret(head);
    if (fault !== undefined) return fault;
    this.fields.faultAt = head.reasonStart;
    if (status === SWITCHING_PROTOCOLS && request?.upgrade !== true) return 'upgrade-unexpected';
    head.framing = responseFraming(head, request?.method ?? 'GET', this.fields.chunked);
    if (!head.interim) return undefined;
    this.interim = true;
    this.interimCount += 1;
    return this.interimCount > this.limits.interimCountMax ? 'interim-count' : undefined;
  }

  protected override faultPosition(): number {
    return this.fields.faultAt;
  }
}

/** RFC 9112 6.3: the request and the status first, then the fields. */
function responseFraming(head: ResponseHead, method: string, chunked: boolean): Framing {
  const { status } = head;
  if (status === SWITCHING_PROTOCOLS) return 'tunnel';
  if (method === 'CONNECT' && status >= 200 && status < 300) return 'tunnel';
  if (status < 200 || status === 204 || status === 304 || method === 'HEAD') return 'none';
  if (chunked) return 'chunked';
  if (!head.hasContentLength) return 'until-close';
  return head.contentLength > 0 ? 'length' : 'none';
}
