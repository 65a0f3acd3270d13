import type { DescriptorChannel, DescriptorListener } from '@ambit/mesh/linux';
import type { Clock, Logger } from '@ambit/mesh/runtime';
import { closeListeners } from './handed-listener.ts';
import {
  decodeHandoverRequest,
  encodeHandover,
  HANDOVER_VERSION,
  type HandoverAnswer,
  HandoverError,
  type HandoverPod,
  type HandoverRequest,
} from './handover-message.ts';
import { checkHandoverPeer } from './handover-socket.ts';
import type { PodLender } from './pod-lender.ts';

export interface HandoverServerOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly lender: Pick<PodLender, 'holds' | 'share' | 'handOver' | 'resume'>;
  /** Listens at a path, in the place of whoever did. @throws SyscallError. */
  readonly listenAt: (path: string) => AcceptingListener;
  /** Closes the servers of this process that a successor with the same configuration opens too. */
  readonly releaseServers: () => Promise<void>;
  /** Opens them again. Never rejects. */
  readonly reopenServers: () => Promise<void>;
}

export type AcceptingListener = Pick<DescriptorListener, 'accept' | typeof Symbol.dispose>;

/** The longest that the agent after may take to open a pod, and to take an answer. */
const TAKE_TIMEOUT_MS = 10_000;
/** After a connection could not be accepted, as when there are no descriptors left. */
const ACCEPT_PAUSE_MS = 1000;

/**
 * Where the agent after this one takes pods over. One at a time; another one that comes meanwhile is turned away and listens beside both. When
 * it is lost before this agent stops, this one serves all pods again.
 */
export class HandoverServer implements Disposable {
  readonly #options: HandoverServerOptions;
  #listener: AcceptingListener | null = null;
  #path: string | null = null;
  #successor: DescriptorChannel | null = null;
  #hasReleased = false;
  readonly #stop = new AbortController();

  constructor(options: HandoverServerOptions) {
    this.#options = options;
  }

  /** Listens at `path`, in the place of whoever did. @throws SyscallError. */
  listen(path: string): void {
    if (this.#stop.signal.aborted) return;
    const before = this.#listener;
    this.#path = path;
    this.#listener = this.#options.listenAt(path);
    before?.[Symbol.dispose]();
    void this.#accept(this.#listener);
  }

  /** Another agent takes over, or has. */
  get isSucceeded(): boolean {
    return this.#successor !== null;
  }

  /** This agent stops: whoever took pods over keeps them. */
  [Symbol.dispose](): void {
    this.#stop.abort();
    this.#listener?.[Symbol.dispose]();
    this.#successor?.[Symbol.dispose]();
  }

  /** Until this agent stops, or listens with another one. */
  async #accept(listener: AcceptingListener): Promise<void> {
    const { clock, logger } = this.#options;
    const { signal } = this.#stop;
    const isOver = (): boolean => signal.aborted || listener !== this.#listener;
    while (!isOver()) {
      try {
        void this.#admit(await listener.accept(signal));
      } catch (error) {
        if (isOver()) return;
        logger.warn('an agent that takes over could not be accepted', { error });
        await clock.sleep(ACCEPT_PAUSE_MS, signal).catch(() => {});
      }
    }
  }

  async #admit(channel: DescriptorChannel): Promise<void> {
    const { logger } = this.#options;
    if (this.#successor !== null) {
      logger.warn('another agent takes over already, this one is turned away', {
        'peer.process': channel.peer.processId,
      });
      channel[Symbol.dispose]();
      return;
    }
    this.#successor = channel;
    logger.info('another agent takes over', { 'peer.process': channel.peer.processId });
    try {
      checkHandoverPeer(channel);
      await this.#serve(channel);
    } catch (error) {
      if (!this.#stop.signal.aborted) logger.warn('the hand-over broke', { error });
    }
    channel[Symbol.dispose]();
    await this.#takeBack();
    this.#successor = null;
  }

  /** Until the successor closes the connection. */
  async #serve(channel: DescriptorChannel): Promise<void> {
    const greeting = await receive(channel, AbortSignal.timeout(TAKE_TIMEOUT_MS));
    if (greeting === null) return;
    if (greeting.kind !== 'hello') throw HandoverError.outOfOrder(greeting.kind);
    await send(channel, { kind: 'hello', version: HANDOVER_VERSION });
    if (greeting.version !== HANDOVER_VERSION) return;
    for (;;) {
      const request = await receive(channel);
      if (request === null) return;
      await this.#answer(channel, request);
    }
  }

  async #answer(channel: DescriptorChannel, request: HandoverRequest): Promise<void> {
    switch (request.kind) {
      case 'has':
        return send(channel, { kind: 'has', held: this.#options.lender.holds(request) });
      case 'take':
        return this.#give(channel, request);
      case 'release-servers':
        this.#hasReleased = true;
        await this.#options.releaseServers();
        return send(channel, { kind: 'done' });
      case 'hello':
      case 'taken':
      case 'not-taken':
        throw HandoverError.outOfOrder(request.kind);
    }
  }

  async #give(channel: DescriptorChannel, pod: HandoverPod): Promise<void> {
    const { lender } = this.#options;
    const shared = await lender.share(pod);
    let kept = false;
    try {
      for (const { port, socket } of shared) await send(channel, { kind: 'listener', port }, socket.fd);
      await send(channel, { kind: 'listeners', count: shared.length });
      if (shared.length === 0) return;
      const outcome = await receive(channel, AbortSignal.timeout(TAKE_TIMEOUT_MS));
      if (outcome === null) return;
      if (outcome.kind === 'taken') {
        kept = true;
        await lender.handOver(pod, shared);
      } else if (outcome.kind !== 'not-taken') throw HandoverError.outOfOrder(outcome.kind);
      await send(channel, { kind: 'done' });
    } finally {
      if (!kept) closeListeners(shared);
    }
  }

  async #takeBack(): Promise<void> {
    if (this.#stop.signal.aborted) return;
    const { lender, logger, reopenServers } = this.#options;
    logger.warn('the agent that took over is gone, this one serves all pods again');
    await lender.resume();
    // Its servers would be in the way of whoever comes next.
    if (this.#stop.signal.aborted) return;
    if (this.#hasReleased) await reopenServers();
    this.#hasReleased = false;
    try {
      // The successor may have put its own socket there.
      if (this.#path !== null) this.listen(this.#path);
    } catch (error) {
      logger.error('no more hand-overs: the socket failed', { error });
    }
  }
}

/** Null when the successor closed the connection. */
async function receive(channel: DescriptorChannel, signal?: AbortSignal): Promise<HandoverRequest | null> {
  const message = await channel.receive(signal);
  if (message === null) return null;
  using descriptor = message.descriptor;
  if (descriptor !== null) throw HandoverError.outOfOrder('a descriptor');
  return decodeHandoverRequest(message.data);
}

function send(channel: DescriptorChannel, answer: HandoverAnswer, fd: number | null = null): Promise<void> {
  return channel.send(encodeHandover(answer), fd, AbortSignal.timeout(TAKE_TIMEOUT_MS));
}
