import type { Worker } from 'node:worker_threads';
import { newDataWorker } from './data-worker.ts';
import { MeshError } from './errors.ts';
import type { Logger } from './logger.ts';
import type { WorkerCallsOf, WorkerEventMessage, WorkerRequest, WorkerResponse } from './worker-calls.ts';

/** `worker-failed`: the worker could not do what was asked; `data.reason` is its error. `worker-lost`: it ended. */
export class WorkerError extends MeshError<'worker-failed' | 'worker-lost'> {
  override readonly name = 'WorkerError';
}

export interface WorkerPoolOptions {
  /** Module that answers with `answerWorkerCalls`. */
  readonly program: URL;
  readonly count: number;
  /** `workerData` of every worker, beside its `index`. */
  readonly config: object;
  readonly logger: Logger;
  /** A worker died. The process must end: whoever supervises it starts a whole one. */
  readonly onLost: (error: Error) => void;
}

/**
 * The heaps of a worker. The young generation is small: what a burst of connections leaves behind is soon collected and does
 * not become resident for good. Measured with new connections: a smaller one spends an eighth of the CPU on collecting, a
 * larger one saves nothing and costs 3 kB more per idle connection. Buffers live outside these heaps.
 */
const HEAP_LIMITS = { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 2048 } as const;

interface Pending {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** The data workers of a process, typed calls to them, and events of them (`postWorkerEvent`). */
export class WorkerPool<Calls extends WorkerCallsOf<Calls>, Event = never> implements AsyncDisposable {
  readonly #handles: readonly WorkerHandle[];
  #onEvent: (event: Event) => void = () => {};

  constructor(options: WorkerPoolOptions) {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a worker of this very program posts no other events
    const onEvent = (event: unknown): void => this.#onEvent(event as Event);
    this.#handles = Array.from({ length: options.count }, (_, index) => new WorkerHandle(options, index, onEvent));
  }

  /** In place of whoever heard of them before. What comes while nobody does is lost. */
  onEvent(listener: (event: Event) => void): void {
    this.#onEvent = listener;
  }

  get count(): number {
    return this.#handles.length;
  }

  /** Asks every worker and waits for all. Rejects with the first failure, after all have answered. */
  async callAll<Call extends keyof Calls & string>(
    call: Call,
    args: Calls[Call]['args'],
  ): Promise<readonly Calls[Call]['result'][]> {
    const settled = await Promise.allSettled(this.#handles.map((handle) => handle.call(call, args)));
    return settled.map((result) => {
      if (result.status === 'rejected') throw result.reason;
      return result.value as Calls[Call]['result'];
    });
  }

  /** Asks one worker, by its index. */
  async callOne<Call extends keyof Calls & string>(
    index: number,
    call: Call,
    args: Calls[Call]['args'],
  ): Promise<Calls[Call]['result']> {
    const handle = this.#handles[index];
    if (handle === undefined) throw new RangeError(`bug: no data worker ${index}`);
    return (await handle.call(call, args)) as Calls[Call]['result'];
  }

  /** Ends the workers at once. Call `stop` on all before, unless in a hurry. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#handles.map((handle) => handle.terminate()));
  }
}

class WorkerHandle {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;
  #ended = false;

  constructor(
    { program, config, logger, onLost }: WorkerPoolOptions,
    index: number,
    onEvent: (event: unknown) => void,
  ) {
    const lose = (error: Error): void => {
      if (this.#ended) return;
      this.#ended = true;
      for (const { reject } of this.#pending.values()) reject(error);
      this.#pending.clear();
      onLost(error);
    };
    this.#worker = newDataWorker(program, {
      workerData: { ...config, index },
      resourceLimits: HEAP_LIMITS,
      name: `data-${index}`,
    })
      .on('message', (message: WorkerResponse | WorkerEventMessage) => {
        if (message.kind === 'event') onEvent(message.event);
        else this.#settle(message);
      })
      .on('messageerror', (cause) =>
        lose(new WorkerError('worker-lost', 'a data worker sent what cannot be read', { cause })),
      )
      .on('error', (cause) => lose(new WorkerError('worker-lost', 'a data worker failed', { cause })))
      .on('exit', (code) => lose(new WorkerError('worker-lost', 'a data worker ended', { data: { code } })));
    logger.debug('data worker started', { worker: index });
  }

  call(call: string, args: unknown): Promise<unknown> {
    if (this.#ended)
      return Promise.reject(new WorkerError('worker-lost', 'a data worker has ended', { data: { call } }));
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#worker.postMessage({ id, call, args } satisfies WorkerRequest);
    });
  }

  async terminate(): Promise<void> {
    this.#ended = true;
    const error = new WorkerError('worker-lost', 'the data worker is being ended');
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
    await this.#worker.terminate();
  }

  #settle(response: WorkerResponse): void {
    const pending = this.#pending.get(response.id);
    this.#pending.delete(response.id);
    if (pending === undefined) return;
    if (response.kind === 'result') pending.resolve(response.result);
    else {
      const { type, code, message } = response.error;
      pending.reject(
        new WorkerError('worker-failed', 'a data worker refused a request', { data: { type, code, reason: message } }),
      );
    }
  }
}
