import { type NetnsIdentity, sameNetns } from '@ambit/mesh/linux';
import type { MetricSample } from '@ambit/mesh/runtime';
import type { DesiredPod } from './desired-pods.ts';
import type { PodIdentity } from './netns-finder.ts';
import { type EnrolmentTools, PodEnrolment } from './pod-enrolment.ts';
import type { ZdsServer } from './zds-server.ts';

export type PodState = 'enrolled' | 'enrolling' | 'releasing';

export interface PodStatus {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  /** `enrolled`: rules are in place and the node agent serves behind them. */
  readonly state: PodState;
}

export interface PodEnrollerOptions extends Omit<EnrolmentTools, 'onChange'> {
  /** Something about a pod changed: its state, or what a node agent has taken. Called synchronously; must not throw. */
  readonly onChange?: () => void;
  readonly agents: Pick<ZdsServer, 'announce' | 'withdraw' | 'isTaken'>;
}

/** Brings every pod of the node, each at its own pace, to where it should be. Disposing it leaves all rules in place. */
export class PodEnroller implements AsyncDisposable {
  readonly #options: PodEnrollerOptions;
  readonly #tools: EnrolmentTools;
  readonly #waiters = new Set<() => void>();
  readonly #enrolments = new Map<string, { readonly enrolment: PodEnrolment; readonly ended: Promise<void> }>();
  readonly #stop = new AbortController();
  /** Pods that a node agent served when last heard of. */
  readonly #taken = new Set<string>();
  #isLeaving = false;

  /** Starts from the records of an earlier run; nothing happens before the first `setDesired`. */
  constructor(options: PodEnrollerOptions) {
    this.#options = options;
    this.#tools = { ...options, onChange: () => this.notify() };
  }

  /** What node agents have taken may have changed. */
  notify(): void {
    for (const [uid, { enrolment }] of this.#enrolments) {
      const isTaken = this.#stateOf(enrolment) === 'enrolled';
      if (this.#taken.has(uid) === isTaken) continue;
      if (isTaken) this.#taken.add(uid);
      else this.#taken.delete(uid);
      enrolment.setTaken(isTaken);
    }
    for (const check of [...this.#waiters]) check();
    this.#options.onChange?.();
  }

  /**
   * Resolves once the pod's rules are in place in the namespace `netns`, and the node agent serves behind them: the pod may
   * still be enrolled in the one of an earlier sandbox. Rejects with the signal's reason, or because every pod is being released.
   */
  async whenEnrolled(uid: string, netns: NetnsIdentity, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#isLeaving) throw new Error('every pod is being released');
    if (this.#isEnrolled(uid, netns)) return;
    await new Promise<void>((resolve, reject) => {
      const settle = (finish: () => void): void => {
        this.#waiters.delete(check);
        signal.removeEventListener('abort', onAbort);
        finish();
      };
      const check = (): void => {
        if (this.#isEnrolled(uid, netns)) settle(resolve);
      };
      const onAbort = (): void => settle(() => reject(signal.reason));
      this.#waiters.add(check);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Why the pod is not where it should be, as far as its namespace goes; empty when nothing failed. */
  problemOf(uid: string): string {
    return this.#enrolments.get(uid)?.enrolment.problem ?? '';
  }

  /** The namespace that the pod is enrolled in. */
  netnsOf(uid: string): NetnsIdentity | null {
    return this.#enrolments.get(uid)?.enrolment.enrolledIn?.identity ?? null;
  }

  /**
   * Says which pods are to be captured, all others are released. Resolves when a first attempt was made for each pod that is
   * new to it; those that failed are tried again on their own. After `releaseAll` it does nothing.
   */
  async setDesired(desired: ReadonlyMap<string, DesiredPod>): Promise<void> {
    if (!this.#isLeaving) await this.#setDesired(desired);
  }

  /**
   * Releases every pod, for good, and those that an earlier run left behind. Resolves when done; a pod that resists holds it up.
   * Calls of the plugin, and what was due after earlier ones, may still come: they must not bring a pod back for which nobody
   * would be there.
   */
  async releaseAll(): Promise<void> {
    this.#isLeaving = true;
    await this.#setDesired(new Map());
    await Promise.all([...this.#enrolments.values()].map(({ ended }) => ended));
  }

  statuses(): readonly PodStatus[] {
    return [...this.#enrolments.values()].map(({ enrolment }) => ({
      ...enrolment.pod,
      state: this.#stateOf(enrolment),
    }));
  }

  /** Series of `ambit_cni_pods`. */
  counts(): readonly MetricSample[] {
    const counts: Record<PodState, number> = { enrolled: 0, enrolling: 0, releasing: 0 };
    for (const { state } of this.statuses()) counts[state]++;
    return Object.entries(counts).map(([state, value]) => ({ labels: [state], value }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the pod enroller stops'));
    await Promise.all([...this.#enrolments.values()].map(({ ended }) => ended));
  }

  async #setDesired(desired: ReadonlyMap<string, DesiredPod>): Promise<void> {
    for (const pod of desired.values()) this.#enrolmentOf(pod);
    for (const record of this.#options.records.all()) this.#enrolmentOf(record);
    for (const [uid, { enrolment }] of this.#enrolments) enrolment.setDesired(desired.get(uid) ?? null);
    await Promise.all([...this.#enrolments.values()].map(({ enrolment }) => enrolment.firstAttempt));
  }

  #isEnrolled(uid: string, netns: NetnsIdentity): boolean {
    const entry = this.#enrolments.get(uid);
    const enrolledIn = this.netnsOf(uid);
    if (entry === undefined || enrolledIn === null || !sameNetns(enrolledIn, netns)) return false;
    return this.#stateOf(entry.enrolment) === 'enrolled';
  }

  #stateOf(enrolment: PodEnrolment): PodState {
    if (enrolment.desired === null) return 'releasing';
    const netns = enrolment.enrolledIn;
    return netns !== null && this.#options.agents.isTaken(enrolment.pod.uid, netns) ? 'enrolled' : 'enrolling';
  }

  #enrolmentOf(pod: PodIdentity): void {
    if (this.#enrolments.has(pod.uid) || this.#stop.signal.aborted) return;
    const { uid, kubeletUid, namespace, name } = pod;
    const record = this.#options.records.all().find((item) => item.uid === uid) ?? null;
    const identity = { uid, ...(kubeletUid === undefined ? {} : { kubeletUid }), namespace, name };
    const enrolment = new PodEnrolment(identity, record, this.#tools);
    // Starts after the caller has said what is desired.
    const ended = Promise.resolve()
      .then(() => enrolment.run(this.#stop.signal))
      .finally(() => this.#forget(uid, enrolment));
    this.#enrolments.set(uid, { enrolment, ended });
  }

  #forget(uid: string, enrolment: PodEnrolment): void {
    if (this.#enrolments.get(uid)?.enrolment !== enrolment) return;
    this.#enrolments.delete(uid);
    this.#taken.delete(uid);
    this.notify();
    // Wanted again in the very moment it was released.
    const { desired } = enrolment;
    if (desired === null || this.#stop.signal.aborted) return;
    this.#enrolmentOf(desired);
    this.#enrolments.get(uid)?.enrolment.setDesired(desired);
  }
}
