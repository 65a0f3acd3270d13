import { BroadcastChannel } from 'node:worker_threads';
import type { Clock } from '@ambit/mesh/runtime';
import type { ServerEnd, ServerEnds } from './server-ends.ts';

/** How long the other workers have to answer; asked once per session. A worker that is silent for so long is as good as gone. */
const FIND_TIMEOUT_MS = 1000;

type Message =
  | { readonly kind: 'find'; readonly from: number; readonly binding: string }
  | { readonly kind: 'found'; readonly to: number; readonly binding: string; readonly end: ServerEnd | null };

interface Asked {
  readonly promise: Promise<ServerEnd | undefined>;
  readonly settle: (end: ServerEnd | undefined) => void;
  /** Workers that have not answered. */
  left: number;
}

/** Where the data workers of a process reach each other. */
export interface WorkerChannel {
  /** The process's own. */
  readonly name: string;
  /** How many there are. */
  readonly workers: number;
}

/**
 * The ends that the other data workers of this process have accepted: a pod's listeners stand in every worker, and the kernel
 * chooses who accepts. Messages stay within the process.
 */
export class WorkerEnds implements Disposable {
  readonly #clock: Clock;
  readonly #own: Pick<ServerEnds, 'find'>;
  readonly #worker: number;
  readonly #others: number;
  readonly #channel: BroadcastChannel;
  /** Questions that no answer has come to yet, by binding: who asks meanwhile waits for the same answer. */
  readonly #asked = new Map<string, Asked>();

  /** `worker` is the index of this one. */
  constructor(options: {
    readonly clock: Clock;
    readonly own: Pick<ServerEnds, 'find'>;
    readonly channel: WorkerChannel;
    readonly worker: number;
  }) {
    this.#clock = options.clock;
    this.#own = options.own;
    this.#worker = options.worker;
    this.#others = options.channel.workers - 1;
    this.#channel = new BroadcastChannel(options.channel.name);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nobody else of this process sends here
    this.#channel.onmessage = ({ data }: { readonly data: unknown }) => this.#onMessage(data as Message);
    this.#channel.unref();
  }

  /** Undefined as soon as all the others have said that it is not theirs: its other end is in another process. */
  find(binding: string): Promise<ServerEnd | undefined> {
    const known = this.#asked.get(binding);
    if (known !== undefined) return known.promise;
    const { promise, resolve } = Promise.withResolvers<ServerEnd | undefined>();
    const settle = (end: ServerEnd | undefined): void => {
      timer[Symbol.dispose]();
      this.#asked.delete(binding);
      resolve(end);
    };
    const timer = this.#clock.setTimer(FIND_TIMEOUT_MS, () => settle(undefined));
    this.#asked.set(binding, { promise, settle, left: this.#others });
    this.#post({ kind: 'find', from: this.#worker, binding });
    return promise;
  }

  [Symbol.dispose](): void {
    this.#channel.close();
  }

  #onMessage(message: Message): void {
    if (message.kind === 'found') {
      if (message.to === this.#worker) this.#onAnswer(message.binding, message.end);
      return;
    }
    const end = this.#own.find(message.binding) ?? null;
    this.#post({ kind: 'found', to: message.from, binding: message.binding, end });
  }

  #onAnswer(binding: string, end: ServerEnd | null): void {
    const asked = this.#asked.get(binding);
    if (asked === undefined) return;
    asked.left--;
    if (end !== null) asked.settle(end);
    else if (asked.left === 0) asked.settle(undefined);
  }

  #post(message: Message): void {
    this.#channel.postMessage(message);
  }
}
