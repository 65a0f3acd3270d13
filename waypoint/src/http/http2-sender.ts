import { decideExpect, type FieldBlock, markHopByHop } from '@ambit/mesh/http1';
import { markForbiddenTrailers } from '@ambit/mesh/http2';
import { bug } from '@ambit/mesh/runtime';
import type { Endpoint } from '../upstream/cluster.ts';
import type { PoolRefusal } from '../upstream/connection-pool.ts';
import type { Http2Call } from '../upstream/http2-call.ts';
import type { Http2Connection } from '../upstream/http2-connection.ts';
import type { Http2Waiter } from '../upstream/http2-pool.ts';
import { CLIENT_CERTIFICATE } from './client-certificate.ts';
import type { CurrentRequest } from './current-request.ts';
import type { LostCall } from './decide-retry.ts';
import { dropEdited, dropNamed } from './header-edits.ts';
import { KeptRequest } from './kept-request.ts';
import type { Forward } from './pipeline.ts';
import { RequestAttempts } from './request-attempts.ts';
import { HEAD_MAX_BYTES, RequestSender } from './request-sender.ts';
import { WEBSOCKET_KEY } from './websocket.ts';

const BODY_METHODS: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH']);

/**
 * Sends requests in HTTP/2. The head of a request is kept, and the beginning of its body behind it, until the answer begins, so that
 * it can be sent once more.
 */
export class Http2Sender extends RequestAttempts implements Http2Waiter {
  readonly #head = new KeptRequest();
  #call: Http2Call | undefined;
  /** Has taken the request over. */
  #http1: RequestSender | undefined;
  /** The head, unless it has memory of its own, and the body from `#start` on. */
  #memory: Buffer | undefined;
  #start = 0;
  #end = 0;
  #sentEnd = 0;
  /** There is neither body nor trailers. */
  #headOnly = false;
  needsSettings = false;

  override get call(): Http2Call | undefined {
    return this.#call;
  }

  override begin(forward: Forward): void {
    const { isWebsocket, isHttp2, websocketKey } = this.request;
    if (isWebsocket && !isHttp2 && websocketKey === '') {
      this.owner.onSendFailed('bad-request');
      return;
    }
    this.forward = forward;
    this.#http1 = undefined;
    this.needsSettings = isWebsocket;
    this.replayable = true;
    this.complete = false;
    this.#memory = this.context.replayMemory.take();
    this.#keepHead(forward, this.#memory);
    this.#start = this.#head.end;
    if (this.#start < 0) {
      this.#keepHead(forward, Buffer.allocUnsafeSlow(HEAD_MAX_BYTES));
      this.#start = 0;
    }
    this.#end = this.#start;
    this.#sentEnd = this.#start;
    if (this.#head.end < 0) this.owner.onSendFailed('bad-request');
    else this.next(undefined);
  }

  override data(memory: Buffer, start: number, end: number): void {
    const out = this.#memory;
    const bytes = end - start;
    if (out !== undefined && this.#end + bytes <= out.length) {
      this.#end += memory.copy(out, this.#end, start, end);
      return;
    }
    this.flush();
    this.replayable = false;
    if (this.#call?.write(memory, start, end) === false) this.owner.onUpstreamBusy();
  }

  override trailers(block: FieldBlock): void {
    this.flush();
    this.replayable = false;
    const { dropped } = this.context;
    if (markForbiddenTrailers(block, dropped) > 0) this.#call?.writeTrailers(block, dropped);
  }

  override end(): void {
    this.complete = true;
    this.flush();
  }

  override flush(): void {
    const call = this.#call;
    if (call === undefined) return;
    const start = this.#sentEnd;
    this.#sentEnd = this.#end;
    const isLast = this.complete && !call.requestComplete;
    if (start === this.#end && !isLast) return;
    const memory = this.#memory ?? NOTHING;
    const taken = isLast ? call.writeLast(memory, start, this.#end) : call.write(memory, start, this.#end);
    if (!taken) this.owner.onUpstreamBusy();
  }

  override settle(): void {
    this.flush();
    this.replayable = false;
    this.#giveBack();
  }

  override finish(): void {
    this.#call = undefined;
    this.#giveBack();
  }

  onHttp2Connection(connection: Http2Connection): void {
    this.isWaiting = false;
    this.#send(connection);
    if (this.#call === undefined) return;
    this.flush();
    this.owner.onConnected();
  }

  override goOn(): void {
    if (this.#http1 === undefined) super.goOn();
    else this.#http1.goOn();
  }

  override retry(): boolean {
    const { endpoint, attempts } = this;
    if (this.lost !== 'http1' || endpoint === undefined) return super.retry();
    endpoint.wantsHttp1 = true;
    if (!this.replayable || !this.#mayBeHttp1 || attempts >= this.context.limits.attemptsMax) return super.retry();
    this.#goOnInHttp1(endpoint, attempts);
    return true;
  }

  protected override send(endpoint: Endpoint): 'sent' | 'waiting' | PoolRefusal {
    this.#call = undefined;
    if (endpoint.wantsHttp1 === true && this.#mayBeHttp1) {
      this.#goOnInHttp1(endpoint, this.attempts - 1);
      return 'sent';
    }
    const connection = endpoint.http2.acquire(this);
    if (typeof connection === 'string') return connection;
    this.#send(connection);
    if (this.attempts > 1) this.flush();
    return 'sent';
  }

  protected override cancel(endpoint: Endpoint): void {
    endpoint.http2.cancel(this);
  }

  protected override get lost(): LostCall {
    return this.#call?.lost ?? 'fresh';
  }

  /** Neither a call of gRPC nor what is asked by an extended CONNECT is the same in HTTP/1.1. */
  get #mayBeHttp1(): boolean {
    return !this.request.isGrpc && !this.request.isWebsocket;
  }

  #goOnInHttp1(endpoint: Endpoint, attempts: number): void {
    const sender = new RequestSender(this.context, this.owner, this.request);
    this.#http1 = sender;
    const body = this.#headOnly ? null : (this.#memory ?? NOTHING).subarray(this.#start, this.#end);
    this.owner.onSender(sender);
    this.#call = undefined;
    sender.takeOver(this, { endpoint, attempts }, this.#head, body);
    this.#giveBack();
  }

  #send(connection: Http2Connection): void {
    const { isWebsocket } = this.request;
    if (isWebsocket && !connection.takesExtendedConnect) {
      this.owner.onSendFailed('upgrade-refused');
      return;
    }
    if (!this.#head.encode(connection.head)) {
      this.owner.onSendFailed('bad-request');
      return;
    }
    this.#sentEnd = this.#start;
    this.#call =
      connection.request(this.owner, this.#headOnly, isWebsocket) ??
      bug('a connection took no request though it was free');
  }

  #keepHead(forward: Forward, memory: Buffer): void {
    const { request } = this;
    const { head } = request;
    const { dropped } = this.context;
    const kept = this.#head;
    const { requestEdits } = forward;
    const { isWebsocket } = request;
    const isEmpty = head.framing === 'none' || (head.framing === 'length' && head.contentLength === 0);
    this.#headOnly = isEmpty && !isWebsocket;
    kept.begin(memory);
    kept.isWebsocket = isWebsocket;
    kept.method = request.method;
    kept.path = request.targetFor(forward.path ?? request.path);
    kept.authority =
      requestEdits.host ?? (request.authority === '' ? forward.cluster.service.hostname : request.authority);
    kept.contentLength = contentLengthOf(request);
    markHopByHop(head, dropped, 'drop');
    if (head.expect !== 'none' && decideExpect(head, undefined) === 'none') dropNamed(head, dropped, 'expect');
    dropNamed(head, dropped, CLIENT_CERTIFICATE);
    if (isWebsocket) dropNamed(head, dropped, WEBSOCKET_KEY);
    dropEdited(head, dropped, requestEdits);
    const forwarded = request.forwardedBlock(dropped);
    kept.fieldsOf(head, dropped);
    kept.fieldsOf(forwarded);
    if (!request.hasRequestId) kept.field('x-request-id', request.requestId);
    if (requestEdits.appendedFields !== undefined) kept.fieldsOf(requestEdits.appendedFields);
  }

  #giveBack(): void {
    if (this.#memory !== undefined) this.context.replayMemory.give(this.#memory);
    this.#memory = undefined;
    this.#start = 0;
    this.#end = 0;
    this.#sentEnd = 0;
  }
}

const NOTHING: Buffer = Buffer.alloc(0);

/** Servers wait for a body of some methods unless they are told that there is none (RFC 9110 8.6). */
function contentLengthOf({ head, method }: CurrentRequest): number {
  if (head.hasContentLength) return head.contentLength;
  return head.framing === 'none' && BODY_METHODS.has(method) ? 0 : -1;
}
