import { Worker } from 'node:worker_threads';
import { MeshError, type Logger } from '@ambit/mesh/runtime';
import type { WorkerCall, WorkerCalls, WorkerConfig, WorkerResponse } from './worker-protocol.ts';

/** `worker-failed`: the worker could not do what was asked; `data.reason` is its error. `worker-lost`: it ended. */
export class WorkerError extends MeshError<'worker-failed' | 'worker-lost'> {
  override readonly name = 'WorkerError';
}

export interface WorkerPoolOptions {
  /** Module that calls `runWorkerThread`. */
  readonly program: URL;
  readonly count: number;
  readonly config: Omit<WorkerConfig, 'index'>;
  readonly logger: Logger;
  /** A worker died. The process must end: rules in the pods keep refusing what nobody carries. */
  readonly onLost: (error: Error) => void;
}

/**
 * The heaps of a worker. The young generation is small: what a burst of connections leaves behind is soon collected and does
 * not become resident for good. Measured with new connections: a smaller one spends an eighth of the CPU on collecting, a
 * larger one saves nothing and costs 3 kB more per idle connection. Buffers live outside these heaps.
 */
const HEAP_LIMITS = { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 2048 } as const;

type WorkerResult = WorkerCalls[WorkerCall]['result'];

interface Pending {
  readonly resolve: (result: WorkerResult) => void;
  readonly reject: (error: Error) => void;
}

/** The data workers of a process and typed calls to them. */
export class WorkerPool implements AsyncDisposable {
  readonly #handles: readonly WorkerHandle[];

  constructor(options: WorkerPoolOptions) {
    this.#handles = Array.from({ length: options.count }, (_, index) => new WorkerHandle(options, index));
  }

  get count(): number {
    return this.#handles.length;
  }

  /** Asks every worker and waits for all. Rejects with the first failure, after all have answered. */
  async callAll<Call extends WorkerCall>(
    call: Call,
    args: WorkerCalls[Call]['args'],
  ): Promise<readonly WorkerCalls[Call]['result'][]> {
    const settled = await Promise.allSettled(this.#handles.map((handle) => handle.call(call, args)));
    return settled.map((result) => {
      if (result.status === 'rejected') throw result.reason;
      return result.value;
    });
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

  constructor({ program, config, logger, onLost }: WorkerPoolOptions, index: number) {
    const lose = (error: Error): void => {
      if (this.#ended) return;
      this.#ended = true;
      for (const { reject } of this.#pending.values()) reject(error);
      this.#pending.clear();
      onLost(error);
    };
    this.#worker = new Worker(program, {
      workerData: { ...config, index } satisfies WorkerConfig,
      resourceLimits: HEAP_LIMITS,
      name: `data-${index}`,
    })
      .on('message', (response: WorkerResponse) => this.#settle(response))
      .on('messageerror', (cause) =>
        lose(new WorkerError('worker-lost', 'a data worker sent what cannot be read', { cause })),
      )
      .on('error', (cause) => lose(new WorkerError('worker-lost', 'a data worker failed', { cause })))
      .on('exit', (code) => lose(new WorkerError('worker-lost', 'a data worker ended', { data: { code } })));
    logger.debug('data worker started', { worker: index });
  }

  call<Call extends WorkerCall>(call: Call, args: WorkerCalls[Call]['args']): Promise<WorkerCalls[Call]['result']> {
    if (this.#ended)
      return Promise.reject(new WorkerError('worker-lost', 'a data worker has ended', { data: { call } }));
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve: (result) => resolve(result as WorkerCalls[Call]['result']), reject });
      this.#worker.postMessage({ id, call, args });
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
