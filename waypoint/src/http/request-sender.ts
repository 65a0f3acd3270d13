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
import { markForbiddenTrailers } from '@ambit/mesh/http2';
import { bug } from '@ambit/mesh/runtime';
import type { ClientConnection } from '../upstream/client-connection.ts';
import type { Endpoint } from '../upstream/cluster.ts';
import type { PoolRefusal } from '../upstream/connection-pool.ts';
import type { ConnectionWaiter } from '../upstream/endpoint-pool.ts';
import { CLIENT_CERTIFICATE } from './client-certificate.ts';
import type { LostCall } from './decide-retry.ts';
import { appendEdited, dropEdited, dropNamed } from './header-edits.ts';
import type { KeptRequest } from './kept-request.ts';
import type { Forward } from './pipeline.ts';
import { RequestAttempts } from './request-attempts.ts';
import { createWebsocketKey, WEBSOCKET_KEY } from './websocket.ts';

/** A head larger than what is kept for a second attempt gets memory of its own, up to this. */
export const HEAD_MAX_BYTES: number = 256 * 1024;
/** Trailers as they are written are no longer than as they were read, but for the last chunk before them and the empty line. */
const TRAILERS_MAX_BYTES = DEFAULT_LIMITS.trailersMaxBytes + 16;

/**
 * Sends requests in HTTP/1.1. The beginning of a request is kept, as it is written, until the answer begins, so that it can be sent
 * once more.
 */
export class RequestSender extends RequestAttempts implements ConnectionWaiter {
  #connection: ClientConnection | undefined;
  /** The request from its beginning, unless `replayable` is false: then what is still to be written. */
  #memory: Buffer | undefined;
  #end = 0;
  #sentEnd = 0;
  #reused = false;
  #chunked = false;

  override get call(): ClientConnection | undefined {
    return this.#connection;
  }

  /** Begins a request; the owner may hear that it failed before this returns. `flush` sends what there is. */
  override begin(forward: Forward): void {
    this.forward = forward;
    this.replayable = true;
    this.complete = false;
    this.#sentEnd = 0;
    this.#memory = this.context.replayMemory.take();
    this.#end = this.#writeHead(forward, this.#memory);
    if (this.#end < 0) {
      this.context.replayMemory.give(this.#memory);
      this.#memory = Buffer.allocUnsafeSlow(HEAD_MAX_BYTES);
      this.replayable = false;
      this.#end = this.#writeHead(forward, this.#memory);
    }
    if (this.#end < 0) this.owner.onSendFailed('bad-request');
    else this.next(undefined);
  }

  /**
   * Goes on with a request that another sender has kept whole, at the endpoint that wants it in HTTP/1.1. `attempts` are over; `body`
   * is what has come of it, and null when there is none.
   */
  takeOver(
    from: RequestAttempts,
    { endpoint, attempts }: { readonly endpoint: Endpoint; readonly attempts: number },
    head: KeptRequest,
    body: Buffer | null,
  ): void {
    this.adopt(from, endpoint, attempts);
    const { replayMemory, writer, dropped } = this.context;
    const isComplete = this.complete;
    const bytes = head.http1MaxBytes + (body?.length ?? 0) + CHUNK_OVERHEAD_MAX_BYTES + LAST_CHUNK.length;
    this.#chunked = body !== null && head.contentLength < 0;
    let memory = replayMemory.take();
    if (memory.length < bytes) {
      replayMemory.give(memory);
      memory = Buffer.allocUnsafeSlow(bytes);
    }
    this.#memory = memory;
    this.#end = head.writeHttp1(writer, memory, dropped, this.#chunked);
    if (this.#end < 0) {
      this.owner.onSendFailed('bad-request');
      return;
    }
    if (body !== null && body.length > 0) this.data(body, 0, body.length);
    if (isComplete) this.end();
    this.next(undefined);
  }

  override data(memory: Buffer, start: number, end: number): void {
    const length = end - start;
    if (!this.#makeRoom(length + CHUNK_OVERHEAD_MAX_BYTES)) {
      this.#writeLarge(memory, start, end);
      return;
    }
    const out = this.#memory ?? bug('a body without a head');
    if (this.#chunked) this.#end = writeChunk(out, this.#end, memory, start, end);
    else this.#end += memory.copy(out, this.#end, start, end);
  }

  override trailers(block: FieldBlock): void {
    // HTTP/2 has them behind a body whose length was said, too. In HTTP/1.1 they would be read as the next request.
    if (!this.#chunked) return;
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
    if (ownEnd < 0) this.owner.onSendFailed('bad-request');
    else this.#append(own, 0, ownEnd);
  }

  /** The request is complete. */
  override end(): void {
    if (this.#chunked) this.#append(LAST_CHUNK, 0, LAST_CHUNK.length);
    this.complete = true;
    if (this.#connection !== undefined) this.#connection.requestComplete = true;
    this.flush();
  }

  override flush(): void {
    const connection = this.#connection;
    if (connection === undefined || this.#memory === undefined || this.#sentEnd === this.#end) return;
    const start = this.#sentEnd;
    this.#sentEnd = this.#end;
    if (!connection.write(this.#memory, start, this.#end)) this.owner.onUpstreamBusy();
  }

  /** The answer has begun: nothing will be sent twice. */
  override settle(): void {
    this.replayable = false;
    if (this.complete) this.#giveBack();
  }

  /** The exchange is over; the connection serves others already, or is gone. */
  override finish(): void {
    this.#connection = undefined;
    this.#giveBack();
  }

  onConnection(connection: ClientConnection): void {
    const wasWaiting = this.isWaiting;
    this.isWaiting = false;
    this.#reused = connection.requestCount > 0;
    this.#sentEnd = 0;
    this.#connection = connection;
    connection.start(this.owner, this.request);
    connection.requestComplete = this.complete;
    if (this.attempts > 1 || wasWaiting) this.flush();
    if (wasWaiting) this.owner.onConnected();
  }

  protected override send(endpoint: Endpoint): 'sent' | 'waiting' | PoolRefusal {
    this.#connection = undefined;
    const connection = endpoint.pool.acquire(this);
    if (typeof connection === 'string') return connection;
    this.onConnection(connection);
    return 'sent';
  }

  protected override cancel(endpoint: Endpoint): void {
    endpoint.pool.cancel(this);
  }

  protected override get lost(): LostCall {
    return this.#reused ? 'reused' : 'fresh';
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
    this.replayable = false;
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
    if (this.#connection?.write(memory, start, end) === false) this.owner.onUpstreamBusy();
  }

  /** -1 when there is no room for them. */
  #writeTrailers(block: FieldBlock, memory: Buffer, at: number): number {
    const { writer, dropped } = this.context;
    writer.beginTrailers(memory, at);
    markForbiddenTrailers(block, dropped);
    writer.fieldsOf(block, dropped);
    return writer.end();
  }

  #giveBack(): void {
    if (this.#memory !== undefined) this.context.replayMemory.give(this.#memory);
    this.#memory = undefined;
    this.#end = 0;
    this.#sentEnd = 0;
  }

  /** The host to be said for a request of HTTP/2, or one of HTTP/1.0 without it, that gets none by a rule; null for all others. */
  #missingHost(forward: Forward): string | null {
    const { head, authority, isHttp2 } = this.request;
    if (!isHttp2 && (head.versionMinor === 1 || head.find('host') >= 0)) return null;
    if (forward.requestEdits.dropped.includes('host')) return null;
    return authority === '' ? forward.cluster.service.hostname : authority;
  }

  /** -1 when there is no room for it. */
  #writeHead(forward: Forward, memory: Buffer): number {
    const request = this.request;
    const { head } = request;
    const { writer, dropped } = this.context;
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
    // What is said is the authority, which Host may only repeat.
    if (request.isHttp2) dropNamed(head, dropped, 'host');
    const asksAnew = request.isWebsocket && request.isHttp2;
    if (asksAnew) dropNamed(head, dropped, WEBSOCKET_KEY);
    dropEdited(head, dropped, forward.requestEdits);
    const host = this.#missingHost(forward);
    const forwarded = request.forwardedFields(dropped);
    writer.fieldsOf(head, dropped);
    if (request.upgrade) writer.field('connection', 'Upgrade');
    if (asksAnew) {
      writer.field('upgrade', 'websocket');
      writer.field(WEBSOCKET_KEY, createWebsocketKey());
    }
    if (host !== null) writer.field('host', host);
    if (framing === 'chunked') writer.chunked();
    else if (framing === 'length' || framing === 'empty') writer.contentLength(head.contentLength);
    if ('bytes' in forwarded) writer.encoded(forwarded);
    else for (const [name, value] of forwarded) writer.field(name, value);
    if (!request.hasRequestId) writer.encoded(request.ownRequestIdField);
    appendEdited(writer, forward.requestEdits);
    return writer.end();
  }
}
