import type { FieldBlock, ResponseHead } from '@ambit/mesh/http1';
import { Http2Code } from '@ambit/mesh/http2';
import type { AccessVerdict } from '@ambit/mesh/policies';
import type { Endpoint } from '../upstream/cluster.ts';
import type { AnswerWriter } from './answer-writer.ts';
import { CurrentRequest } from './current-request.ts';
import { denialOf, responseEdits } from './decisions.ts';
import { decideUpstream } from './decide-upstream.ts';
import type { ExchangeFacts, HttpVersion } from './exchange-facts.ts';
import type { ExchangeHost, ExchangeOptions } from './exchange-host.ts';
import { FAILURES, type FailureReason } from './failures.ts';
import { grpcStatusFor, grpcStatusIn, NO_GRPC_STATUS } from './grpc-status.ts';
import { type CompiledEdits, NO_COMPILED_EDITS } from './header-edits.ts';
import { Http2Sender } from './http2-sender.ts';
import { MirrorGroup } from './mirror-group.ts';
import type { Caller, Decision, Forward, RequestPipeline } from './pipeline.ts';
import type { RequestAttempts, SenderOwner } from './request-attempts.ts';
import { RequestSender } from './request-sender.ts';
import type { WorkerContext } from './worker-context.ts';

/**
 * What happens to a request from its head to the end of its answer, and the record of it. One object per client's connection,
 * or per stream of one, used again and again:
 *
 *     over --begin--> running --answer complete, or cut--> over
 *                        \--101--> tunnel --either side is gone--> over
 */
export class Exchange implements SenderOwner, ExchangeFacts {
  reason: FailureReason | null = null;
  decision: Decision | null = null;
  requestBytes = 0;
  responseBytes = 0;
  durationMs = 0;
  grpcStatus: number | null = null;
  readonly caller: Caller;
  /** The request has been read to its end. */
  requestComplete = false;
  /** Something has come from either side since somebody last looked. */
  touched = false;
  /** The server takes no more of the request for now. */
  isHeldUp = false;
  readonly #context: WorkerContext;
  readonly #pipeline: RequestPipeline;
  readonly #host: ExchangeHost;
  readonly #request: CurrentRequest;
  /** Of the request that is under way, one of the two below. */
  #sender: RequestAttempts;
  #mirrors: MirrorGroup | null = null;
  readonly #http1Sender: RequestSender;
  #http2Sender: Http2Sender | undefined;
  readonly #writer: AnswerWriter;
  #state: 'over' | 'running' | 'tunnel' = 'over';
  #startMs = 0;
  #timer: Disposable | undefined;
  /** The client takes no more of the answer for now. */
  #isClientBusy = false;
  /** Of the answer: what the client had taken when it last took anything. */
  #bytesTaken = 0;
  /** What a client of HTTP/2 is told when its answer is cut. */
  #cutCode: number = Http2Code.cancel;

  constructor(options: ExchangeOptions, host: ExchangeHost) {
    const { context, caller } = options;
    this.caller = caller;
    this.#context = context;
    this.#pipeline = options.pipeline;
    this.#host = host;
    this.#request = new CurrentRequest(options.head, caller, context.writeRequestId);
    this.#http1Sender = new RequestSender(context, this, this.#request);
    this.#sender = this.#http1Sender;
    this.#writer = options.createWriter(this.#request);
  }

  get method(): string {
    return this.#request.method;
  }
  get authority(): string {
    return this.#request.authority;
  }
  get target(): string {
    return this.#request.target;
  }
  get protocol(): HttpVersion {
    return this.#request.protocol;
  }
  get requestId(): string {
    return this.#request.requestId;
  }
  get ownRequestId(): Uint8Array | null {
    return this.#request.ownRequestId;
  }
  get userAgent(): string {
    return this.#request.userAgent;
  }
  get access(): AccessVerdict | null {
    return this.#request.access;
  }
  get status(): number {
    return this.#writer.status;
  }
  get endpoint(): Endpoint | null {
    return this.#sender.endpoint ?? null;
  }
  get attempts(): number {
    return this.#sender.attempts;
  }

  get isTunnel(): boolean {
    return this.#state === 'tunnel';
  }

  get isRunning(): boolean {
    return this.#state === 'running';
  }

  /** Whether more of the client's bytes may be read: of this request, or of the next one. */
  get mayRead(): boolean {
    if (this.#state === 'over') return !this.#isClientBusy;
    return this.#state === 'running' && !this.requestComplete && !this.#sender.isWaiting;
  }

  /** Of the answer, since the client takes no more of it. */
  get heldBytes(): number {
    return this.#isClientBusy ? this.responseBytes - this.#bytesTaken : 0;
  }

  /** A request's head is complete. */
  begin(): void {
    this.#start();
    const isReadable = this.#request.read();
    if (this.#request.isGrpc) this.grpcStatus = NO_GRPC_STATUS;
    if (this.#request.asksForOther) this.answer('upgrade-refused');
    else if (this.#request.method === 'CONNECT') this.answer('method-refused');
    else if (!isReadable) this.answer('path-refused');
    else this.#decide();
    // What follows is the tunnel's, once it is granted; before, a server could take it for another request.
    if (this.#request.isWebsocket && this.#request.isHttp2) this.requestEnd();
  }

  /** What came never became a request: it is answered, and the connection ends. */
  refuse(reason: FailureReason, status?: number): void {
    this.#start();
    this.#request.forget();
    this.answer(reason, status, false);
  }

  requestData(memory: Buffer, start: number, end: number): void {
    this.requestBytes += end - start;
    if (this.#state !== 'running') return;
    this.#mirrors?.data(memory, start, end);
    this.#sender.data(memory, start, end);
  }

  requestTrailers(trailers: FieldBlock): void {
    if (this.#state !== 'running') return;
    this.#mirrors?.trailers(trailers);
    this.#sender.trailers(trailers);
  }

  requestEnd(): void {
    this.requestComplete = true;
    if (this.#state !== 'running') return;
    this.#mirrors?.end();
    this.#sender.end();
  }

  /** All that the client has sent has been handed over. */
  requestRead(): void {
    this.touched = true;
    this.#sender.flush();
    this.#mirrors?.flush();
  }

  tunnelData(memory: Buffer, start: number, end: number): void {
    this.requestBytes += end - start;
    if (this.#sender.call?.write(memory, start, end) === false) this.onUpstreamBusy();
  }

  tunnelEnd(): void {
    this.#sender.call?.endTunnel();
  }

  /** The client takes more of the answer, or soon will, when some of it still waits. */
  clientDrained(waitingBytes = 0): void {
    if (waitingBytes === 0) this.#isClientBusy = false;
    this.#bytesTaken = Math.max(0, this.responseBytes - waitingBytes);
    this.#sender.call?.resume();
  }

  /** The client is gone, or has ended in the middle of its request, or what has come is none, and its answer has been cut already. */
  clientGone(reason: 'client-gone' | 'bad-request' = 'client-gone'): void {
    if (this.#state === 'over') return;
    const isTunnel = this.#state === 'tunnel';
    this.#sender.abandon();
    this.#end(isTunnel ? null : reason);
  }

  /** Policies have changed. True: they do not want what has become a tunnel any more; it is over, and the client is to be cut. */
  recheck(): boolean {
    const denial = this.isTunnel ? denialOf(this.#pipeline.decide(this.#request)) : null;
    if (denial === null) return false;
    this.#sender.abandon();
    this.#end(denial);
    return true;
  }

  /**
   * Gives the exchange up with an answer of ours; where its answer has begun, by cutting it off. `status` in place of the
   * reason's own; `goesOn` is false when nothing that follows could be understood.
   */
  answer(reason: FailureReason, status: number = FAILURES[reason].status, goesOn = true): void {
    if (this.#state === 'over') return;
    this.#sender.abandon();
    if (this.#writer.begun) {
      this.#writer.flush();
      this.#end(reason);
      this.#host.onCut(this.#cutCode);
    } else this.#answerWith(reason, status, NO_COMPILED_EDITS, goesOn);
  }

  onConnected(): void {
    this.#host.onReadable();
  }

  onSendFailed(reason: FailureReason): void {
    this.answer(reason);
  }

  onUpstreamBusy(): void {
    this.isHeldUp = true;
    this.#host.onUnreadable();
  }

  onUpstreamDrain(): void {
    this.isHeldUp = false;
    this.touched = true;
    this.#host.onReadable();
  }

  onSender(sender: RequestAttempts): void {
    this.#sender = sender;
  }

  onUpstreamGone(reason: 'upstream-gone' | 'upstream-protocol' | 'upstream-truncated'): void {
    this.isHeldUp = false;
    this.#cutCode =
      this.#state === 'tunnel' ? Http2Code.cancel : (this.#sender.call?.http2Code ?? Http2Code.internalError);
    if (this.#state === 'tunnel') {
      this.#sender.finish();
      this.#end(null);
      this.#host.onCut(this.#cutCode);
    } else if (reason !== 'upstream-gone' || !this.#sender.retry()) {
      this.#sender.finish();
      this.answer(reason);
    }
  }

  onInterim(head: ResponseHead): void {
    this.touched = true;
    this.#writer.interim(head);
    this.#flush();
  }

  onResponse(head: ResponseHead): void {
    if (this.#sender.retryStatus(head.status)) {
      this.isHeldUp = false;
      return;
    }
    const edits = responseEdits(this.decision, this.endpoint);
    if (!this.#writer.response(head, edits, this.requestComplete)) {
      this.answer('upstream-protocol');
      return;
    }
    if (this.grpcStatus !== null) this.grpcStatus = grpcStatusIn(head, this.grpcStatus);
    this.#sender.settle();
    if (!this.#writer.isTunnel) return;
    this.#state = 'tunnel';
    this.#clearTimer();
    this.#sender.call?.enterTunnel();
    this.#flush();
    this.#host.onTunnel();
  }

  onResponseData(memory: Buffer, start: number, end: number): void {
    this.responseBytes += end - start;
    if (this.#state === 'running') this.#writer.data(memory, start, end);
    else this.#flush(this.#writer.tunnelData(memory, start, end));
  }

  onResponseTrailers(trailers: FieldBlock): void {
    if (this.grpcStatus !== null) this.grpcStatus = grpcStatusIn(trailers, this.grpcStatus);
    this.#writer.trailers(trailers);
  }

  onResponseRead(): void {
    this.touched = true;
    this.#flush();
  }

  onResponseEnd(): void {
    if (this.#state === 'tunnel') {
      this.#writer.tunnelEnd();
      return;
    }
    this.#writer.end();
    // First: the connection may serve another by now, and must not be paused because this client is slow.
    this.#sender.finish();
    this.#flush();
    this.#end(null);
    this.#host.onAnswered(this.#writer.mayGoOn);
  }

  #start(): void {
    this.#state = 'running';
    this.#startMs = this.#context.clock.monotonic();
    this.requestComplete = false;
    this.requestBytes = 0;
    this.responseBytes = 0;
    this.#bytesTaken = 0;
    // Of a stream that was reset while its client did not read.
    this.#isClientBusy = false;
    this.touched = true;
    this.reason = null;
    this.decision = null;
    this.grpcStatus = null;
    this.isHeldUp = false;
    this.#cutCode = Http2Code.cancel;
    this.#writer.begin();
    this.#sender = this.#http1Sender;
    this.#sender.reset();
  }

  #decide(): void {
    const decision = this.#pipeline.decide(this.#request);
    this.decision = decision;
    if (decision.kind === 'answer') {
      this.#answerWith(decision.reason, decision.status, decision.headers, true);
      return;
    }
    // A rule has asked for it already, among what else it knows.
    const timeoutMs = decision.timeoutMs ?? this.#request.grpcTimeoutMs;
    if (timeoutMs !== null) this.#limit(timeoutMs);
    this.#send(decision);
  }

  #limit(timeoutMs: number): void {
    this.#timer = this.#context.clock.setTimer(timeoutMs, () => this.answer('timeout'));
  }

  #send(forward: Forward): void {
    const { cluster } = forward;
    if (decideUpstream(cluster.protocol, this.#request) === 'http/2') {
      this.#http2Sender ??= new Http2Sender(this.#context, this, this.#request);
      this.#sender = this.#http2Sender;
      this.#sender.reset();
    }
    this.#sender.begin(forward);
    if (forward.delivery !== null && this.#state === 'running')
      this.#mirrors = MirrorGroup.begin(this.#context, this.#request, forward);
  }

  #answerWith(reason: FailureReason | null, status: number, headers: CompiledEdits, goesOn: boolean): void {
    // A request without a body is complete, whether its end has been read or not.
    const isComplete = goesOn && (this.requestComplete || !this.#request.hasBody);
    this.responseBytes += this.#writer.answer(reason, isComplete, status, headers);
    if (reason !== null && this.grpcStatus !== null) this.grpcStatus = grpcStatusFor(reason, status);
    this.#flush();
    this.#end(reason);
    this.#host.onAnswered(this.#writer.mayGoOn);
  }

  #flush(taken: boolean = this.#writer.flush()): void {
    // What it has not taken before is still there.
    if (taken && !this.#isClientBusy) this.#bytesTaken = this.responseBytes;
    if (taken) return;
    this.#isClientBusy = true;
    this.#sender.call?.pause();
  }

  #end(reason: FailureReason | null): void {
    this.#state = 'over';
    this.#clearTimer();
    this.#mirrors?.leave();
    this.#mirrors = null;
    this.reason = reason;
    this.durationMs = this.#context.clock.monotonic() - this.#startMs;
    this.#context.observer.onExchange(this);
  }

  #clearTimer(): void {
    this.#sender.clearTimers();
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }
}
