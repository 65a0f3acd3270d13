import type { Logger } from '@ambit/mesh/runtime';
import type { PodSupervisor } from '../pods/pod-supervisor.ts';
import type { PodInstance, WorkerCalls } from '../worker/worker-protocol.ts';
import { closeListeners, type HandedListener, handedListeners, releaseToWorkers } from './handed-listener.ts';
import type { HandoverPod } from './handover-message.ts';

/** The data workers, as far as hand-overs concern them. */
export interface LendingWorkers {
  readonly count: number;
  callAll<Call extends keyof WorkerCalls>(
    call: Call,
    args: WorkerCalls[Call]['args'],
  ): Promise<readonly WorkerCalls[Call]['result'][]>;
}

export interface PodLenderOptions {
  readonly logger: Logger;
  readonly workers: LendingWorkers;
  readonly supervisor: Pick<PodSupervisor, 'servedInstance' | 'servedInstances' | 'onChange'>;
}

/**
 * Gives the listening sockets of pods to the agent that comes after this one, and keeps them, without accepting, until it is
 * told that this one may go: an agent that fails before that leaves nobody without a listener.
 */
export class PodLender implements Disposable {
  readonly #options: PodLenderOptions;
  /** Kept sockets of the instances that another agent serves. */
  readonly #lent = new Map<PodInstance, readonly HandedListener[]>();
  readonly handedOver = { count: 0 };

  constructor(options: PodLenderOptions) {
    this.#options = options;
    options.supervisor.onChange(() => this.#forgetGone());
  }

  /** Pods that another agent accepts for. */
  get lentCount(): number {
    return this.#lent.size;
  }

  /** Whether this agent accepts for the pod, in that namespace. */
  holds(pod: HandoverPod): boolean {
    const instance = this.#options.supervisor.servedInstance(pod);
    return instance !== null && !this.#lent.has(instance);
  }

  /** Its listening sockets; none when it is not ours to give. The caller owns them. */
  async share(pod: HandoverPod): Promise<readonly HandedListener[]> {
    const instance = this.#options.supervisor.servedInstance(pod);
    if (instance === null || this.#lent.has(instance)) return [];
    return handedListeners(await this.#options.workers.callAll('share-listeners', { instance }));
  }

  /** The other agent accepts: this one does no more. `kept` is taken over. */
  async handOver(pod: HandoverPod, kept: readonly HandedListener[]): Promise<void> {
    const { supervisor, workers, logger } = this.#options;
    const instance = supervisor.servedInstance(pod);
    if (instance === null) return closeListeners(kept);
    this.#lent.set(instance, kept);
    this.handedOver.count++;
    await workers.callAll('hand-over', { instance });
    logger.info('pod handed over', { 'pod.uid': pod.uid });
  }

  /** The other agent is gone: this one accepts again, connections that wait among them. */
  async resume(): Promise<void> {
    const { workers, logger } = this.#options;
    const lent = [...this.#lent];
    this.#lent.clear();
    await Promise.all(
      lent.map(async ([instance, kept]) => {
        try {
          await workers.callAll('resume-pod', { instance, listeners: releaseToWorkers(kept, workers.count) });
        } catch (error) {
          logger.error('a pod could not be taken back', { instance, error });
        }
      }),
    );
  }

  /** Lets go of what is kept: the other agent is on its own. */
  [Symbol.dispose](): void {
    for (const kept of this.#lent.values()) closeListeners(kept);
    this.#lent.clear();
  }

  #forgetGone(): void {
    if (this.#lent.size === 0) return;
    const served = this.#options.supervisor.servedInstances();
    for (const [instance, kept] of this.#lent) {
      if (served.has(instance)) continue;
      this.#lent.delete(instance);
      closeListeners(kept);
    }
  }
}
