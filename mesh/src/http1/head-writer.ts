import { isAuthority } from './authority.ts';
import { CR, FIELD_VALUE, LF, SP, TARGET, TOKEN } from './characters.ts';
import type { FieldBlock } from './field-block.ts';
import { FieldId, FORBIDDEN_TRAILERS, isFramingName, isHostName } from './field-names.ts';
import type { RequestHead, ResponseHead } from './head.ts';

/** Why a head cannot be written. `no-room`: the memory is too small; the others: it would not be one message any more. */
export type WriteProblem =
  | 'no-room'
  | 'method'
  | 'target'
  | 'status'
  | 'reason'
  | 'field-name'
  | 'field-value'
  | 'host'
  | 'framing-field'
  | 'framing-twice'
  | 'trailer-forbidden';

const VERSION_SPACE = 'HTTP/1.1 ';
const REQUEST_LINE_END = ' HTTP/1.1\r\n';
const COLON_SPACE = ': ';
const LINE_END = '\r\n';
const CONTENT_LENGTH = 'content-length: ';
const CHUNKED = 'transfer-encoding: chunked\r\n';
const LAST_CHUNK = '0\r\n';
const ZERO = 48;
/** Up to here a loop is faster than a call that leaves JavaScript. */
const SHORT_BYTES = 32;

/**
 * Writes one head, or the end of a chunked body with trailers, into memory it is given. What it is told as text is checked,
 * since it may come from HTTP/2 or a configuration, where a line end is a character like others. Fields of a received head are
 * copied as they are, neighbours at once. The first problem ends it: nothing more is written, and `end` says -1.
 *
 * Framing is written by `contentLength` or `chunked` and by nothing else: copies leave out what framed the message before.
 */
export class HeadWriter {
  problem: WriteProblem | undefined;
  private out: Buffer = Buffer.alloc(0);
  private at = 0;
  private limit = 0;
  private framed = false;
  private inTrailers = false;

  /** A new head in `[at, limit)` of `out`. */
  begin(out: Buffer, at: number, limit: number = out.length): void {
    this.out = out;
    this.at = at;
    this.limit = limit;
    this.problem = undefined;
    this.framed = false;
    this.inTrailers = false;
  }

  /** The last chunk of a body, and trailers after it. */
  beginTrailers(out: Buffer, at: number, limit: number = out.length): void {
    this.begin(out, at, limit);
    this.inTrailers = true;
    this.literal(LAST_CHUNK);
  }

  requestLine(method: string, target: string): void {
    this.text(method, TOKEN, 'method');
    if (method === '') this.fail('method');
    this.literal(' ');
    this.text(target, TARGET, 'target');
    if (target === '') this.fail('target');
    this.literal(REQUEST_LINE_END);
  }

  /** The method and the target of a request that is passed on. */
  requestLineOf(head: RequestHead): void {
    this.text(head.method, TOKEN, 'method');
    this.literal(' ');
    this.copy(head.bytes, head.targetStart, head.targetEnd);
    this.literal(REQUEST_LINE_END);
  }

  statusLine(status: number, reason: string): void {
    if (!Number.isInteger(status) || status < 100 || status > 999) this.fail('status');
    this.literal(VERSION_SPACE);
    this.decimal(status);
    this.literal(' ');
    this.text(reason, FIELD_VALUE, 'reason');
    this.literal(LINE_END);
  }

  /** The status and reason of a response that is passed on. */
  statusLineOf(head: ResponseHead): void {
    this.statusLine(head.status, '');
    if (this.problem !== undefined) return;
    this.at -= LINE_END.length;
    this.copy(head.bytes, head.reasonStart, head.reasonEnd);
    this.literal(LINE_END);
  }

  /** All fields of a block, in order and as they are, but for those with 1 in `dropped` and those of framing. */
  fieldsOf(block: FieldBlock, dropped?: Uint8Array): void {
    const { bytes, count } = block;
    let runStart = 0;
    let runEnd = 0;
    for (let index = 0; index < count; index += 1) {
      const id = block.id(index);
      if (dropped?.[index] === 1 || id === FieldId.contentLength || id === FieldId.transferEncoding) continue;
      const start = block.nameStart(index);
      if (start !== runEnd) {
        this.copy(bytes, runStart, runEnd);
        runStart = start;
      }
      runEnd = block.valueEnd(index) + LINE_END.length;
      if (isPlain(block, index)) continue;
      this.copy(bytes, runStart, block.nameEnd(index));
      this.literal(COLON_SPACE);
      this.copy(bytes, block.valueStart(index), block.valueEnd(index));
      this.literal(LINE_END);
      runStart = 0;
      runEnd = 0;
    }
    this.copy(bytes, runStart, runEnd);
  }

  /** One more field; of names that do not frame. Host must be one that would be read again. */
  field(name: string, value: string): void {
    if (isFramingName(name)) this.fail('framing-field');
    if (this.inTrailers && FORBIDDEN_TRAILERS.has(name.toLowerCase())) this.fail('trailer-forbidden');
    if (name === '') this.fail('field-name');
    this.text(name, TOKEN, 'field-name');
    this.literal(COLON_SPACE);
    const valueStart = this.at;
    this.text(value, FIELD_VALUE, 'field-value');
    if (isHostName(name) && !isAuthority(this.out, valueStart, this.at, 'optional')) this.fail('host');
    this.literal(LINE_END);
  }

  /** Fields from `encodeFields`; of a head, since what may be a trailer is not asked. */
  encoded(fields: EncodedFields): void {
    const { bytes } = fields;
    if (this.problem !== undefined) return;
    if (this.at + bytes.length > this.limit) return this.fail('no-room');
    // All of a view: a third of what a part of it costs to copy.
    this.out.set(bytes, this.at);
    this.at += bytes.length;
  }

  /** The body has this length; or, where there is none (HEAD, 304), would have. */
  contentLength(length: number): void {
    this.frame();
    if (!Number.isSafeInteger(length) || length < 0) this.fail('framing-field');
    this.literal(CONTENT_LENGTH);
    this.decimal(length);
    this.literal(LINE_END);
  }

  chunked(): void {
    this.frame();
    this.literal(CHUNKED);
  }

  /** Ends the head; says where in the memory, or -1 when there is a problem. */
  end(): number {
    this.literal(LINE_END);
    return this.problem === undefined ? this.at : -1;
  }

  private frame(): void {
    if (this.framed || this.inTrailers) this.fail('framing-twice');
    this.framed = true;
  }

  private copy(bytes: Buffer, start: number, end: number): void {
    if (this.problem !== undefined || start === end) return;
    const length = end - start;
    if (this.at + length > this.limit) return this.fail('no-room');
    if (length > SHORT_BYTES) {
      this.at += bytes.copy(this.out, this.at, start, end);
      return;
    }
    const { out, at } = this;
    for (let i = 0; i < length; i += 1) out[at + i] = bytes[start + i] ?? 0;
    this.at = at + length;
  }

  /** Text of ours. */
  private literal(text: string): void {
    if (this.problem !== undefined) return;
    if (this.at + text.length > this.limit) return this.fail('no-room');
    const { out } = this;
    let { at } = this;
    for (let i = 0; i < text.length; i += 1, at += 1) out[at] = text.charCodeAt(i);
    this.at = at;
  }

  /** A whole number, not negative. */
  private decimal(value: number): void {
    if (this.problem !== undefined) return;
    let digits = 1;
    for (let power = 10; power <= value; power *= 10) digits += 1;
    if (this.at + digits > this.limit) return this.fail('no-room');
    let rest = value;
    for (let at = this.at + digits - 1; at >= this.at; at -= 1) {
      const tenth = Math.floor(rest / 10);
      this.out[at] = ZERO + (rest - tenth * 10);
      rest = tenth;
    }
    this.at += digits;
  }

  /** Text of somebody else's. */
  private text(text: string, allowed: Uint8Array, otherwise: WriteProblem): void {
    if (this.problem !== undefined) return;
    if (this.at + text.length > this.limit) return this.fail('no-room');
    const { out } = this;
    let { at } = this;
    for (let i = 0; i < text.length; i += 1, at += 1) {
      const code = text.charCodeAt(i);
      if (code > 255 || allowed[code] !== 1) return this.fail(otherwise);
      out[at] = code;
    }
    this.at = at;
  }

  private fail(problem: WriteProblem): void {
    this.problem ??= problem;
  }
}

/** Whether a field line is `name: value` or `name:value` with no other white space, so that it may be copied as it is. */
function isPlain(block: FieldBlock, index: number): boolean {
  const { bytes } = block;
  const nameEnd = block.nameEnd(index);
  const space = block.valueStart(index) - nameEnd - 1;
  if (space > 1 || (space === 1 && bytes[nameEnd + 1] !== SP)) return false;
  const end = block.valueEnd(index);
  return bytes[end] === CR && bytes[end + 1] === LF;
}

/** Fields that many heads get, made once. */
export interface EncodedFields {
  readonly bytes: Buffer;
}

/** Encodes fields, or says what is wrong with the first that cannot be sent. */
export function encodeFields(
  fields: readonly (readonly [name: string, value: string])[],
): EncodedFields | WriteProblem {
  const size = fields.reduce((sum, [name, value]) => sum + name.length + value.length + 4, LINE_END.length);
  const memory = Buffer.alloc(size);
  const writer = new HeadWriter();
  writer.begin(memory, 0);
  for (const [name, value] of fields) writer.field(name, value);
  const end = writer.end();
  return writer.problem ?? { bytes: memory.subarray(0, end - LINE_END.length) };
}
