import type { DescriptorChannel, DescriptorMessage, NetnsHandle } from '@ambit/mesh/linux';
import { type Backoff, type Clock, createBackoff, type Logger, withinDeadline } from '@ambit/mesh/runtime';
import {
  type AgentSlot,
  decodePodHello,
  decodePodResponse,
  encodePodRequest,
  type PodNames,
  type PodRequest,
} from '@ambit/mesh/wire';
import { CniError } from '../errors.ts';
import type { AgentAnswer, CniInstruments } from '../metrics.ts';
import { decideNextMessage, type ToldPod } from './decide-next-message.ts';

/** A pod that node agents have to capture. Its handle stays open as long as it is announced. */
export interface AnnouncedPod {
  readonly uid: string;
  readonly names: PodNames;
  readonly netns: NetnsHandle;
}

export interface AgentConnectionOptions {
  readonly channel: DescriptorChannel;
  readonly announced: ReadonlyMap<string, AnnouncedPod>;
  readonly isLatest: () => boolean;
  /** The node agent answered for this pod, or forgot it. */
  readonly onAnswer: () => void;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: CniInstruments;
}

// Protocol.md 2.5.
const DEADLINE_MS = 5000;
const ASK_AGAIN = { initialMs: 100, maxMs: 15_000, factor: 2, jitter: 0.2 } as const;

/** Ends whoever waits for an answer when the peer went away in order; not a failure. */
const closedByPeer = new Error('closed by the node agent');

interface Told extends ToldPod<NetnsHandle> {
  readonly backoff: Backoff;
  readonly acknowledged: boolean;
}

/**
 * One node agent: greets, gets the snapshot, then changes, one request at a time, each acknowledged before the next. It has no
 * queue: what to say next follows from what is announced and what was told, so a slow node agent costs no memory. Disposing
 * it closes the channel and ends `run`.
 */
export class AgentConnection implements Disposable {
  readonly #options: AgentConnectionOptions;
  readonly #told = new Map<string, Told>();
  #snapshotSent = false;
  #slot: AgentSlot | null = null;
  /** The one packet that was asked for. Invariant: null iff nothing is awaited from the node agent. */
  #awaited: PromiseWithResolvers<Uint8Array> | null = null;
  #wake: (() => void) | null = null;

  constructor(options: AgentConnectionOptions) {
    this.#options = options;
  }

  /** Which of the agents of this node it is; null until it has said so. */
  get slot(): AgentSlot | null {
    return this.#slot;
  }

  /** The node agent has what was announced at its snapshot and may be believed about the rest. */
  get isLive(): boolean {
    return this.#snapshotSent;
  }

  /** `taken`: its ports are open for this pod. `told`: not yet, or no longer sure. */
  knows(uid: string): 'taken' | 'told' | 'not-told' {
    const told = this.#told.get(uid);
    return told === undefined ? 'not-told' : told.acknowledged ? 'taken' : 'told';
  }

  /** Something announced changed, or who is latest. */
  wake(): void {
    this.#wake?.();
  }

  /** Resolves when the node agent closed the connection. @throws CniError, WireError or LinuxError when it broke. */
  async run(): Promise<void> {
    const ended = new AbortController();
    const reading = this.#read().finally(() => {
      ended.abort();
      this.wake();
    });
    const talking = this.#talk(ended.signal);
    try {
      // Whichever fails first tells why; the end of reading alone is an orderly end.
      await Promise.race([reading, talking]);
    } catch (error) {
      if (error !== closedByPeer) throw error;
    } finally {
      this[Symbol.dispose]();
      await Promise.allSettled([reading, talking]);
    }
  }

  [Symbol.dispose](): void {
    this.#options.channel[Symbol.dispose]();
  }

  async #talk(ended: AbortSignal): Promise<void> {
    this.#slot = decodePodHello(await this.#withinDeadline('hello', this.#answer())).slot;
    while (!ended.aborted) {
      const { announced, clock, isLatest } = this.#options;
      const nowMs = clock.monotonic();
      const next = decideNextMessage({
        announced,
        told: this.#told,
        isLatest: isLatest(),
        snapshotSent: this.#snapshotSent,
        nowMs,
      });
      if (next.kind === 'wait') await this.#sleep(next.untilMs === null ? null : next.untilMs - nowMs);
      else if (next.kind === 'snapshot-sent') await this.#sendSnapshotSent();
      else if (next.kind === 'delete') await this.#sendDelete(next.uid);
      else await this.#sendAdd(next.uid);
    }
  }

  async #sendAdd(uid: string): Promise<void> {
    const { announced, clock, logger, onAnswer } = this.#options;
    const pod = announced.get(uid);
    if (pod === undefined) return;
    const backoff = this.#told.get(uid)?.backoff ?? createBackoff(ASK_AGAIN);
    const { names } = pod;
    const what = { netns: pod.netns, serviceAccount: names.serviceAccount };
    this.#told.set(uid, { ...what, backoff, askAgainAtMs: null, acknowledged: false });
    // Its own descriptor: the pod may be withdrawn, and its handle closed, while the socket is full.
    using netns = pod.netns.duplicate();
    const error = await this.#ask({ kind: 'add', uid, pod: names }, netns.fd);
    if (error === '') {
      this.#told.set(uid, {
        ...what,
        backoff: createBackoff(ASK_AGAIN),
        askAgainAtMs: null,
        acknowledged: true,
      });
    } else {
      const delayMs = backoff.nextMs();
      const askAgainAtMs = clock.monotonic() + delayMs;
      this.#told.set(uid, { ...what, backoff, askAgainAtMs, acknowledged: false });
      logger.warn('node agent could not take a pod, it is asked again', { 'pod.uid': uid, reason: error, delayMs });
    }
    onAnswer();
  }

  async #sendDelete(uid: string): Promise<void> {
    const error = await this.#ask({ kind: 'delete', uid }, null);
    // It is gone as far as we are concerned: nothing else could be asked of the node agent.
    if (error !== '') this.#options.logger.warn('node agent could not forget a pod', { 'pod.uid': uid, reason: error });
    this.#told.delete(uid);
    this.#options.onAnswer();
  }

  async #sendSnapshotSent(): Promise<void> {
    const error = await this.#ask({ kind: 'snapshot-sent' }, null);
    if (error !== '') throw new CniError('agent-refused', { data: { request: 'snapshot-sent', reason: error } });
    this.#snapshotSent = true;
    this.#options.logger.info('node agent has the snapshot', { pods: this.#told.size });
    this.#options.onAnswer();
  }

  /** The error of the acknowledgement, empty when it was done. */
  async #ask(request: PodRequest, descriptor: number | null): Promise<string> {
    const { channel, metrics } = this.#options;
    const count = (result: AgentAnswer): void => metrics.agentRequests.add([request.kind, result]);
    try {
      const answer = this.#answer();
      answer.catch(() => {}); // Sending may fail first; then nobody waits for it.
      await this.#withinDeadline(request.kind, channel.send(encodePodRequest(request), descriptor));
      const { error } = decodePodResponse(await this.#withinDeadline(request.kind, answer));
      count(error === '' ? 'done' : 'refused');
      return error;
    } catch (error) {
      count('failed');
      throw error;
    }
  }

  async #withinDeadline<T>(request: PodRequest['kind'] | 'hello', work: Promise<T>): Promise<T> {
    try {
      return await withinDeadline(this.#options.clock, DEADLINE_MS, () => work);
    } catch (cause) {
      throw isTimeout(cause) ? new CniError('agent-silent', { cause, data: { request } }) : cause;
    }
  }

  /** The next packet of the node agent, which must be asked for before it arrives. */
  #answer(): Promise<Uint8Array> {
    const awaited = Promise.withResolvers<Uint8Array>();
    this.#awaited = awaited;
    return awaited.promise;
  }

  async #read(): Promise<void> {
    try {
      for (let message = await this.#receive(); message !== null; message = await this.#receive()) {
        using descriptor = message.descriptor;
        const awaited = this.#awaited;
        if (descriptor !== null || awaited === null) {
          const reason = descriptor === null ? 'a message that nobody asked for' : 'a descriptor';
          throw new CniError('agent-protocol', { data: { reason } });
        }
        this.#awaited = null;
        awaited.resolve(message.data);
      }
      this.#awaited?.reject(closedByPeer);
    } catch (error) {
      this.#awaited?.reject(error);
      throw error;
    }
  }

  #receive(): Promise<DescriptorMessage | null> {
    return this.#options.channel.receive();
  }

  async #sleep(delayMs: number | null): Promise<void> {
    const woken = Promise.withResolvers<void>();
    this.#wake = woken.resolve;
    const timer = delayMs === null ? null : this.#options.clock.setTimer(delayMs, woken.resolve);
    await woken.promise;
    timer?.[Symbol.dispose]();
    this.#wake = null;
  }
}

function isTimeout(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'TimeoutError';
}
