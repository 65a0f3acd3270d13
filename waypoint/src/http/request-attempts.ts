import type { FieldBlock } from '@ambit/mesh/http1';
import type { Endpoint } from '../upstream/cluster.ts';
import type { UpstreamCall } from '../upstream/upstream-call.ts';
import type { CurrentRequest } from './current-request.ts';
import { decideRetry, type LostCall } from './decide-retry.ts';
import type { ResponseSink } from './exchange-facts.ts';
import type { FailureReason } from './failures.ts';
import type { Forward } from './pipeline.ts';
import type { WorkerContext } from './worker-context.ts';

/** What a sender tells the exchange whose request it sends. */
export interface SenderOwner extends ResponseSink {
  /** There is a connection, later than when it was asked for: the body may follow. */
  onConnected(): void;
  /** Nobody will get the request. */
  onSendFailed(reason: FailureReason): void;
  /** The server takes no more for now; `onUpstreamDrain` follows. */
  onUpstreamBusy(): void;
}

/**
 * Sends one request after the other to an endpoint of its cluster, in one protocol: to another endpoint when nothing has been sent,
 * once more when `decideRetry` says so. What is the same in all protocols; what a request is made of is in subclasses.
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
  protected abstract send(endpoint: Endpoint): 'sent' | 'waiting' | 'overload';

  /** The endpoint need not find a connection for us any more. */
  protected abstract cancel(endpoint: Endpoint): void;

  /** How the call that was lost came to be. */
  protected abstract get lost(): LostCall;

  /** Forgets the last request, before the next one is known to be sent. */
  reset(): void {
    this.endpoint = undefined;
    this.attempts = 0;
  }

  /** The call failed before an answer. True: the request is under way again, and the owner will hear of it as before. */
  retry(): boolean {
    const { lost, replayable, attempts, request } = this;
    const { attemptsMax } = this.context.limits;
    if (!decideRetry({ lost, replayable, method: request.method, attempts, attemptsMax })) return false;
    this.next(undefined);
    return true;
  }

  /** Nobody wants an answer any more. */
  abandon(): void {
    if (this.isWaiting && this.endpoint !== undefined) this.cancel(this.endpoint);
    this.isWaiting = false;
    this.call?.abandon();
    this.finish();
  }

  onNoConnection(): void {
    this.isWaiting = false;
    // Nothing was sent, so any request may go elsewhere.
    if (this.attempts < this.context.limits.attemptsMax) this.next(this.endpoint);
    else this.owner.onSendFailed('connect');
  }

  protected next(except: Endpoint | undefined): void {
    const endpoint = this.forward?.cluster.pick(except);
    if (endpoint === undefined) {
      this.owner.onSendFailed('no-endpoint');
      return;
    }
    this.endpoint = endpoint;
    this.attempts += 1;
    const sent = this.send(endpoint);
    if (sent === 'waiting') this.isWaiting = true;
    else if (sent === 'overload') this.owner.onSendFailed('overload');
  }
}
