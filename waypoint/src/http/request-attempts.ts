import type { FieldBlock } from '@ambit/mesh/http1';
import { type AttemptOutcome, decideRetry } from '@ambit/mesh/routes';
import type { Endpoint } from '../upstream/cluster.ts';
import type { PoolRefusal } from '../upstream/connection-pool.ts';
import type { UpstreamCall } from '../upstream/upstream-call.ts';
import type { CurrentRequest } from './current-request.ts';
import { isRepeatable, isSentAgain, type LostCall } from './decide-retry.ts';
import type { ResponseSink } from './exchange-facts.ts';
import type { FailureReason } from './failures.ts';
import type { Delivery, Forward } from './pipeline.ts';
import type { WorkerContext } from './worker-context.ts';

/** What a sender tells the exchange whose request it sends. */
export interface SenderOwner extends ResponseSink {
  /** There is a connection, later than when it was asked for: the body may follow. */
  onConnected(): void;
  /** The request is under way by another sender, to which everything else is said from now on. */
  onSender(sender: RequestAttempts): void;
  /** Nobody will get the request. */
  onSendFailed(reason: FailureReason): void;
  /** The server takes no more for now; `onUpstreamDrain` follows. */
  onUpstreamBusy(): void;
}

const BROKEN: AttemptOutcome = { kind: 'broken' };
const NOT_SENT: AttemptOutcome = { kind: 'not-sent' };
const TIMEOUT: AttemptOutcome = { kind: 'timeout' };

/**
 * Sends one request after the other to an endpoint of its cluster, in one protocol: to another endpoint when nothing has been sent,
 * once more when its rule or `isSentAgain` says so. What is the same in all protocols; what a request is made of is in subclasses.
 */
export abstract class RequestAttempts {
  endpoint: Endpoint | undefined;
  attempts = 0;
  /** For a connection. */
  isWaiting = false;
  protected readonly context: WorkerContext;
  protected readonly owner: SenderOwner;
  protected readonly request: CurrentRequest;
  protected forward: Forward | undefined;
  protected complete = false;
  /** All of the request so far is kept, and no answer has begun. */
  protected replayable = true;
  /** Of the whole request; null: it has all the time. */
  #deadlineMs: number | null = null;
  #attemptTimer: Disposable | undefined;
  /** The endpoint of the session could not be reached, or lost the request. */
  #hasLeftSession = false;
  /** The one endpoint that the request is for, as it is written. */
  #pinned: Endpoint | undefined;
  /** Until the next attempt. */
  #backoff: Disposable | undefined;

  constructor(context: WorkerContext, owner: SenderOwner, request: CurrentRequest) {
    this.context = context;
    this.owner = owner;
    this.request = request;
  }

  /** Where the request is, if it has been sent to anybody. */
  abstract get call(): UpstreamCall | undefined;

  /** Begins a request; the owner may hear that it failed before this returns. `flush` sends what there is. */
  abstract begin(forward: Forward): void;

  abstract data(memory: Buffer, start: number, end: number): void;

  abstract trailers(block: FieldBlock): void;

  /** The request is complete. */
  abstract end(): void;

  abstract flush(): void;

  /** The answer has begun: nothing will be sent twice. */
  abstract settle(): void;

  /** The exchange is over; the connection serves others already, or is gone. */
  abstract finish(): void;

  /** Asks the endpoint for a connection, and sends the request if there is one. */
  protected abstract send(endpoint: Endpoint): 'sent' | 'waiting' | PoolRefusal;

  /** The endpoint need not find a connection for us any more. */
  protected abstract cancel(endpoint: Endpoint): void;

  /** How the call that was lost came to be. */
  protected abstract get lost(): LostCall;

  /** Forgets the last request, before the next one is known to be sent. */
  reset(): void {
    this.endpoint = undefined;
    this.attempts = 0;
    this.#hasLeftSession = false;
  }

  /** The call failed before an answer. True: the request is under way again, or will be, and the owner will hear of it as before. */
  retry(): boolean {
    const { lost, replayable, attempts, request } = this;
    const { attemptsMax } = this.context.limits;
    if (isSentAgain({ lost, replayable, method: request.method, attempts, attemptsMax })) {
      this.next(undefined);
      return true;
    }
    return this.#retryAfter(BROKEN);
  }

  /** An answer with this status has begun. True: it is not the one that the client gets, as for `retry`. */
  retryStatus(code: number): boolean {
    const codes = this.forward?.delivery?.retry?.codes;
    return codes !== undefined && codes.includes(code) && this.#retryAfter({ kind: 'status', code });
  }

  /** No further attempt and no end of this one comes by itself. */
  clearTimers(): void {
    this.#attemptTimer?.[Symbol.dispose]();
    this.#attemptTimer = undefined;
    this.#backoff?.[Symbol.dispose]();
    this.#backoff = undefined;
  }

  /** Nobody wants an answer any more. */
  abandon(): void {
    this.clearTimers();
    this.#leaveCall();
    this.finish();
  }

  onNoConnection(): void {
    this.isWaiting = false;
    // Nothing was sent, so any request may go elsewhere.
    if (this.forward?.delivery?.retry) {
      if (!this.#retryAfter(NOT_SENT)) this.owner.onSendFailed('connect');
    } else if (this.attempts < this.context.limits.attemptsMax) this.next(this.endpoint);
    else this.owner.onSendFailed('connect');
    this.goOn();
  }

  /** The endpoint is gone from the view: no attempt has failed, and the request goes where one of now would. */
  onPoolClosed(): void {
    this.isWaiting = false;
    const endpoint = this.#choose(undefined);
    if (endpoint === undefined) this.owner.onSendFailed('no-endpoint');
    else this.#sendTo(endpoint);
    this.goOn();
  }

  /**
   * Behind an attempt that may have waited: the request is not read meanwhile, and goes on if the next attempt has a connection at
   * once. Whoever waits for one hears of it later.
   */
  goOn(): void {
    if (this.isWaiting || this.call === undefined) return;
    this.flush();
    if (this.call !== undefined) this.owner.onConnected();
  }

  /** Takes a request over, `attempts` of whose attempts are over, to be sent to this endpoint alone. */
  protected adopt(from: RequestAttempts, endpoint: Endpoint, attempts: number): void {
    from.clearTimers();
    this.forward = from.forward;
    this.complete = from.complete;
    this.attempts = attempts;
    this.#deadlineMs = from.#deadlineMs;
    this.#pinned = endpoint;
  }

  protected next(except: Endpoint | undefined): void {
    const endpoint = this.#choose(except);
    if (endpoint === undefined) {
      this.owner.onSendFailed('no-endpoint');
      return;
    }
    this.attempts += 1;
    const delivery = this.forward?.delivery ?? null;
    if (delivery !== null) this.#startAttempt(delivery);
    this.#sendTo(endpoint);
  }

  #choose(except: Endpoint | undefined): Endpoint | undefined {
    const pinned = this.#pinned;
    if (pinned !== undefined) return this.#asOfNow(pinned);
    return this.#endpointOfSession(except) ?? this.forward?.cluster.pick(except);
  }

  /** A workload that changes is the same one by another endpoint; undefined when it is gone. */
  #asOfNow(endpoint: Endpoint | undefined): Endpoint | undefined {
    return endpoint?.isClosed === true ? this.forward?.cluster.successorOf(endpoint) : endpoint;
  }

  #sendTo(endpoint: Endpoint): void {
    this.endpoint = endpoint;
    const sent = this.send(endpoint);
    if (sent === 'waiting') this.isWaiting = true;
    else if (sent === 'overload') this.owner.onSendFailed('overload');
    // Not one that is chosen: all are, as the waypoint ends.
    else if (sent === 'closed') this.owner.onSendFailed('no-endpoint');
  }

  /** A session stays where it is until it fails there. */
  #endpointOfSession(failed: Endpoint | undefined): Endpoint | undefined {
    const endpoint = this.#asOfNow(this.forward?.delivery?.session?.endpoint);
    if (endpoint === undefined) return undefined;
    if (endpoint === failed || endpoint.avoided) this.#hasLeftSession = true;
    return this.#hasLeftSession ? undefined : endpoint;
  }

  /** Whom the next attempt is not for. An endpoint that has answered, or is slow, still has what it knows of the session. */
  #failedBy({ kind }: AttemptOutcome): Endpoint | undefined {
    const { endpoint } = this;
    const isThere = kind === 'status' || kind === 'timeout';
    return isThere && endpoint === this.#asOfNow(this.forward?.delivery?.session?.endpoint) ? undefined : endpoint;
  }

  #startAttempt({ attemptTimeoutMs }: Delivery): void {
    const { clock } = this.context;
    const timeoutMs = this.forward?.timeoutMs ?? null;
    if (this.attempts === 1) this.#deadlineMs = timeoutMs === null ? null : clock.monotonic() + timeoutMs;
    this.clearTimers();
    if (attemptTimeoutMs === null) return;
    this.#attemptTimer = clock.setTimer(attemptTimeoutMs, () => {
      if (!this.#retryAfter(TIMEOUT)) this.owner.onSendFailed('timeout');
      this.goOn();
    });
  }

  /** Whether the rule has the request sent once more. */
  #retryAfter(outcome: AttemptOutcome): boolean {
    const { clock, random } = this.context;
    const policy = this.forward?.delivery?.retry ?? null;
    if (policy === null) return false;
    const decision = decideRetry(
      policy,
      {
        outcome,
        retries: this.attempts - 1,
        replayable: this.replayable,
        idempotent: isRepeatable(this.request.method),
        remainingMs: this.#deadlineMs === null ? null : this.#deadlineMs - clock.monotonic(),
      },
      random(),
    );
    if (decision.kind === 'give-up') return false;
    this.clearTimers();
    this.#leaveCall();
    const { waitMs } = decision;
    const failed = this.#failedBy(outcome);
    if (waitMs === 0) {
      this.next(failed);
      return true;
    }
    // Nothing more of the request is read meanwhile.
    this.isWaiting = true;
    this.#backoff = clock.setTimer(waitMs, () => {
      this.#backoff = undefined;
      this.isWaiting = false;
      this.next(failed);
      this.goOn();
    });
    return true;
  }

  #leaveCall(): void {
    if (this.isWaiting && this.endpoint !== undefined) this.cancel(this.endpoint);
    this.isWaiting = false;
    this.call?.abandon();
  }
}
