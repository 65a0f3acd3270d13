import type { FieldBlock, HeadWriter } from '@ambit/mesh/http1';
import { type HeadEncoder, keepFields, KeptFields, type RequestTarget } from '@ambit/mesh/http2';
import { dropNamed } from './header-edits.ts';

/** No block that is passed on has more. */
const FIELDS_MAX = 256;
/** Of a request line, the name of Host and a field for framing. */
const HTTP1_OVERHEAD_BYTES = 128;
const NONE_DROPPED: Uint8Array = new Uint8Array(FIELDS_MAX);

/**
 * The head of a request in memory that outlives where it came from, to be sent in HTTP/2 as often as it takes: its table makes every
 * connection write it anew. Used again for one request after the other.
 */
export class KeptRequest {
  method = '';
  authority = '';
  path = '';
  /** The body has this length; -1: it has none that is said. */
  contentLength = -1;
  /** It asks for a WebSocket by an extended CONNECT, whatever `method` says. */
  isWebsocket = false;
  readonly #fields = new KeptFields();
  #at = 0;

  constructor() {
    this.#fields.sensitive = new Uint8Array(FIELDS_MAX);
  }

  /** Where the head ends in its memory; -1: there was no room for it. */
  get end(): number {
    return this.#at;
  }

  /** A new head, from the beginning of `memory` on. */
  begin(memory: Buffer): void {
    const { sensitive } = this.#fields;
    this.#fields.clear();
    this.#fields.bytes = memory;
    sensitive.fill(0);
    this.#at = 0;
  }

  /** All fields of a block but for those with 1 in `dropped`. */
  fieldsOf(block: FieldBlock, dropped: Uint8Array = NONE_DROPPED): void {
    if (this.#at >= 0) this.#at = keepFields(block, dropped, this.#fields, this.#at);
  }

  field(name: string, value: string): void {
    const fields = this.#fields;
    const start = this.#at;
    const bytes = name.length + value.length + 4;
    if (start < 0 || start + bytes > fields.bytes.length) {
      this.#at = -1;
      return;
    }
    this.#at = start + fields.bytes.write(`${name}: ${value}\r\n`, start, 'latin1');
    const valueStart = start + name.length + 2;
    fields.add(start, start + name.length, valueStart, valueStart + value.length);
  }

  /** Writes it in HTTP/1.1 from the beginning of `memory` on; says where it ends, or -1 when there is no room for it. */
  writeHttp1(writer: HeadWriter, memory: Buffer, dropped: Uint8Array, chunked: boolean): number {
    const fields = this.#fields;
    writer.begin(memory, 0);
    writer.requestLine(this.method, this.path);
    writer.field('host', this.authority);
    dropped.fill(0, 0, fields.count);
    dropNamed(fields, dropped, 'host');
    writer.fieldsOf(fields, dropped);
    if (chunked) writer.chunked();
    else if (this.contentLength >= 0) writer.contentLength(this.contentLength);
    return writer.end();
  }

  /** No more than what it takes in HTTP/1.1. */
  get http1MaxBytes(): number {
    return this.#at + this.method.length + this.path.length + this.authority.length + HTTP1_OVERHEAD_BYTES;
  }

  /** False when it is no head that the peer would take. */
  encode(head: HeadEncoder): boolean {
    head.begin();
    const { method, authority, path, isWebsocket } = this;
    const target: RequestTarget = isWebsocket
      ? { method: 'CONNECT', scheme: 'http', authority, path, protocol: 'websocket' }
      : { method, scheme: 'http', authority, path };
    head.request(target);
    head.fieldsOf(this.#fields);
    if (this.contentLength >= 0) head.contentLength(this.contentLength);
    return head.end();
  }
}
