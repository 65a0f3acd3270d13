import { NetnsHandle } from '@ambit/mesh/linux';
import type { SpiffeId, TrustDomain } from '@ambit/mesh/model';
import type { Clock, Logger } from '@ambit/mesh/runtime';
import type { PodNames } from '@ambit/mesh/wire';
import type { PodSpec } from '../proxy/pod-context.ts';
import type { PodInstance, WorkerCalls } from '../worker/worker-protocol.ts';
import { decideAdd, podSpecOf, podsToRemove } from './pod-registry.ts';

/** The data workers, as far as pods concern them. */
export interface PodRunner {
  callAll<Call extends keyof WorkerCalls>(call: Call, args: WorkerCalls[Call]['args']): Promise<readonly unknown[]>;
}

/** Keeps the certificates of identities that live here; disposing a hold lets go of one. */
export interface IdentityHolder {
  hold(identity: SpiffeId): Disposable;
}

export interface PodSupervisorOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly workers: PodRunner;
  readonly identities: IdentityHolder;
  readonly clusterId: string;
  readonly trustDomain: TrustDomain;
  /** How long a pod that moved to another namespace keeps its old connections. */
  readonly drainMs: number;
}

export const POD_LIMITS = {
  /** More pods than any node runs. */
  podsMax: 4096,
  retryMs: 5000,
} as const;

/** One pod as the admin interface shows it. */
export interface PodStatus {
  readonly spec: PodSpec;
  readonly state: 'pending' | 'up';
}

interface Running {
  readonly spec: PodSpec;
  readonly netns: NetnsHandle;
  readonly instance: PodInstance;
  readonly hold: Disposable;
  state: 'pending' | 'up' | 'gone';
  retry: Disposable | null;
}

/**
 * Runs one proxy per announced pod in every data worker. A proxy that cannot start is tried again until it can or the
 * pod goes.
 *
 *   add() -> pending --ports open--> up --remove()--> gone
 *               \--failed: every 5 s--/
 */
export class PodSupervisor implements AsyncDisposable {
  readonly #options: PodSupervisorOptions;
  readonly #pods = new Map<string, Running>();
  readonly #leaving = new Set<Promise<void>>();
  readonly started = { count: 0 };
  readonly stopped = { count: 0 };
  readonly #listeners: (() => void)[] = [];
  #lastInstance = 0;

  constructor(options: PodSupervisorOptions) {
    this.#options = options;
  }

  /** `listener` hears of every change of the pods or their state, for the life of the supervisor. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Pods whose ports are not open yet. */
  get pendingCount(): number {
    let count = 0;
    for (const pod of this.#pods.values()) if (pod.state === 'pending') count++;
    return count;
  }

  pods(): readonly PodStatus[] {
    return [...this.#pods.values()].map(({ spec, state }) => ({ spec, state: state === 'up' ? 'up' : 'pending' }));
  }

  has(uid: string): boolean {
    return this.#pods.has(uid);
  }

  /**
   * Takes over `netnsFd` in any case. Resolves after the first attempt with its error text, empty when the pod is
   * served; attempts go on after a failure. Never rejects.
   */
  async add(uid: string, names: PodNames, netnsFd: number): Promise<string> {
    let announced: { readonly netns: NetnsHandle; readonly spec: PodSpec };
    try {
      announced = readAnnouncement(uid, names, netnsFd, this.#options);
    } catch (error) {
      this.#options.logger.error('announced pod cannot be used', { 'pod.uid': uid, error });
      return error instanceof Error ? error.message : 'unusable';
    }
    const { netns, spec } = announced;
    const current = this.#pods.get(uid);
    const decision = decideAdd(
      current === undefined ? undefined : { netns: current.netns.identity, spec: current.spec },
      { netns: netns.identity, spec },
    );
    if (decision === 'unchanged') {
      netns[Symbol.dispose]();
      return '';
    }
    if (current === undefined && this.#pods.size >= POD_LIMITS.podsMax) {
      netns[Symbol.dispose]();
      return 'too many pods';
    }
    if (current !== undefined) void this.#retire(current, this.#options.drainMs);
    const pod: Running = {
      spec,
      netns,
      instance: ++this.#lastInstance,
      hold: this.#options.identities.hold(spec.identity),
      state: 'pending',
      retry: null,
    };
    this.#pods.set(uid, pod);
    this.#changed();
    return this.#start(pod);
  }

  /** The pod is gone: its connections are cut at once, since its network already is. */
  async remove(uid: string): Promise<void> {
    const pod = this.#pods.get(uid);
    if (pod === undefined) return;
    this.#pods.delete(uid);
    this.#changed();
    await this.#retire(pod, 0);
  }

  /** Removes every pod that `listed` does not name. */
  async keepOnly(listed: ReadonlySet<string>): Promise<void> {
    await Promise.all(podsToRemove(this.#pods.keys(), listed).map((uid) => this.remove(uid)));
  }

  /** Lets go of every namespace. The data workers have stopped before. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const pod of this.#pods.values()) this.#release(pod);
    this.#pods.clear();
    await Promise.allSettled(this.#leaving);
  }

  async #start(pod: Running): Promise<string> {
    const { workers, logger, clock } = this.#options;
    const fields = { 'pod.uid': pod.spec.uid, 'pod.namespace': pod.spec.namespace, 'pod.name': pod.spec.name };
    try {
      await workers.callAll('add-pod', { instance: pod.instance, pod: pod.spec, netnsFd: pod.netns.fd });
    } catch (error) {
      if (pod.state === 'gone') return '';
      logger.warn('pod proxy could not start, will try again', { ...fields, error });
      // Some workers may have succeeded: an attempt starts from nothing.
      await workers.callAll('remove-pod', { instance: pod.instance, drainMs: 0 }).catch(() => {});
      pod.retry = clock.setTimer(POD_LIMITS.retryMs, () => void (pod.state === 'pending' && this.#start(pod)));
      return error instanceof Error ? error.message : 'failed';
    }
    if (pod.state === 'pending') {
      pod.state = 'up';
      this.started.count++;
      this.#changed();
      logger.info('pod added', { ...fields, identity: pod.spec.identity });
    }
    return '';
  }

  #retire(pod: Running, drainMs: number): Promise<void> {
    pod.state = 'gone';
    pod.retry?.[Symbol.dispose]();
    const { workers, logger } = this.#options;
    const leaving = workers
      .callAll('remove-pod', { instance: pod.instance, drainMs })
      .then(
        () =>
          logger.info('pod removed', {
            'pod.uid': pod.spec.uid,
            'pod.namespace': pod.spec.namespace,
            'pod.name': pod.spec.name,
          }),
        (error: unknown) => logger.error('pod proxy could not be removed', { 'pod.uid': pod.spec.uid, error }),
      )
      .finally(() => {
        this.stopped.count++;
        this.#release(pod);
        this.#leaving.delete(leaving);
      });
    this.#leaving.add(leaving);
    return leaving;
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }

  #release(pod: Running): void {
    pod.state = 'gone';
    pod.retry?.[Symbol.dispose]();
    pod.hold[Symbol.dispose]();
    pod.netns[Symbol.dispose]();
  }
}

/** Takes over `netnsFd`, also when it throws. */
function readAnnouncement(
  uid: string,
  names: PodNames,
  netnsFd: number,
  mesh: Pick<PodSupervisorOptions, 'clusterId' | 'trustDomain'>,
): { readonly netns: NetnsHandle; readonly spec: PodSpec } {
  const netns = NetnsHandle.adopt(netnsFd);
  try {
    return { netns, spec: podSpecOf(uid, names, mesh) };
  } catch (error) {
    netns[Symbol.dispose]();
    throw error;
  }
}
