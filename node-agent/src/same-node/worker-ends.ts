import { BroadcastChannel } from 'node:worker_threads';
import type { Clock } from '@ambit/mesh/runtime';
import type { ServerEnd, ServerEnds } from './server-ends.ts';

/** How long the other workers have to answer; asked once per session. Silence means that its other end is in another process. */
const FIND_TIMEOUT_MS = 200;

type Message =
  | { readonly kind: 'find'; readonly from: number; readonly binding: string }
  | { readonly kind: 'found'; readonly to: number; readonly binding: string; readonly end: ServerEnd };

/** A question that is not answered yet. */
interface Waiting {
  readonly answer: Promise<ServerEnd | undefined>;
  readonly settle: (end: ServerEnd | undefined) => void;
}

/**
 * The ends that the other data workers of this process have accepted: a pod's listeners stand in every worker, and the kernel
 * chooses who accepts. Messages stay within the process.
 */
export class WorkerEnds implements Disposable {
  readonly #clock: Clock;
  readonly #own: Pick<ServerEnds, 'find'>;
  readonly #worker: number;
  readonly #channel: BroadcastChannel;
  readonly #waiting = new Map<string, Waiting>();

  /** `name` is the process's own; `worker` the index of this one. */
  constructor(options: {
    readonly clock: Clock;
    readonly own: Pick<ServerEnds, 'find'>;
    readonly name: string;
    readonly worker: number;
  }) {
    this.#clock = options.clock;
    this.#own = options.own;
    this.#worker = options.worker;
    this.#channel = new BroadcastChannel(options.name);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nobody else of this process sends here
    this.#channel.onmessage = ({ data }: { readonly data: unknown }) => this.#onMessage(data as Message);
    this.#channel.unref();
  }

  /** Who asks while the same is being asked hears the same. */
  find(binding: string): Promise<ServerEnd | undefined> {
    const asked = this.#waiting.get(binding);
    if (asked !== undefined) return asked.answer;
    const { promise: answer, resolve } = Promise.withResolvers<ServerEnd | undefined>();
    const settle = (end: ServerEnd | undefined): void => {
      timer[Symbol.dispose]();
      this.#waiting.delete(binding);
      resolve(end);
    };
    const timer = this.#clock.setTimer(FIND_TIMEOUT_MS, () => settle(undefined));
    this.#waiting.set(binding, { answer, settle });
    this.#post({ kind: 'find', from: this.#worker, binding });
    return answer;
  }

  [Symbol.dispose](): void {
    this.#channel.close();
  }

  #onMessage(message: Message): void {
    if (message.kind === 'found') {
      if (message.to === this.#worker) this.#waiting.get(message.binding)?.settle(message.end);
      return;
    }
    const end = this.#own.find(message.binding);
    if (end !== undefined) this.#post({ kind: 'found', to: message.from, binding: message.binding, end });
  }

  #post(message: Message): void {
    this.#channel.postMessage(message);
  }
}
