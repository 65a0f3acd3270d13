import type { FieldBlock } from '@ambit/mesh/http1';
import { copyFields } from '@ambit/mesh/http2';
import { HeldBytes } from './held-bytes.ts';
import type { MirrorOutcome } from './mirror-budget.ts';
import type { Forward } from './pipeline.ts';
import type { RequestAttempts, SenderOwner } from './request-attempts.ts';
import type { WorkerContext } from './worker-context.ts';

/**
 * A copy of one request on its way to a server whose answer nobody wants. It takes what the exchange gives it, holds what its server
 * does not take, up to a bound, and is given up beyond that: the request itself never waits for it.
 */
export class RequestMirror implements SenderOwner {
  readonly #context: WorkerContext;
  #sender: RequestAttempts;
  readonly #held = new HeldBytes();
  #heldBytes = 0;
  #heldTrailers: FieldBlock | undefined;
  #isEndHeld = false;
  /** The request has come to its end. */
  #complete = false;
  /** The server takes no more for now. */
  #isBusy = false;
  #isOver = false;
  #timer: Disposable | undefined;

  /** `enter` of the budget has been called. `createSender` makes one for a request that stays as it is. */
  constructor(context: WorkerContext, forward: Forward, createSender: (owner: SenderOwner) => RequestAttempts) {
    this.#context = context;
    this.#sender = createSender(this);
    this.#sender.begin(forward);
  }

  data(memory: Buffer, start: number, end: number): void {
    if (this.#isOver) return;
    if (this.#mayPassOn) this.#sender.data(memory, start, end);
    else if (this.#context.mirrors.hold(this.#heldBytes, end - start)) {
      this.#heldBytes += end - start;
      this.#held.push(memory, start, end);
    } else this.#giveUp('slow');
  }

  trailers(block: FieldBlock): void {
    if (this.#isOver) return;
    if (this.#mayPassOn) this.#sender.trailers(block);
    else this.#heldTrailers = copyFields(block);
  }

  /** The request is complete. */
  end(): void {
    if (this.#isOver || this.#complete) return;
    this.#complete = true;
    const { clock, mirrors } = this.#context;
    this.#timer = clock.setTimer(mirrors.limits.answerTimeoutMs, () => this.#giveUp('slow'));
    if (this.#mayPassOn) this.#sender.end();
    else this.#isEndHeld = true;
  }

  flush(): void {
    if (!this.#isOver && !this.#sender.isWaiting) this.#sender.flush();
  }

  /** There will be no more of the request than there has been. */
  cut(): void {
    if (!this.#complete) this.#giveUp('cut');
  }

  onConnected(): void {
    this.#pump();
  }

  onSender(sender: RequestAttempts): void {
    this.#sender = sender;
  }

  onSendFailed(): void {
    this.#giveUp('failed');
  }

  onUpstreamBusy(): void {
    this.#isBusy = true;
  }

  onUpstreamDrain(): void {
    this.#isBusy = false;
    this.#pump();
  }

  onUpstreamGone(reason: 'upstream-gone' | 'upstream-protocol' | 'upstream-truncated'): void {
    this.#isBusy = false;
    if (this.#isOver || (reason === 'upstream-gone' && this.#sender.retry())) return;
    this.#sender.finish();
    this.#finish('failed');
  }

  onResponse(): void {
    this.#sender.settle();
  }

  onResponseEnd(): void {
    if (this.#isOver) return;
    this.#sender.finish();
    this.#finish('answered');
  }

  onInterim(): void {
    // Nobody waits for it.
  }

  onResponseData(): void {
    // Nobody reads it.
  }

  onResponseTrailers(): void {
    // Nobody reads them.
  }

  onResponseRead(): void {
    // What is not paused goes on.
  }

  get #mayPassOn(): boolean {
    return this.#held.isEmpty && !this.#isBusy && !this.#sender.isWaiting;
  }

  #pump(): void {
    const sender = this.#sender;
    while (!this.#isOver && !this.#isBusy && !sender.isWaiting) {
      const held = this.#held.peek();
      if (held === undefined) break;
      const { memory, start, end } = held;
      this.#held.drop(end);
      this.#drop(end - start);
      sender.data(memory, start, end);
    }
    if (this.#isOver || !this.#held.isEmpty) return;
    if (this.#heldTrailers !== undefined) sender.trailers(this.#heldTrailers);
    this.#heldTrailers = undefined;
    if (this.#isEndHeld) {
      this.#isEndHeld = false;
      sender.end();
    }
    this.flush();
  }

  #drop(bytes: number): void {
    this.#heldBytes -= bytes;
    this.#context.mirrors.drop(bytes);
  }

  #giveUp(outcome: MirrorOutcome): void {
    if (this.#isOver) return;
    this.#finish(outcome);
    this.#sender.abandon();
  }

  #finish(outcome: MirrorOutcome): void {
    this.#isOver = true;
    this.#timer?.[Symbol.dispose]();
    this.#held.clear();
    this.#drop(this.#heldBytes);
    this.#sender.clearTimers();
    this.#context.mirrors.leave(outcome);
  }
}
