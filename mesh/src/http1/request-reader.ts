import type { FaultCode } from './errors.ts';
import { HeadFields } from './head-fields.ts';
import { RequestHead } from './head.ts';
import { DEFAULT_LIMITS, type Http1Limits } from './limits.ts';
import { MessageReader } from './message-reader.ts';
import { RequestLineReader } from './request-line.ts';
import { interpretTarget } from './target.ts';

/** Reads what a client sends. After the `end` of a CONNECT or upgrade, wait for its answer before reading on. */
export class RequestReader extends MessageReader<RequestHead> {
  private readonly fields: HeadFields;

  constructor(limits: Http1Limits = DEFAULT_LIMITS) {
    const head = new RequestHead();
    super('request', head, new RequestLineReader(head, limits), limits);
    this.fields = new HeadFields(limits);
  }

  protected override interpretHead(): FaultCode | undefined {
    const { head } = this;
    this.fields.faultAt = head.targetStart;
    return interpretTarget(head) ?? this.fields.interpretRequest(head);
  }

  protected override faultPosition(): number {
    return this.fields.faultAt;
  }
}
