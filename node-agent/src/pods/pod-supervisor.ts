import { NetnsHandle, sameNetns } from '@ambit/mesh/linux';
import type { SpiffeId, TrustDomain } from '@ambit/mesh/model';
import type { Clock, Logger } from '@ambit/mesh/runtime';
import type { PodNames } from '@ambit/mesh/wire';
import { closeListeners, type HandedListener, releaseToWorkers } from '../handover/handed-listener.ts';
import type { HandoverPod } from '../handover/handover-message.ts';
import type { Predecessor } from '../handover/predecessor.ts';
import type { PodSpec } from '../proxy/pod-context.ts';
import type { ListenersByWorker, PodInstance, WorkerCalls } from '../worker/worker-protocol.ts';
import { decideAdd, podSpecOf, podsToRemove } from './pod-registry.ts';

/** The data workers, as far as pods concern them. */
export interface PodRunner {
  readonly count: number;
  callAll<Call extends keyof WorkerCalls>(call: Call, args: WorkerCalls[Call]['args']): Promise<readonly unknown[]>;
}

/** Keeps the certificates of identities that live here; disposing a hold lets go of one. */
export interface IdentityHolder {
  hold(identity: SpiffeId): Disposable;
  /** Resolves once connections of a pod of this identity need not wait: certificate and mesh view are there. Rejects when `signal` aborts. */
  whenServable(identity: SpiffeId, signal: AbortSignal): Promise<void>;
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
  /** Serves pods until this agent can, if there is one. */
  readonly predecessor: Pick<Predecessor, 'isThere' | 'gone' | 'has' | 'takeOver'> | null;
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
  /** Aborts when the pod is gone. */
  readonly left: AbortController;
}

/**
 * Runs one proxy per announced pod in every data worker. A proxy that cannot start is tried again until it can or the
 * pod goes. A pod that another agent serves is taken over, with its listening sockets, as soon as it would not be served worse here.
 *
 *   add() -> pending --ports open, or taken over--> up --remove()--> gone
 *               \--failed: every 5 s--/
 */
export class PodSupervisor implements AsyncDisposable {
  readonly #options: PodSupervisorOptions;
  readonly #pods = new Map<string, Running>();
  readonly #leaving = new Set<Promise<void>>();
  readonly started = { count: 0 };
  readonly takenOver = { count: 0 };
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

  /** The instance that serves the pod, in this namespace; null when none does yet. */
  servedInstance({ uid, device, inode }: HandoverPod): PodInstance | null {
    const pod = this.#pods.get(uid);
    if (pod === undefined || pod.state !== 'up' || !sameNetns(pod.netns.identity, { device, inode })) return null;
    return pod.instance;
  }

  /** Those that serve pods now. */
  servedInstances(): ReadonlySet<PodInstance> {
    return new Set([...this.#pods.values()].filter(({ state }) => state === 'up').map(({ instance }) => instance));
  }

  /** Whether another agent listens on `port` in every pod that is served here; their namespaces are asked. */
  isEverywhereListenedOn(isListenedOn: (netns: NetnsHandle) => boolean): boolean {
    return [...this.#pods.values()].every((pod) => pod.state !== 'up' || isListenedOn(pod.netns));
  }

  /**
   * Takes over `netnsFd` in any case. Resolves after the first attempt with its error text, empty when the pod is
   * served, be it by the agent before this one; attempts go on after a failure. Never rejects.
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
      left: new AbortController(),
    };
    this.#pods.set(uid, pod);
    this.#changed();
    return (await this.#isServedBefore(pod)) ? '' : this.#start(pod);
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

  /** Whether the agent before serves the pod: then it goes on until this one has taken over. */
  async #isServedBefore(pod: Running): Promise<boolean> {
    const { predecessor } = this.#options;
    if (predecessor?.isThere !== true || !(await predecessor.has(handoverPodOf(pod)))) return false;
    void this.#takeOver(pod, predecessor);
    return true;
  }

  async #takeOver(pod: Running, predecessor: NonNullable<PodSupervisorOptions['predecessor']>): Promise<void> {
    const { identities, logger } = this.#options;
    try {
      const servable = identities.whenServable(pod.spec.identity, pod.left.signal);
      await Promise.race([servable, predecessor.gone]);
      if (pod.state !== 'pending') return;
      const isTaken = await predecessor.takeOver(handoverPodOf(pod), (listeners) => this.#open(pod, listeners));
      if (!isTaken) await this.#start(pod);
    } catch (error) {
      if (pod.state !== 'pending') return;
      logger.warn('pod could not be taken over, will try again', { 'pod.uid': pod.spec.uid, error });
      await this.#closeHalfOpen(pod);
      this.#later(pod, () => this.#takeOver(pod, predecessor));
    }
  }

  async #start(pod: Running): Promise<string> {
    if (pod.state !== 'pending') return '';
    try {
      await this.#open(pod);
      return '';
    } catch (error) {
      if (pod.state !== 'pending') return '';
      this.#options.logger.warn('pod proxy could not start, will try again', { ...namesOf(pod), error });
      await this.#closeHalfOpen(pod);
      this.#later(pod, () => this.#start(pod));
      return error instanceof Error ? error.message : 'failed';
    }
  }

  /** Opens the pod's ports in every worker, on `listeners` of another agent if there are some, which are taken over in any case. */
  async #open(pod: Running, listeners: readonly HandedListener[] = []): Promise<void> {
    const { workers, logger } = this.#options;
    if (pod.state !== 'pending') {
      closeListeners(listeners);
      throw new Error('the pod is gone');
    }
    const given: { listeners?: ListenersByWorker } =
      listeners.length === 0 ? {} : { listeners: releaseToWorkers(listeners, workers.count) };
    await workers.callAll('add-pod', { instance: pod.instance, pod: pod.spec, netnsFd: pod.netns.fd, ...given });
    if (pod.state !== 'pending') return;
    pod.state = 'up';
    this.started.count++;
    if (listeners.length > 0) this.takenOver.count++;
    this.#changed();
    logger.info(listeners.length === 0 ? 'pod added' : 'pod taken over', {
      ...namesOf(pod),
      identity: pod.spec.identity,
    });
  }

  /** Some workers may have succeeded: an attempt starts from nothing. */
  async #closeHalfOpen(pod: Running): Promise<void> {
    await this.#options.workers.callAll('remove-pod', { instance: pod.instance, drainMs: 0 }).catch(() => {});
  }

  #later(pod: Running, attempt: () => Promise<unknown>): void {
    if (pod.state !== 'pending') return;
    pod.retry = this.#options.clock.setTimer(POD_LIMITS.retryMs, () => void (pod.state === 'pending' && attempt()));
  }

  #retire(pod: Running, drainMs: number): Promise<void> {
    pod.state = 'gone';
    pod.left.abort(new DOMException('the pod is gone', 'AbortError'));
    pod.retry?.[Symbol.dispose]();
    const { workers, logger } = this.#options;
    const leaving = workers
      .callAll('remove-pod', { instance: pod.instance, drainMs })
      .then(
        () => logger.info('pod removed', namesOf(pod)),
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
    pod.left.abort(new DOMException('the pod is gone', 'AbortError'));
    pod.retry?.[Symbol.dispose]();
    pod.hold[Symbol.dispose]();
    pod.netns[Symbol.dispose]();
  }
}

function namesOf({ spec }: Running): Readonly<Record<string, string>> {
  return { 'pod.uid': spec.uid, 'pod.namespace': spec.namespace, 'pod.name': spec.name };
}

function handoverPodOf({ spec, netns }: Running): HandoverPod {
  return { uid: spec.uid, ...netns.identity };
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
