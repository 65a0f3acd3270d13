import { type DescriptorChannel, type DescriptorListener, LinuxError, type NetnsHandle } from '@ambit/mesh/linux';
import type { Clock, Logger } from '@ambit/mesh/runtime';
import { WireError } from '@ambit/mesh/wire';
import { CniError } from '../errors.ts';
import type { CniInstruments } from '../metrics.ts';
import { AgentConnection, type AnnouncedPod } from './agent-connection.ts';

export interface ZdsServerOptions {
  readonly listener: DescriptorListener;
  /** Users a node agent may run as. */
  readonly allowedUserIds: ReadonlySet<number>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: CniInstruments;
}

// Protocol.md 2.5.
const ACCEPTS_PER_SECOND_MAX = 5;
const ACCEPT_WINDOW_MS = 1000;
/** An agent, its successor, and leftovers of both. */
export const AGENTS_CONNECTED_MAX = 16;

/**
 * Tells node agents which pods to capture (protocol.md 2.5). What is announced goes to the node agent that connected last, of each of
 * the two that a node may have; every connected one is told what is withdrawn. The owner disposes it, which ends all connections.
 */
export class ZdsServer implements Disposable {
  readonly #options: ZdsServerOptions;
  readonly #announced = new Map<string, AnnouncedPod>();
  /** In order of connection. */
  readonly #connections: AgentConnection[] = [];
  readonly #answerWaiters = new Set<() => void>();
  readonly #stop = new AbortController();

  constructor(options: ZdsServerOptions) {
    this.#options = options;
  }

  /** Accepts node agents until disposed. Call it once what is announced is complete: a node agent drops what a snapshot lacks. */
  async serve(): Promise<void> {
    const { listener, clock, logger } = this.#options;
    const acceptedAtMs: number[] = [];
    while (!this.#stop.signal.aborted) {
      try {
        const first = acceptedAtMs.length < ACCEPTS_PER_SECOND_MAX ? undefined : acceptedAtMs.shift();
        if (first !== undefined) await this.#pause(first + ACCEPT_WINDOW_MS - clock.monotonic());
        const channel = await listener.accept(this.#stop.signal);
        acceptedAtMs.push(clock.monotonic());
        this.#admit(channel);
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        logger.warn('a node agent could not be accepted', { error });
        await this.#pause(ACCEPT_WINDOW_MS).catch(() => {});
      }
    }
  }

  /** From now on node agents have to capture the pod. The handle stays the caller's, open until `withdraw` has resolved. */
  announce(pod: AnnouncedPod): void {
    this.#announced.set(pod.uid, pod);
    this.#wakeAll();
  }

  /** Resolves once no connected node agent captures the pod any more; at once when it was not announced. */
  async withdraw(uid: string): Promise<void> {
    if (!this.#announced.delete(uid)) return;
    this.#wakeAll();
    while (this.#connections.some((connection) => connection.knows(uid) !== 'not-told')) {
      const answered = Promise.withResolvers<void>();
      this.#answerWaiters.add(answered.resolve);
      await answered.promise;
    }
  }

  /** Node agents that have their snapshot. */
  get liveCount(): number {
    return this.#connections.filter((connection) => connection.isLive).length;
  }

  /** A latest node agent has opened the ports of this pod in its present namespace: of two, either will do. */
  isTaken(uid: string, netns: NetnsHandle): boolean {
    if (this.#announced.get(uid)?.netns !== netns) return false;
    return this.#connections.some((connection) => this.#isLatest(connection) && connection.knows(uid) === 'taken');
  }

  /** No node agent connected later in its slot. One that has not said which it is stands in nobody's way. */
  #isLatest(connection: AgentConnection): boolean {
    const { slot } = connection;
    return slot !== null && this.#connections.findLast((each) => each.slot === slot) === connection;
  }

  /** Calls back after each change of what node agents have taken. */
  onAnswer(callback: () => void): void {
    this.#onAnswer = callback;
  }

  #onAnswer: () => void = () => {};

  [Symbol.dispose](): void {
    this.#stop.abort(new Error('the ZDS server stops'));
    this.#options.listener[Symbol.dispose]();
    for (const connection of this.#connections) connection[Symbol.dispose]();
  }

  #admit(channel: DescriptorChannel): void {
    const { allowedUserIds, logger, metrics } = this.#options;
    const { userId, processId } = channel.peer;
    const peer = { 'peer.user': userId, 'peer.process': processId };
    const refusal = !allowedUserIds.has(userId)
      ? 'stranger'
      : this.#connections.length >= AGENTS_CONNECTED_MAX
        ? 'too-many'
        : null;
    if (refusal !== null) {
      channel[Symbol.dispose]();
      metrics.agentConnections.add([refusal]);
      logger.warn('connection to the ZDS socket refused', { ...peer, reason: refusal }, { limitBy: String(userId) });
      return;
    }
    const connection: AgentConnection = new AgentConnection({
      channel,
      announced: this.#announced,
      isLatest: () => this.#isLatest(connection),
      onAnswer: () => this.#answered(),
      clock: this.#options.clock,
      logger,
      metrics,
    });
    this.#connections.push(connection);
    this.#countConnections();
    logger.info('node agent connected', peer, { limitBy: String(userId) });
    void this.#follow(connection, peer);
  }

  async #follow(connection: AgentConnection, peer: Readonly<Record<string, number>>): Promise<void> {
    const { logger, metrics } = this.#options;
    const limitBy = String(peer['peer.user']);
    try {
      await connection.run();
      metrics.agentConnections.add(['closed']);
      logger.info('node agent disconnected', peer, { limitBy });
    } catch (error) {
      metrics.agentConnections.add([this.#stop.signal.aborted ? 'closed' : endOf(error)]);
      if (!this.#stop.signal.aborted) {
        logger.warn('connection to a node agent ended', { ...peer, error }, { limitBy: String(error) });
      }
    } finally {
      this.#connections.splice(this.#connections.indexOf(connection), 1);
      this.#countConnections();
      // Who waits for this node agent's answer waits no longer, and another one may be the latest now.
      this.#answered();
      this.#wakeAll();
    }
  }

  #countConnections(): void {
    this.#options.metrics.agentsConnected.set([], this.#connections.length);
  }

  #answered(): void {
    const waiters = [...this.#answerWaiters];
    this.#answerWaiters.clear();
    for (const wake of waiters) wake();
    this.#onAnswer();
  }

  #wakeAll(): void {
    for (const connection of this.#connections) connection.wake();
  }

  async #pause(delayMs: number): Promise<void> {
    if (delayMs > 0) await this.#options.clock.sleep(delayMs, this.#stop.signal);
  }
}

function endOf(error: unknown): 'broke-protocol' | 'silent' | 'failed' {
  if (error instanceof WireError) return 'broke-protocol';
  if (!(error instanceof CniError)) return isLimitBreach(error) ? 'broke-protocol' : 'failed';
  return error.code === 'agent-silent' ? 'silent' : error.code === 'agent-protocol' ? 'broke-protocol' : 'failed';
}

function isLimitBreach(error: unknown): boolean {
  if (!(error instanceof LinuxError)) return false;
  return error.code === 'message-truncated' || error.code === 'too-many-descriptors';
}
