import {
  CHUNK_OVERHEAD_MAX_BYTES,
  decideExpect,
  decideRequestFraming,
  DEFAULT_LIMITS,
  type FieldBlock,
  LAST_CHUNK,
  markHopByHop,
  writeChunk,
} from '@ambit/mesh/http1';
import { bug } from '@ambit/mesh/runtime';
import type { ClientConnection } from '../upstream/client-connection.ts';
import type { Endpoint } from '../upstream/cluster.ts';
import type { ConnectionWaiter } from '../upstream/endpoint-pool.ts';
import type { CurrentRequest } from './current-request.ts';
import { isRepeatable } from './decide-retry.ts';
import type { ResponseSink } from './exchange-facts.ts';
import type { FailureReason } from './failures.ts';
import { appendEdited, dropEdited, dropNamed } from './header-edits.ts';
import type { Forward } from './pipeline.ts';
import type { WorkerContext } from './worker-context.ts';

/** What a sender tells the connection whose request it sends. */
export interface SenderOwner extends ResponseSink {
  /** There is a connection, later than when it was asked for: the body may follow. */
  onConnected(): void;
  /** Nobody will get the request. */
  onSendFailed(reason: FailureReason): void;
  /** The server takes no more for now; `onUpstreamDrain` follows. */
  onUpstreamBusy(): void;
}

/** Says who the client is, to servers that believe it: from us or from nobody. */
const CLIENT_CERTIFICATE = 'x-forwarded-client-cert';
/** A head larger than what is kept for a second attempt gets memory of its own, up to this. */
const HEAD_MAX_BYTES = 256 * 1024;
/** Trailers as they are written are no longer than as they were read, but for the last chunk before them and the empty line. */
const TRAILERS_MAX_BYTES = DEFAULT_LIMITS.trailersMaxBytes + 16;

/**
 * Sends the request that a connection is at to an endpoint of its cluster. The beginning of the request is kept until the answer
 * begins, so that it can be sent once more: to another endpoint when nothing has been sent, to another connection when one that
 * had been used before was closed by its server meanwhile, if the request does no harm twice (RFC 9110 9.2.2).
 */
export class RequestSender implements ConnectionWaiter {
  readonly #context: WorkerContext;
  readonly #owner: SenderOwner;
  readonly #request: CurrentRequest;
  #forward: Forward | undefined;
  #connection: ClientConnection | undefined;
  #endpoint: Endpoint | undefined;
  #waiting = false;
  #attempts = 0;
  /** The request from its beginning, unless `replayable` is false: then what is still to be written. */
  #memory: Buffer | undefined;
  #end = 0;
  #sentEnd = 0;
  #replayable = true;
  #reused = false;
  #chunked = false;
  #complete = false;

  constructor(context: WorkerContext, owner: SenderOwner, request: CurrentRequest) {
    this.#context = context;
    this.#owner = owner;
    this.#request = request;
  }

  get connection(): ClientConnection | undefined {
    return this.#connection;
  }

  get endpoint(): Endpoint | undefined {
    return this.#endpoint;
  }

  get attempts(): number {
    return this.#attempts;
  }

  get isWaiting(): boolean {
    return this.#waiting;
  }

  /** Forgets the last request, before the next one is known to be sent. */
  reset(): void {
    this.#endpoint = undefined;
    this.#attempts = 0;
  }

  /** Begins a request; the owner may hear that it failed before this returns. `flush` sends what there is. */
  begin(forward: Forward): void {
    this.#forward = forward;
    this.#replayable = true;
    this.#complete = false;
    this.#sentEnd = 0;
    this.#memory = this.#context.replayMemory.take();
    this.#end = this.#writeHead(forward, this.#memory);
    if (this.#end < 0) {
      this.#context.replayMemory.give(this.#memory);
      this.#memory = Buffer.allocUnsafeSlow(HEAD_MAX_BYTES);
      this.#replayable = false;
      this.#end = this.#writeHead(forward, this.#memory);
    }
    if (this.#end < 0) this.#owner.onSendFailed('bad-request');
    else this.#next(undefined);
  }

  data(memory: Buffer, start: number, end: number): void {
    const length = end - start;
    if (!this.#makeRoom(length + CHUNK_OVERHEAD_MAX_BYTES)) {
      this.#writeLarge(memory, start, end);
      return;
    }
    const out = this.#memory ?? bug('a body without a head');
    if (this.#chunked) this.#end = writeChunk(out, this.#end, memory, start, end);
    else this.#end += memory.copy(out, this.#end, start, end);
  }

  trailers(block: FieldBlock): void {
    this.#chunked = false;
    const out = this.#memory ?? bug('trailers without a head');
    const end = this.#writeTrailers(block, out, this.#end);
    if (end >= 0) {
      this.#end = end;
      return;
    }
    // They do not fit behind what is kept.
    const own = Buffer.allocUnsafeSlow(TRAILERS_MAX_BYTES);
    const ownEnd = this.#writeTrailers(block, own, 0);
    if (ownEnd < 0) this.#owner.onSendFailed('bad-request');
    else this.#append(own, 0, ownEnd);
  }

  /** The request is complete. */
  end(): void {
    if (this.#chunked) this.#append(LAST_CHUNK, 0, LAST_CHUNK.length);
    this.#complete = true;
    if (this.#connection !== undefined) this.#connection.requestComplete = true;
    this.flush();
  }

  flush(): void {
    const connection = this.#connection;
    if (connection === undefined || this.#memory === undefined || this.#sentEnd === this.#end) return;
    const start = this.#sentEnd;
    this.#sentEnd = this.#end;
    if (!connection.write(this.#memory, start, this.#end)) this.#owner.onUpstreamBusy();
  }

  /** The connection failed before an answer. True: the request is under way again, and the owner will hear of it as before. */
  retry(): boolean {
    this.#connection = undefined;
    const may = this.#replayable && this.#reused && isRepeatable(this.#request.method);
    if (!may || this.#attempts >= this.#context.limits.attemptsMax) return false;
    this.#next(undefined);
    return true;
  }

  /** The answer has begun: nothing will be sent twice. */
  settle(): void {
    this.#replayable = false;
    if (this.#complete) this.#giveBack();
  }

  /** The exchange is over; the connection serves others already, or is gone. */
  finish(): void {
    this.#connection = undefined;
    this.#giveBack();
  }

  /** Nobody wants an answer any more. */
  abandon(): void {
    if (this.#waiting) this.#endpoint?.pool.cancel(this);
    this.#waiting = false;
    this.#connection?.abandon();
    this.finish();
  }

  onConnection(connection: ClientConnection): void {
    const wasWaiting = this.#waiting;
    this.#waiting = false;
    this.#reused = connection.requestCount > 0;
    this.#sentEnd = 0;
    this.#connection = connection;
    connection.start(this.#owner, this.#request);
    connection.requestComplete = this.#complete;
    if (this.#attempts > 1 || wasWaiting) this.flush();
    if (wasWaiting) this.#owner.onConnected();
  }

  onNoConnection(): void {
    this.#waiting = false;
    // Nothing was sent, so any request may go elsewhere.
    if (this.#attempts < this.#context.limits.attemptsMax) this.#next(this.#endpoint);
    else this.#owner.onSendFailed('connect');
  }

  #next(except: Endpoint | undefined): void {
    const endpoint = this.#forward?.cluster.pick(except);
    if (endpoint === undefined) {
      this.#owner.onSendFailed('no-endpoint');
      return;
    }
    this.#endpoint = endpoint;
    this.#attempts += 1;
    const connection = endpoint.pool.acquire(this);
    if (connection === 'waiting') this.#waiting = true;
    else if (connection === 'overload') this.#owner.onSendFailed('overload');
    else this.onConnection(connection);
  }

  #append(memory: Buffer, start: number, end: number): void {
    if (this.#makeRoom(end - start)) {
      this.#end += memory.copy(this.#memory ?? memory, this.#end, start, end);
    } else this.#write(memory, start, end);
  }

  /** False: what comes does not fit, is not kept, and must be written by itself; what came before has been. */
  #makeRoom(bytes: number): boolean {
    const out = this.#memory ?? bug('a body without a head');
    if (this.#end + bytes <= out.length) return true;
    this.flush();
    this.#replayable = false;
    this.#end = 0;
    this.#sentEnd = 0;
    return bytes <= out.length;
  }

  #writeLarge(memory: Buffer, start: number, end: number): void {
    if (!this.#chunked) {
      this.#write(memory, start, end);
      return;
    }
    // In pieces that fit with their framing: a chunk of any size may be sent as several.
    const out = this.#memory ?? bug('a body without a head');
    const piece = out.length - CHUNK_OVERHEAD_MAX_BYTES;
    for (let at = start; at < end; at += piece) {
      const to = writeChunk(out, 0, memory, at, Math.min(end, at + piece));
      this.#write(out, 0, to);
    }
  }

  #write(memory: Buffer, start: number, end: number): void {
    if (this.#connection?.write(memory, start, end) === false) this.#owner.onUpstreamBusy();
  }

  /** -1 when there is no room for them. */
  #writeTrailers(block: FieldBlock, memory: Buffer, at: number): number {
    const { writer } = this.#context;
    writer.beginTrailers(memory, at);
    writer.fieldsOf(block);
    return writer.end();
  }

  #giveBack(): void {
    if (this.#memory !== undefined) this.#context.replayMemory.give(this.#memory);
    this.#memory = undefined;
    this.#end = 0;
    this.#sentEnd = 0;
  }

  /** The host to be said for a request of HTTP/1.0 that has no Host and gets none by a rule; null for all others. */
  #missingHost(forward: Forward): string | null {
    const { head, authority } = this.#request;
    if (head.versionMinor === 1 || head.find('host') >= 0) return null;
    if (forward.requestEdits.dropped.includes('host')) return null;
    return authority === '' ? forward.cluster.service.hostname : authority;
  }

  /** -1 when there is no room for it. */
  #writeHead(forward: Forward, memory: Buffer): number {
    const request = this.#request;
    const { head } = request;
    const { writer, dropped } = this.#context;
    const framing = decideRequestFraming(head);
    this.#chunked = framing === 'chunked';
    writer.begin(memory, 0);
    if (forward.path !== null || request.rewritten) {
      writer.requestLine(request.method, request.targetFor(forward.path ?? request.path));
    } else writer.requestLineOf(head);
    markHopByHop(head, dropped, request.upgrade ? 'pass-on' : 'drop');
    if (head.expect !== 'none' && decideExpect(head, undefined) === 'none') dropNamed(head, dropped, 'expect');
    // Whoever trusts it takes it for ours.
    dropNamed(head, dropped, CLIENT_CERTIFICATE);
    dropEdited(head, dropped, forward.requestEdits);
    const host = this.#missingHost(forward);
    const forwarded = request.forwardedFields(dropped);
    writer.fieldsOf(head, dropped);
    if (request.upgrade) writer.field('connection', 'Upgrade');
    if (host !== null) writer.field('host', host);
    if (framing === 'chunked') writer.chunked();
    else if (framing === 'length' || framing === 'empty') writer.contentLength(head.contentLength);
    if ('bytes' in forwarded) writer.encoded(forwarded);
    else for (const [name, value] of forwarded) writer.field(name, value);
    if (!request.hasRequestId) writer.field('x-request-id', request.requestId);
    appendEdited(writer, forward.requestEdits);
    return writer.end();
  }
}
