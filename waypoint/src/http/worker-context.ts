import { HeadWriter } from '@ambit/mesh/http1';
import type { Clock, Logger } from '@ambit/mesh/runtime';
import type { Deadlines } from './deadlines.ts';
import type { ExchangeObserver } from './exchange-facts.ts';
import type { ExchangeLimits } from './limits.ts';
import { MirrorBudget, type MirrorLimits } from './mirror-budget.ts';
import { OutgoingBatch } from './outgoing-batch.ts';
import { ReplayMemory } from './replay-memory.ts';
import type { WriteRequestId } from './request-ids.ts';

/** What all connections of one thread share. */
export class WorkerContext {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly deadlines: Deadlines;
  readonly limits: ExchangeLimits;
  readonly observer: ExchangeObserver;
  readonly writeRequestId: WriteRequestId;
  /** [0, 1) */
  readonly random: () => number;
  readonly writer: HeadWriter = new HeadWriter();
  /** Answers on their way to clients; flushed before whoever filled it returns. */
  readonly batch: OutgoingBatch = new OutgoingBatch();
  readonly replayMemory: ReplayMemory;
  /** Copies of requests. */
  readonly mirrors: MirrorBudget;
  /** Marks of fields that are not passed on; as long as the codec takes fields. */
  readonly dropped: Uint8Array;
  /** Every answer from now on closes its connection. */
  draining = false;

  constructor(options: {
    readonly clock: Clock;
    readonly logger: Logger;
    readonly deadlines: Deadlines;
    readonly limits: ExchangeLimits;
    readonly observer: ExchangeObserver;
    readonly writeRequestId: WriteRequestId;
    readonly random?: () => number;
    readonly mirrorLimits?: MirrorLimits;
    readonly fieldCountMax: number;
  }) {
    this.clock = options.clock;
    this.logger = options.logger;
    this.deadlines = options.deadlines;
    this.limits = options.limits;
    this.observer = options.observer;
    this.writeRequestId = options.writeRequestId;
    this.random = options.random ?? Math.random;
    this.mirrors = new MirrorBudget(options.mirrorLimits);
    this.replayMemory = new ReplayMemory(options.limits.replayMaxBytes);
    this.dropped = new Uint8Array(options.fieldCountMax);
  }
}
