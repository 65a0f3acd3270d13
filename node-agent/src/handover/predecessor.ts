import {
  connectDescriptorChannel,
  type DescriptorChannel,
  type DescriptorMessage,
  type OwnedDescriptor,
  SyscallError,
} from '@ambit/mesh/linux';
import type { Logger } from '@ambit/mesh/runtime';
import { closeListeners, type HandedListener, isListenerOf } from './handed-listener.ts';
import {
  decodeHandoverAnswer,
  encodeHandover,
  HANDOVER_VERSION,
  type HandoverAnswer,
  HandoverError,
  type HandoverPod,
  type HandoverRequest,
  LISTENERS_MAX,
} from './handover-message.ts';
import { checkHandoverPeer } from './handover-socket.ts';

interface Answer {
  readonly message: HandoverAnswer;
  readonly descriptor: OwnedDescriptor | null;
}

/** The longest that the agent before may take for one answer. */
export const ANSWER_TIMEOUT_MS = 5000;

/**
 * The agent that serves this node's pods until this one does, as long as it runs: whose pods they are, and the listening sockets of
 * each. One request at a time. When the connection breaks it is as good as gone: what it had not handed over is opened anew beside it.
 */
export class Predecessor implements Disposable {
  /** Resolves when it has ended, or can no longer be understood. */
  readonly gone: Promise<void>;
  readonly #channel: DescriptorChannel;
  readonly #logger: Logger;
  readonly #ended = new AbortController();
  /** The last request, after which the next one may be made. */
  #turn: Promise<unknown> = Promise.resolve();
  /** Something was asked, and not all that belongs to the answer has come. */
  #isAsking = false;
  /** What has come of it and was not looked at yet. */
  readonly #inbox: Answer[] = [];
  #waiter: PromiseWithResolvers<Answer> | null = null;

  private constructor(channel: DescriptorChannel, logger: Logger) {
    this.#channel = channel;
    this.#logger = logger;
    this.gone = new Promise((resolve) => this.#ended.signal.addEventListener('abort', () => resolve()));
    void this.#read();
  }

  /** Null when no agent listens at `path`, or none that speaks as we do. */
  static async connect(path: string, logger: Logger): Promise<Predecessor | null> {
    let channel: DescriptorChannel;
    try {
      channel = connectDescriptorChannel(path);
    } catch (error) {
      if (!(error instanceof SyscallError && (error.errno === 'ENOENT' || error.errno === 'ECONNREFUSED'))) throw error;
      return null;
    }
    const predecessor = new Predecessor(channel, logger);
    try {
      checkHandoverPeer(channel);
      const { message } = await predecessor.#greet();
      if (message.kind !== 'hello') throw HandoverError.outOfOrder(message.kind);
      if (message.version !== HANDOVER_VERSION) {
        throw new HandoverError('other-version', 'the agent before speaks another version', {
          data: { version: message.version },
        });
      }
      return predecessor;
    } catch (error) {
      predecessor[Symbol.dispose]();
      logger.warn('the agent before cannot hand over, this one listens beside it', { socket: path, error });
      return null;
    }
  }

  get isThere(): boolean {
    return !this.#ended.signal.aborted;
  }

  /** Whether it serves the pod, in this very namespace. False also when it cannot be asked. */
  async has(pod: HandoverPod): Promise<boolean> {
    return this.#inTurn(false, async () => {
      await this.#request({ ...pod, kind: 'has' });
      const { message } = await this.#answer();
      return message.kind === 'has' ? message.held : this.#refuse(message);
    });
  }

  /**
   * Takes the pod's sockets and gives them to `use`, whose they are then; once that has resolved the agent before accepts no more. False when
   * there is nothing to take. Rejects with the error of `use`, after which the agent before goes on.
   */
  async takeOver(pod: HandoverPod, use: (listeners: readonly HandedListener[]) => Promise<void>): Promise<boolean> {
    let failure: { readonly error: unknown } | null = null;
    const isTaken = await this.#inTurn(false, async () => {
      await this.#request({ ...pod, kind: 'take' });
      const listeners = await this.#listeners();
      if (listeners.length === 0) return false;
      try {
        await use(listeners);
      } catch (error) {
        failure = { error };
      }
      await this.#request({ kind: failure === null ? 'taken' : 'not-taken' });
      await this.#done();
      return failure === null;
    });
    const failed = failure as { readonly error: unknown } | null;
    if (failed !== null) throw failed.error;
    return isTaken;
  }

  /** It closes the servers of its own that have the addresses of ours. */
  async releaseServers(): Promise<void> {
    await this.#inTurn(null, async () => {
      await this.#request({ kind: 'release-servers' });
      await this.#done();
      return null;
    });
  }

  [Symbol.dispose](): void {
    if (!this.isThere) return;
    this.#ended.abort(new DOMException('the agent before is gone', 'AbortError'));
    this.#channel[Symbol.dispose]();
    for (const { descriptor } of this.#inbox.splice(0)) descriptor?.[Symbol.dispose]();
    this.#waiter?.reject(this.#ended.signal.reason);
  }

  #inTurn<Result>(otherwise: Result, ask: () => Promise<Result>): Promise<Result> {
    const turn = this.#turn.then(async () => {
      if (!this.isThere) return otherwise;
      this.#isAsking = true;
      try {
        return await ask();
      } catch (error) {
        if (this.isThere) this.#logger.warn('the agent before is lost', { error });
        this[Symbol.dispose]();
        return otherwise;
      } finally {
        this.#isAsking = false;
      }
    });
    this.#turn = turn;
    return turn;
  }

  async #listeners(): Promise<readonly HandedListener[]> {
    const taken: HandedListener[] = [];
    try {
      for (;;) {
        const { message, descriptor } = await this.#answer();
        if (message.kind === 'listener' && descriptor !== null && taken.length < LISTENERS_MAX) {
          taken.push({ port: message.port, socket: descriptor });
          if (!isListenerOf(message.port, descriptor)) throw HandoverError.outOfOrder('no listener');
        } else {
          descriptor?.[Symbol.dispose]();
          if (message.kind === 'listeners' && message.count === taken.length) return taken;
          throw HandoverError.outOfOrder(message.kind);
        }
      }
    } catch (error) {
      closeListeners(taken);
      throw error;
    }
  }

  async #done(): Promise<void> {
    const { message } = await this.#answer();
    if (message.kind !== 'done') this.#refuse(message);
  }

  async #greet(): Promise<Answer> {
    this.#isAsking = true;
    try {
      await this.#request({ kind: 'hello', version: HANDOVER_VERSION });
      return await this.#answer();
    } finally {
      this.#isAsking = false;
    }
  }

  #request(request: HandoverRequest): Promise<void> {
    return this.#channel.send(encodeHandover(request), null, AbortSignal.timeout(ANSWER_TIMEOUT_MS));
  }

  async #answer(): Promise<Answer> {
    const ready = this.#inbox.shift();
    if (ready !== undefined) return ready;
    this.#ended.signal.throwIfAborted();
    const waiter = Promise.withResolvers<Answer>();
    this.#waiter = waiter;
    const timeout = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
    const onTimeout = (): void => waiter.reject(timeout.reason);
    timeout.addEventListener('abort', onTimeout, { once: true });
    try {
      return await waiter.promise;
    } finally {
      timeout.removeEventListener('abort', onTimeout);
      this.#waiter = null;
    }
  }

  /** Reads all the time, so that an end is noticed while nothing is asked. */
  async #read(): Promise<void> {
    try {
      for (;;) {
        const received = await this.#channel.receive();
        if (received === null) break;
        this.#take(received);
      }
    } catch (error) {
      if (this.isThere) this.#logger.warn('the agent before is lost', { error });
    } finally {
      this[Symbol.dispose]();
    }
  }

  #take({ data, descriptor }: DescriptorMessage): void {
    try {
      const message = decodeHandoverAnswer(data);
      if (!this.#isAsking || this.#inbox.length > LISTENERS_MAX) throw HandoverError.outOfOrder(message.kind);
      const answer: Answer = { message, descriptor };
      if (this.#waiter === null) this.#inbox.push(answer);
      else this.#waiter.resolve(answer);
      this.#waiter = null;
    } catch (error) {
      descriptor?.[Symbol.dispose]();
      throw error;
    }
  }

  #refuse(message: HandoverAnswer): never {
    throw HandoverError.outOfOrder(message.kind);
  }
}
