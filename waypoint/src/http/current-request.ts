import { type EncodedFields, encodeFields, type FieldBlock, type RequestHead } from '@ambit/mesh/http1';
import { copyFields, fieldBlockOf, Http2RequestHead } from '@ambit/mesh/http2';
import { type NormalPath, normalisePath } from '@ambit/mesh/model';
import { parseGrpcTimeoutMs } from '@ambit/mesh/routes';
import { bug } from '@ambit/mesh/runtime';
import type { AccessVerdict } from '@ambit/mesh/policies';
import { CLIENT_CERTIFICATE } from './client-certificate.ts';
import type { HttpVersion } from './exchange-facts.ts';
import type { Caller, RequestView } from './pipeline.ts';
import { OwnRequestId, type WriteRequestId } from './request-ids.ts';
import { asksForWebsocket, WEBSOCKET_KEY } from './websocket.ts';

const REQUEST_ID = 'x-request-id';
const FORWARDED_FOR = 'x-forwarded-for';
const FORWARDED_PROTO = 'x-forwarded-proto';
const GRPC = 'application/grpc';
const PLUS = 43;
const SEMICOLON = 59;
const NO_PATH: NormalPath = pathOf('/');

/**
 * The request that a connection is at, in texts that outlive its head. One object per connection, filled again for each
 * request.
 */
export class CurrentRequest implements RequestView {
  readonly head: RequestHead;
  readonly caller: Caller;
  /** The client speaks HTTP/2. */
  readonly isHttp2: boolean;
  method = '';
  authority = '';
  host = '';
  path: NormalPath = NO_PATH;
  query = '';
  /** Path and query as they came. */
  target = '';
  userAgent = '';
  access: AccessVerdict | null = null;
  /** An upgrade that may be passed on; what a response reader needs to know, like `method`. */
  upgrade = false;
  /** That upgrade is a WebSocket, which HTTP/2 has too. One that was asked for in HTTP/2 is a GET for everybody beyond the connection. */
  isWebsocket = false;
  /** What a client of HTTP/1.1 wants to see proof of. */
  websocketKey = '';
  /** The request line must be written anew: its target has another form, or is not in normal form, or its method is another one. */
  rewritten = false;
  /** None of ours is needed. */
  hasRequestId = true;
  /** There may be more of the request than its head. */
  hasBody = false;
  /** A call of gRPC, which is answered in its trailers. */
  isGrpc = false;
  readonly #forwarded: EncodedFields;
  /** The same for HTTP/2. */
  #forwardedBlock: FieldBlock | undefined;
  /** Of an upgrade, which lives longer than the memory of its head: it may be asked about again. */
  #kept: FieldBlock | undefined;
  /** `head`, when HTTP/2 brings it. */
  readonly #http2Head: Http2RequestHead | undefined;
  readonly #ownId: OwnRequestId;
  /** The path of `target`; whether it has a normal form, which is `path` then. */
  #rawPath = '';
  #hasPath = false;
  /** Null as long as nobody has asked for the text of ours. */
  #requestId: string | null = '';

  constructor(head: RequestHead, caller: Caller, writeRequestId: WriteRequestId) {
    this.head = head;
    this.#http2Head = head instanceof Http2RequestHead ? head : undefined;
    this.isHttp2 = this.#http2Head !== undefined;
    this.caller = caller;
    this.#ownId = new OwnRequestId(writeRequestId);
    const fields = encodeFields(forwardedBy(caller));
    this.#forwarded = typeof fields === 'string' ? bug('an address is no header value') : fields;
  }

  get protocol(): HttpVersion {
    if (this.isHttp2) return 'HTTP/2';
    return this.head.versionMinor === 0 ? 'HTTP/1.0' : 'HTTP/1.1';
  }

  /** Of the client, or ours. */
  get requestId(): string {
    this.#requestId ??= this.#ownId.toString();
    return this.#requestId;
  }

  /** In bytes, when it is ours. */
  get ownRequestId(): Uint8Array | null {
    return this.hasRequestId ? null : this.#ownId.bytes;
  }

  /** The field that tells of ours. */
  get ownRequestIdField(): EncodedFields {
    return this.#ownId.field;
  }

  /** How long the client waits, as gRPC says it; null when it does not say. Asked as long as its head is there. */
  get grpcTimeoutMs(): number | null {
    const text = this.isGrpc ? this.header('grpc-timeout') : null;
    return text === null ? null : parseGrpcTimeoutMs(text);
  }

  /** It asks in HTTP/2 for another protocol than those that are passed on. Asked as long as its head is there. */
  get asksForOther(): boolean {
    return this.#asksForProtocol && !this.isWebsocket;
  }

  /** Reads the head that has just come. False: servers may read its path in several ways. */
  read(): boolean {
    const { head } = this;
    this.access = null;
    this.isWebsocket = (head.upgrade || this.#asksForProtocol) && asksForWebsocket(head);
    this.method = this.isWebsocket ? 'GET' : head.method;
    // A connection's requests mostly name the same host and client: then no text is made.
    if (!head.authorityIs(this.authority)) {
      this.authority = head.authority;
      this.host = hostOf(this.authority);
    }
    this.upgrade = this.isWebsocket || (head.upgrade && !upgradesToHttp2(head));
    this.#kept = this.upgrade ? copyFields(head) : undefined;
    this.websocketKey = this.isWebsocket && !this.isHttp2 ? (this.header(WEBSOCKET_KEY) ?? '') : '';
    this.hasBody = head.framing !== 'none';
    this.isGrpc = this.isHttp2 && isGrpc(head);
    const id = head.find(REQUEST_ID);
    this.hasRequestId = id >= 0;
    this.#requestId = id >= 0 ? head.value(id) : null;
    if (id < 0) this.#ownId.renew();
    const agent = head.find('user-agent');
    if (agent < 0) this.userAgent = '';
    else if (!head.valueIs(agent, this.userAgent)) this.userAgent = head.value(agent);
    return this.#readPath();
  }

  /** What comes is no request that could be read. */
  forget(): void {
    this.access = null;
    this.method = '';
    this.authority = '';
    this.host = '';
    this.target = '';
    this.#requestId = '';
    this.hasRequestId = true;
    this.userAgent = '';
    this.upgrade = false;
    this.#kept = undefined;
    this.isWebsocket = false;
    this.hasBody = true;
    this.isGrpc = false;
  }

  header(name: string): string | null {
    if (name === 'host') return this.authority;
    const head = this.#fields;
    let index = head.find(name);
    if (index < 0) return null;
    let value = head.value(index);
    for (index = head.find(name, index + 1); index >= 0; index = head.find(name, index + 1)) {
      value += `, ${head.value(index)}`;
    }
    return value;
  }

  headerIs(name: string, text: string): boolean {
    if (name === 'host') return this.authority === text;
    const head = this.#fields;
    const index = head.find(name);
    if (index < 0) return false;
    // With further lines it is all of them together.
    return head.find(name, index + 1) < 0 ? head.valueIs(index, text) : this.header(name) === text;
  }

  lines(name: string): readonly string[] {
    if (name === 'host') return [this.authority];
    const head = this.#fields;
    const lines: string[] = [];
    for (let index = head.find(name); index >= 0; index = head.find(name, index + 1)) lines.push(head.value(index));
    return lines;
  }

  /** The target that is sent to the server, in origin form. */
  targetFor(path: NormalPath): string {
    return this.query === '' ? path : `${path}?${this.query}`;
  }

  /** What we say about where the request comes from; `dropped` gets what is replaced by it. */
  forwardedFields(dropped: Uint8Array): readonly (readonly [string, string])[] | EncodedFields {
    const { head } = this;
    const hasProto = head.find(FORWARDED_PROTO) >= 0;
    const addresses = this.header(FORWARDED_FOR);
    if (addresses === null && !hasProto) return this.#forwarded;
    for (let index = head.find(FORWARDED_FOR); index >= 0; index = head.find(FORWARDED_FOR, index + 1)) {
      dropped[index] = 1;
    }
    const { address } = this.caller;
    const all = addresses === null || addresses === '' ? address : `${addresses}, ${address}`;
    return forwardedBy(this.caller, all, hasProto);
  }

  /** `forwardedFields` for HTTP/2. */
  forwardedBlock(dropped: Uint8Array): FieldBlock {
    const fields = this.forwardedFields(dropped);
    if (!('bytes' in fields)) return fieldBlockOf(fields);
    this.#forwardedBlock ??= fieldBlockOf(forwardedBy(this.caller));
    return this.#forwardedBlock;
  }

  get #fields(): FieldBlock {
    return this.#kept ?? this.head;
  }

  get #asksForProtocol(): boolean {
    return this.#http2Head !== undefined && this.#http2Head.protocol !== '';
  }

  #readPath(): boolean {
    const { head } = this;
    // Many clients ask for the same again and again. What an empty target means depends on more than itself.
    if (!head.pathIs(this.target) || this.target === '') this.#normalise(head);
    this.rewritten = head.form === 'absolute' || this.path !== this.#rawPath || this.method !== head.method;
    return this.#hasPath;
  }

  #normalise(head: RequestHead): void {
    const target = head.path;
    const mark = target.indexOf('?');
    const raw = mark < 0 ? target : target.slice(0, mark);
    this.target = target;
    this.query = mark < 0 ? '' : target.slice(mark + 1);
    const text = raw === '' ? (head.method === 'OPTIONS' && mark < 0 ? '*' : '/') : raw;
    const normal = normalisePath(text);
    this.#rawPath = raw;
    this.#hasPath = normal.kind === 'path';
    if (normal.kind === 'path') this.path = normal.path;
  }
}

/** `addresses`: all that the request has come from; `hasProto`: somebody has said how. */
function forwardedBy(
  { address, certificate }: Caller,
  addresses = address,
  hasProto = false,
): readonly (readonly [string, string])[] {
  const fields: (readonly [string, string])[] = [[FORWARDED_FOR, addresses]];
  if (!hasProto) fields.push([FORWARDED_PROTO, 'http']);
  if (certificate !== undefined) fields.push([CLIENT_CERTIFICATE, certificate]);
  return fields;
}

/** `application/grpc`, with or without a message format; gRPC-Web is something else. */
function isGrpc(head: RequestHead): boolean {
  const index = head.find('content-type');
  if (index < 0 || head.method !== 'POST') return false;
  const start = head.valueStart(index);
  const end = head.valueEnd(index);
  if (end - start < GRPC.length || head.bytes.toString('latin1', start, start + GRPC.length).toLowerCase() !== GRPC)
    return false;
  const next = head.bytes[start + GRPC.length];
  return end - start === GRPC.length || next === PLUS || next === SEMICOLON;
}

function pathOf(text: string): NormalPath {
  const normal = normalisePath(text);
  return normal.kind === 'path' ? normal.path : bug('not a path');
}

/** Lower case, without a port. */
function hostOf(authority: string): string {
  const colon = authority.lastIndexOf(':');
  const hasPort = colon > 0 && !authority.endsWith(']');
  return (hasPort ? authority.slice(0, colon) : authority).toLowerCase();
}

/** An upgrade to HTTP/2 would carry requests past us that nobody has looked at. */
function upgradesToHttp2(head: RequestHead): boolean {
  for (let index = head.find('upgrade'); index >= 0; index = head.find('upgrade', index + 1)) {
    if (head.value(index).toLowerCase().includes('h2c')) return true;
  }
  return false;
}
