import type { Clock } from '@ambit/mesh/runtime';
import type { DesiredPod } from './desired-pods.ts';

/** A pod whose network a container runtime has made through the plugin. */
export interface PodAttachment {
  /** Of the pod's sandbox; a pod may get another one. */
  readonly containerId: string;
  /** As the plugin's call said, with the addresses of the call. */
  readonly pod: DesiredPod;
}

interface Entry extends PodAttachment {
  readonly holdUntilMs: number;
  starting: boolean;
}

/** How far our watch may lag behind the fresh read that decided on the pod. Until then the watch cannot overrule it. */
export const HOLD_MS = 10_000;
/** A pod that the watch has not shown by then does not exist. */
const UNSEEN_MS_MAX = 300_000;

/**
 * Reconciles what the plugin was asked with what the API server says: a pod is enrolled while its sandbox is being made, before it
 * has an address there, and no longer once its sandbox is gone, although it may still be there for a while.
 */
export class PodAttachments {
  readonly #clock: Clock;
  readonly #attached = new Map<string, Entry>();
  /** Pods without a sandbox, by UID. */
  readonly #detached = new Set<string>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Replaces what an earlier sandbox of the pod left. */
  attach(attachment: PodAttachment): void {
    const { uid } = attachment.pod;
    this.#detached.delete(uid);
    this.#attached.set(uid, { ...attachment, holdUntilMs: this.#clock.monotonic() + HOLD_MS, starting: true });
  }

  /** Something may run in the pod from now on. */
  started(uid: string): void {
    const entry = this.#attached.get(uid);
    if (entry !== undefined) entry.starting = false;
  }

  /** The pod's sandbox; null when none was attached since we started. */
  containerOf(uid: string): string | null {
    return this.#attached.get(uid)?.containerId ?? null;
  }

  /** The pod's sandbox is gone. */
  detach(uid: string): void {
    this.#attached.delete(uid);
    this.#detached.add(uid);
  }

  /** Detaches the sandboxes that are not among `valid`. Returns their pods. */
  retain(valid: ReadonlySet<string>): readonly string[] {
    const gone = [...this.#attached].filter(([, { containerId }]) => !valid.has(containerId)).map(([uid]) => uid);
    for (const uid of gone) this.detach(uid);
    return gone;
  }

  /**
   * The pods to capture: those of `selected` that have a sandbox, and those whose sandbox is being made. `exists` tells which pods
   * the API server's watch shows, enrolled or not.
   */
  merge(selected: ReadonlyMap<string, DesiredPod>, exists: (uid: string) => boolean): ReadonlyMap<string, DesiredPod> {
    const merged = new Map<string, DesiredPod>();
    for (const [uid, pod] of selected) {
      // Until it has an address nobody but the runtime knows whether it has a namespace.
      if (pod.addresses.length > 0 && !this.#attached.has(uid) && !this.#detached.has(uid)) merged.set(uid, pod);
    }
    const nowMs = this.#clock.monotonic();
    for (const [uid, { pod, holdUntilMs, starting }] of this.#attached) {
      const isUnseen = !exists(uid) && nowMs < holdUntilMs + UNSEEN_MS_MAX;
      if (!selected.has(uid) && nowMs >= holdUntilMs && !isUnseen) continue;
      // What may change while the pod runs is the watch's to say, once it cannot be late.
      const seen = nowMs < holdUntilMs ? undefined : selected.get(uid);
      const current = seen === undefined ? pod : { ...pod, exclusions: seen.exclusions, dnsCapture: seen.dnsCapture };
      merged.set(uid, starting ? { ...current, starting } : current);
    }
    for (const uid of [...this.#attached.keys()]) {
      if (!merged.has(uid) && !exists(uid)) this.#attached.delete(uid);
    }
    for (const uid of [...this.#detached]) {
      if (!exists(uid)) this.#detached.delete(uid);
    }
    return merged;
  }
}
