import { connectDescriptorChannel, type DescriptorChannel, type DescriptorMessage } from '@ambit/mesh/linux';
import { type Clock, createBackoff, type Logger } from '@ambit/mesh/runtime';
import { type AgentSlot, decodePodRequest, encodePodHello, encodePodResponse, type PodRequest } from '@ambit/mesh/wire';
import type { PodSupervisor } from './pod-supervisor.ts';

export interface ZdsClientOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly socketPath: string;
  readonly slot: AgentSlot;
  readonly supervisor: Pick<PodSupervisor, 'add' | 'remove' | 'keepOnly' | 'has'>;
  /** A complete snapshot was taken over: every pod of the node is known. */
  readonly onSnapshot: () => void;
  /**
   * False once another agent has taken over, or this one stops: the CNI agent gives new pods to whoever connected last, which this one must
   * not be any more. A connection that there is stays, for what is removed.
   */
  readonly mayConnect: () => boolean;
  /** [0, 1). */
  readonly random: () => number;
}

/** protocol.md 2.5. */
export const ZDS_BACKOFF = { initialMs: 10, maxMs: 15_000, factor: 2, jitter: 0.2 } as const;
const SEND_TIMEOUT_MS = 5000;
/** A CNI agent that starts beside this agent, or anew, is not worth a warning. */
const PATIENCE_MS = 1000;
const NOT_NOW_MS = 500;

/**
 * Learns of the node's pods from the CNI agent, which listens. Connects again for ever; pods go on being served while it
 * is away, and those it no longer names in its next snapshot are removed.
 */
export class ZdsClient {
  readonly #options: ZdsClientOptions;
  readonly #backoff: ReturnType<typeof createBackoff>;
  #connected = false;

  constructor(options: ZdsClientOptions) {
    this.#options = options;
    this.#backoff = createBackoff(ZDS_BACKOFF, options.random);
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** Runs until `signal` aborts. To be called once. */
  async run(signal: AbortSignal): Promise<void> {
    const { logger, clock, socketPath } = this.#options;
    let complained = false;
    let awaySinceMs = clock.monotonic();
    while (!signal.aborted) {
      if (!this.#options.mayConnect()) {
        await clock.sleep(NOT_NOW_MS, signal).catch(() => {});
        continue;
      }
      try {
        using channel = connectDescriptorChannel(socketPath);
        complained = false;
        this.#connected = true;
        logger.info('connected to the CNI agent', { socket: socketPath });
        await this.#session(channel, signal);
        logger.info('the CNI agent closed the connection');
      } catch (error) {
        if (signal.aborted) break;
        // Once per outage: it may last while the CNI agent is upgraded.
        if (this.#connected || (!complained && clock.monotonic() - awaySinceMs >= PATIENCE_MS)) {
          logger.warn('no connection to the CNI agent, will try again', { socket: socketPath, error });
          complained = true;
        }
      } finally {
        if (this.#connected) awaySinceMs = clock.monotonic();
        this.#connected = false;
      }
      await clock.sleep(this.#backoff.nextMs(), signal).catch(() => {});
    }
  }

  async #session(channel: DescriptorChannel, signal: AbortSignal): Promise<void> {
    const send = (packet: Uint8Array): Promise<void> =>
      channel.send(packet, null, AbortSignal.any([signal, AbortSignal.timeout(SEND_TIMEOUT_MS)]));
    await send(encodePodHello(this.#options.slot));
    /** Pods of the snapshot that is being sent; null after it. */
    let listed: Set<string> | null = new Set();
    for (;;) {
      const message = await channel.receive(signal);
      if (message === null) return;
      const request = readRequest(message);
      const error = await this.#handle(request, message, listed);
      if (request.kind === 'snapshot-sent') {
        listed = null;
        this.#backoff.reset();
      }
      await send(encodePodResponse({ error }));
    }
  }

  async #handle(request: PodRequest, message: DescriptorMessage, listed: Set<string> | null): Promise<string> {
    const { supervisor, onSnapshot, logger } = this.#options;
    // Whatever is not handed on below is closed here.
    using descriptor = message.descriptor;
    switch (request.kind) {
      case 'add': {
        if (descriptor === null) return 'the network namespace is missing';
        if (request.pod === undefined) return 'workload_info is missing';
        listed?.add(request.uid);
        return supervisor.add(request.uid, request.pod, descriptor.release());
      }
      case 'keep':
        listed?.add(request.uid);
        return supervisor.has(request.uid) ? '' : 'the pod is not known';
      case 'delete':
        listed?.delete(request.uid);
        await supervisor.remove(request.uid);
        return '';
      case 'snapshot-sent':
        if (listed === null) return 'a snapshot was sent already';
        await supervisor.keepOnly(listed);
        logger.info('pods of this node are known', { pods: listed.size });
        onSnapshot();
        return '';
    }
  }
}

/** A message that cannot be read ends the connection; its descriptor does not outlive it. */
function readRequest(message: DescriptorMessage): PodRequest {
  try {
    return decodePodRequest(message.data);
  } catch (error) {
    message.descriptor?.[Symbol.dispose]();
    throw error;
  }
}
