import { CR, equalsIgnoringCase, equalsLower, SP } from './characters.ts';
import { isAuthority } from './authority.ts';
import { readContentLength } from './content-length.ts';
import type { FaultCode } from './errors.ts';
import { FieldId, fieldIdOf } from './field-names.ts';
import type { MessageHead, RequestHead } from './head.ts';
import type { Http1Limits } from './limits.ts';
import { TokenList } from './token-list.ts';

/** Taking one of these away, as Connection would have us do, changes where a message ends or whom it is for. */
const NEVER_HOP_BY_HOP: ReadonlySet<number> = new Set([FieldId.host, FieldId.contentLength, FieldId.transferEncoding]);

/**
 * Gives meaning to the fields of a head that connection and framing depend on, and finds what makes them ambiguous. One per
 * reader; holds nothing from one head to the next.
 */
export class HeadFields {
  /** Position of what a fault is about. */
  faultAt = 0;
  private readonly limits: Http1Limits;
  private readonly list: TokenList = new TokenList();
  private host = -1;
  private secondHost = -1;
  private lengthField = -1;
  private encodingField = -1;
  private upgradeOption = false;
  private upgradeField = false;
  private expect: RequestHead['expect'] = 'none';
  private connectionOptionCount = 0;

  constructor(limits: Http1Limits) {
    this.limits = limits;
  }

  /** Whether the message is chunked, after a call without fault. */
  get chunked(): boolean {
    return this.encodingField >= 0;
  }

  /** Fields of a request; its target must have been interpreted. */
  interpretRequest(head: RequestHead): FaultCode | undefined {
    const fault = this.interpret(head) ?? this.checkHost(head);
    if (fault !== undefined) return fault;
    head.expect = head.versionMinor === 1 ? this.expect : 'none';
    if (this.chunked) head.framing = 'chunked';
    else head.framing = head.contentLength > 0 ? 'length' : 'none';
    if (head.method !== 'CONNECT' || head.framing === 'none') return undefined;
    this.faultAt = head.nameStart(Math.max(this.lengthField, this.encodingField));
    return 'connect-body';
  }

  /** Fields of any head; of a response its framing depends on more. */
  interpret(head: MessageHead): FaultCode | undefined {
    head.contentLength = 0;
    head.hasContentLength = false;
    head.close = false;
    head.keepAlive = false;
    head.namesFields = false;
    this.host = -1;
    this.secondHost = -1;
    this.lengthField = -1;
    this.encodingField = -1;
    this.upgradeOption = false;
    this.upgradeField = false;
    this.expect = 'none';
    this.connectionOptionCount = 0;
    for (let index = 0; index < head.count; index += 1) {
      const fault = this.interpretField(head, index);
      if (fault !== undefined) {
        this.faultAt = head.nameStart(index);
        return fault;
      }
    }
    head.upgrade = this.upgradeOption && this.upgradeField && head.versionMinor === 1;
    if (!this.chunked) return undefined;
    this.faultAt = head.nameStart(this.encodingField);
    if (head.versionMinor === 0) return 'transfer-encoding-version';
    return head.hasContentLength ? 'length-and-chunked' : undefined;
  }

  private interpretField(head: MessageHead, index: number): FaultCode | undefined {
    const id = fieldIdOf(head.bytes, head.nameStart(index), head.nameEnd(index));
    if (id === FieldId.other) return undefined;
    head.setId(index, id);
    switch (id) {
      case FieldId.host:
        if (this.host < 0) this.host = index;
        else this.secondHost = index;
        return undefined;
      case FieldId.contentLength:
        return this.interpretLength(head, index);
      case FieldId.transferEncoding:
        if (this.encodingField >= 0) return 'transfer-encoding-duplicate';
        this.encodingField = index;
        return this.interpretEncoding(head, index);
      case FieldId.connection:
        return this.interpretConnection(head, index);
      case FieldId.upgrade:
        this.upgradeField = true;
        return undefined;
      case FieldId.expect:
        this.expect = this.expect !== 'unknown' && isContinue(head, index) ? 'continue' : 'unknown';
        return undefined;
      default:
        return undefined;
    }
  }

  private interpretLength(head: MessageHead, index: number): FaultCode | undefined {
    if (this.lengthField >= 0) return 'content-length-duplicate';
    this.lengthField = index;
    if (!isPlain(head, index)) return 'content-length-invalid';
    const length = readContentLength(head.bytes, head.valueStart(index), head.valueEnd(index));
    if (length < 0) return 'content-length-invalid';
    head.contentLength = length;
    head.hasContentLength = true;
    return undefined;
  }

  private interpretEncoding(head: MessageHead, index: number): FaultCode | undefined {
    const start = head.valueStart(index);
    const end = head.valueEnd(index);
    if (!isPlain(head, index)) return 'transfer-encoding-invalid';
    if (equalsLower(head.bytes, start, end, 'chunked')) return undefined;
    // A legal list with one "chunked" at its end is only something we do not implement; anything else has no certain end.
    let codingCount = 0;
    let chunkedCount = 0;
    let last = false;
    const { list } = this;
    list.begin(head.bytes, start, end);
    while (list.next()) {
      last = equalsLower(head.bytes, list.start, list.end, 'chunked');
      codingCount += 1;
      if (last) chunkedCount += 1;
    }
    const legal = !list.invalid && last && chunkedCount === 1 && codingCount > 1;
    return legal ? 'transfer-encoding-unsupported' : 'transfer-encoding-invalid';
  }

  private interpretConnection(head: MessageHead, index: number): FaultCode | undefined {
    const { list } = this;
    const { bytes } = head;
    list.begin(bytes, head.valueStart(index), head.valueEnd(index));
    while (list.next()) {
      this.connectionOptionCount += 1;
      if (this.connectionOptionCount > this.limits.connectionOptionCountMax) return 'connection-invalid';
      if (equalsLower(bytes, list.start, list.end, 'close')) head.close = true;
      else if (equalsLower(bytes, list.start, list.end, 'keep-alive')) head.keepAlive = true;
      else if (equalsLower(bytes, list.start, list.end, 'upgrade')) this.upgradeOption = true;
      else if (NEVER_HOP_BY_HOP.has(fieldIdOf(bytes, list.start, list.end))) return 'connection-invalid';
      else head.namesFields = true;
    }
    return list.invalid ? 'connection-invalid' : undefined;
  }

  private checkHost(head: RequestHead): FaultCode | undefined {
    const { host } = this;
    if (host < 0) return head.versionMinor === 1 ? 'host-missing' : undefined;
    if (this.secondHost >= 0) {
      this.faultAt = head.nameStart(this.secondHost);
      return 'host-duplicate';
    }
    const start = head.valueStart(host);
    const end = head.valueEnd(host);
    this.faultAt = head.nameStart(host);
    if (!isAuthority(head.bytes, start, end, 'optional')) return 'host-invalid';
    if (head.form === 'absolute' || head.form === 'authority') {
      const { authorityStart, authorityEnd } = head;
      return equalsIgnoringCase(head.bytes, start, end, authorityStart, authorityEnd) ? undefined : 'host-mismatch';
    }
    head.authorityStart = start;
    head.authorityEnd = end;
    return undefined;
  }
}

/**
 * No white space around a value but spaces before it. More is legal, but not every parser takes a tab off: llhttp knows no
 * coding "chunked\t" and reads up to the end of the connection.
 */
function isPlain(head: MessageHead, index: number): boolean {
  const { bytes } = head;
  for (let at = head.nameEnd(index) + 1; at < head.valueStart(index); at += 1) {
    if (bytes[at] !== SP) return false;
  }
  return bytes[head.valueEnd(index)] === CR;
}

function isContinue(head: MessageHead, index: number): boolean {
  return equalsLower(head.bytes, head.valueStart(index), head.valueEnd(index), '100-continue');
}
