import { isAuthority } from '../http1/authority.ts';
import { COLON, equalsLower, SLASH, TARGET, TOKEN } from '../http1/characters.ts';
import type { FieldBlock } from '../http1/field-block.ts';
import { FieldId, FORBIDDEN_TRAILERS, isFramingName } from '../http1/field-names.ts';
import type { RequestHead } from '../http1/head.ts';
import { StaticIndex, STATUS_INDEX } from '../hbone/hpack-table.ts';
import { FieldEncoder } from './field-encoder.ts';
import { sensitiveFieldsOf } from './head.ts';
import { fieldKindOf, isAllOf, isConnectionField, judgeName, judgeValue } from './field-kinds.ts';

/** Why a head cannot be sent. `section-length`: the peer takes no head as large; the others: it would be no message. */
export type EncodeProblem =
  | 'method'
  | 'scheme'
  | 'authority'
  | 'path'
  | 'protocol'
  | 'status'
  | 'field-name'
  | 'field-value'
  | 'framing-field'
  | 'framing-twice'
  | 'connection-field'
  | 'trailer-forbidden'
  | 'section-length';

/** A request's first line, as text. */
export interface RequestTarget {
  readonly method: string;
  readonly scheme: 'http' | 'https';
  readonly authority: string;
  /** Empty for CONNECT. */
  readonly path: string;
  /** Of an extended CONNECT (RFC 8441). */
  readonly protocol?: string;
}

const METHOD_INDEX: Readonly<Record<string, number>> = { GET: StaticIndex.methodGet, POST: StaticIndex.methodPost };
const SCHEME_INDEX = { http: StaticIndex.schemeHttp, https: StaticIndex.schemeHttps } as const;
const PROTOCOL = Buffer.from(':protocol');
const ASTERISK = Buffer.from('*');
/** Secrets: were they in a table, whoever shares our connection could find them out by what it compresses (RFC 7541 7.1). */
const SECRETS: readonly string[] = ['authorization', 'cookie', 'proxy-authorization', 'set-cookie'];
const TEXT_BYTES = 256;
/** What a block may become at most; frames carry it in pieces. */
const BLOCK_MAX_BYTES = 256 * 1024;

/**
 * Writes one head, or trailers, as a header block: what HTTP/1.1's `HeadWriter` is for HTTP/2. Text is checked; fields of a
 * received head are taken as they are, names made small, and what speaks of its connection or framed it is left out, so that a
 * head goes on from either protocol. The first problem ends it: nothing more is written, and `end` says false.
 */
export class HeadEncoder {
  problem: EncodeProblem | undefined;
  /** Of the request that was written last. */
  requestMethod = '';
  /** The peer's MAX_HEADER_LIST_SIZE. */
  peerListMaxBytes: number = Number.POSITIVE_INFINITY;
  private readonly fields = new FieldEncoder();
  private framed = false;
  private inTrailers = false;
  private ready = false;
  /** Text as bytes. */
  private text: Buffer = Buffer.allocUnsafeSlow(TEXT_BYTES);

  /** Memory with the block at `[FRAME_HEADER_BYTES, blockEnd)`; before it is room for the header of its frame. */
  get out(): Buffer {
    return this.fields.out;
  }

  get blockEnd(): number {
    return this.fields.at;
  }

  get hasFields(): boolean {
    return this.fields.listBytes > 0;
  }

  get tableBytes(): number {
    return this.fields.tableBytes;
  }

  /** For the connection: the peer's HEADER_TABLE_SIZE. */
  limitTable(bytes: number): void {
    this.fields.limitTable(bytes);
  }

  /** A new head, in place of one that was not sent. */
  begin(): void {
    this.fields.begin();
    this.problem = undefined;
    this.framed = false;
    this.inTrailers = false;
    this.ready = false;
  }

  beginTrailers(): void {
    this.begin();
    this.inTrailers = true;
  }

  request({ method, scheme, authority, path, protocol }: RequestTarget): void {
    const tunnel = method === 'CONNECT' && protocol === undefined;
    this.method(method);
    if (!tunnel) this.fields.addStatic(SCHEME_INDEX[scheme]);
    const bytes = this.textOf(authority, 'authority');
    if (!isAuthority(this.text, 0, bytes, tunnel ? 'required' : 'optional')) this.fail('authority');
    this.named(StaticIndex.authority, this.text, 0, bytes);
    if (tunnel) {
      if (path !== '') this.fail('path');
      return;
    }
    this.path(path, method);
    if (protocol !== undefined) this.protocol(protocol, method);
  }

  /** Method, scheme, authority and path of a request that is passed on, of either protocol. An absolute target without path means `/`. */
  requestOf(head: RequestHead, protocol = ''): void {
    const { method, bytes, authorityStart, authorityEnd, pathStart, pathEnd } = head;
    this.method(method);
    if (method !== 'CONNECT' || protocol !== '') this.fields.addStatic(SCHEME_INDEX[head.scheme]);
    if (authorityStart === authorityEnd) this.fail('authority');
    this.named(StaticIndex.authority, bytes, authorityStart, authorityEnd);
    if (method === 'CONNECT' && protocol === '') return;
    if (pathStart === pathEnd && method === 'OPTIONS') this.named(StaticIndex.pathSlash, ASTERISK, 0, 1);
    else if (pathStart === pathEnd) this.fields.addStatic(StaticIndex.pathSlash);
    else if (bytes[pathStart] === SLASH || head.form === 'asterisk') this.pathBytes(bytes, pathStart, pathEnd);
    else this.path(`/${head.path}`, method);
    if (protocol !== '') this.protocol(protocol, method);
  }

  status(status: number): void {
    if (!Number.isInteger(status) || status < 100 || status > 999 || status === 101) return this.fail('status');
    const index = STATUS_INDEX[status];
    if (index !== undefined) return this.fields.addStatic(index);
    this.named(StaticIndex.status, this.text, 0, this.textOf(String(status), 'status'));
  }

  /**
   * All fields of a block, in order, but for those with 1 in `dropped`, what ends at this hop whether it is marked or not, Host (the
   * request says whose it is) and Content-Length. Secrets are kept out of all tables, and what the peer kept out of its own.
   */
  fieldsOf(block: FieldBlock, dropped?: Uint8Array): void {
    if (this.problem !== undefined) return;
    const { bytes, count } = block;
    const sensitive = sensitiveFieldsOf(block);
    for (let index = 0; index < count; index += 1) {
      if (dropped?.[index] === 1 || endsHere(block, index)) continue;
      const nameStart = block.nameStart(index);
      const nameEnd = block.nameEnd(index);
      const keep = sensitive[index] !== 1 && !isSecret(bytes, nameStart, nameEnd);
      this.fields.add(bytes, nameStart, nameEnd, block.valueStart(index), block.valueEnd(index), keep);
    }
  }

  /** One more field; of names that neither frame nor speak of a connection. */
  field(name: string, value: string): void {
    if (this.problem !== undefined) return;
    if (isFramingName(name)) return this.fail('framing-field');
    if (this.inTrailers && FORBIDDEN_TRAILERS.has(name.toLowerCase())) return this.fail('trailer-forbidden');
    const nameBytes = this.textOf(name.toLowerCase(), 'field-name');
    if (this.problem !== undefined) return;
    const end = this.textOf(value, 'field-value', nameBytes);
    if (this.problem !== undefined) return;
    const { text } = this;
    if (text[0] === COLON || judgeName(text, 0, nameBytes) !== 0) return this.fail('field-name');
    if (judgeValue(text, nameBytes, end) !== 0) return this.fail('field-value');
    const kind = fieldKindOf(text, 0, nameBytes);
    if (isConnectionField(kind) || kind === FieldId.host || kind === FieldId.http2Settings)
      return this.fail('connection-field');
    if (kind === FieldId.te && !equalsLower(text, nameBytes, end, 'trailers')) return this.fail('connection-field');
    this.fields.add(text, 0, nameBytes, nameBytes, end, !isSecret(text, 0, nameBytes));
  }

  /** The body has this length; or, where there is none (HEAD, 304), would have. */
  contentLength(length: number): void {
    if (this.framed || this.inTrailers) this.fail('framing-twice');
    this.framed = true;
    if (!Number.isSafeInteger(length) || length < 0) return this.fail('framing-field');
    this.named(StaticIndex.contentLength, this.text, 0, this.textOf(String(length), 'framing-field'));
  }

  /** Ends the head; false when there is a problem. */
  end(): boolean {
    const { listBytes } = this.fields;
    if (listBytes > this.peerListMaxBytes || this.blockEnd > BLOCK_MAX_BYTES) this.fail('section-length');
    this.ready = this.problem === undefined;
    return this.ready;
  }

  /** For the connection: whether there is a head to send. From now on the peer knows of it. */
  take(): boolean {
    if (!this.ready) return false;
    this.ready = false;
    this.fields.sent();
    return true;
  }

  private method(method: string): void {
    this.requestMethod = method;
    const index = METHOD_INDEX[method];
    if (index !== undefined) return this.fields.addStatic(index);
    const bytes = this.textOf(method, 'method');
    if (bytes === 0 || !isAllOf(TOKEN, this.text, 0, bytes)) return this.fail('method');
    this.named(StaticIndex.methodGet, this.text, 0, bytes);
  }

  private path(path: string, method: string): void {
    const bytes = this.textOf(path, 'path');
    const legal = this.text[0] === SLASH || (path === '*' && method === 'OPTIONS');
    if (bytes === 0 || !legal || !isAllOf(TARGET, this.text, 0, bytes)) return this.fail('path');
    this.pathBytes(this.text, 0, bytes);
  }

  private pathBytes(bytes: Buffer, start: number, end: number): void {
    if (end - start === 1 && bytes[start] === SLASH) this.fields.addStatic(StaticIndex.pathSlash);
    else this.named(StaticIndex.pathSlash, bytes, start, end);
  }

  private protocol(protocol: string, method: string): void {
    const { length } = PROTOCOL;
    const end = this.textOf(protocol, 'protocol', length);
    if (method !== 'CONNECT' || protocol === '' || !isAllOf(TOKEN, this.text, length, end))
      return this.fail('protocol');
    PROTOCOL.copy(this.text);
    if (this.problem === undefined) this.fields.add(this.text, 0, length, length, end, true);
  }

  private named(nameIndex: number, bytes: Buffer, start: number, end: number): void {
    if (this.problem === undefined) this.fields.addNamed(nameIndex, bytes, start, end, true);
  }

  /** Puts text of single bytes into our memory, from `at` on; says where it ends. */
  private textOf(text: string, otherwise: EncodeProblem, at = 0): number {
    if (at + text.length > this.text.length) {
      const larger = Buffer.allocUnsafeSlow(2 * (at + text.length));
      this.text.copy(larger, 0, 0, at);
      this.text = larger;
    }
    const { text: bytes } = this;
    for (let i = 0; i < text.length; i += 1) {
      const code = text.charCodeAt(i);
      if (code > 255) this.fail(otherwise);
      bytes[at + i] = code;
    }
    return at + text.length;
  }

  private fail(problem: EncodeProblem): void {
    this.problem ??= problem;
  }
}

/** Whether a field of a received head is not for the next hop, or is said otherwise there. */
function endsHere(block: FieldBlock, index: number): boolean {
  const id = block.id(index);
  switch (id) {
    case FieldId.other:
    case FieldId.expect:
      return false;
    case FieldId.te:
      return !equalsLower(block.bytes, block.valueStart(index), block.valueEnd(index), 'trailers');
    default:
      return true;
  }
}

function isSecret(bytes: Buffer, start: number, end: number): boolean {
  const length = end - start;
  // Lengths of the four.
  if (length !== 6 && length !== 10 && length !== 13 && length !== 19) return false;
  return SECRETS.some((name) => equalsLower(bytes, start, end, name));
}
