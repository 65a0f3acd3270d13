import { createWarningEvent, type KubeClient } from '@ambit/mesh/kube';
import type { Clock, Logger } from '@ambit/mesh/runtime';
import type { PodWarningReason } from '../enrol/decide-pod-warnings.ts';
import type { PodIdentity } from '../enrol/netns-finder.ts';

export interface PodEventsOptions {
  readonly client: Pick<KubeClient, 'create'>;
  readonly nodeName: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The same about the same pod is said again after this. */
const REPEAT_MS = 300_000;
/** All pods of a node may fail at once; further events are dropped, the log has them all. */
const EVENTS_MAX_PER_WINDOW = 30;
const WINDOW_MS = 60_000;
const REMEMBERED_MAX = 1000;
const WRITE_MS = 5000;

export type PodEventReason = 'EnrolmentFailed' | 'ReleaseFailed' | PodWarningReason;

/** Tells whoever looks at a pod (`kubectl describe pod`) why it is not in the mesh, or not quite. Few, and never twice in a short time. */
export class PodEvents {
  readonly #options: PodEventsOptions;
  /** When something was said, in order of time. */
  readonly #said = new Map<string, number>();
  #windowBeganMs = Number.NEGATIVE_INFINITY;
  #windowCount = 0;

  constructor(options: PodEventsOptions) {
    this.#options = options;
  }

  /** Returns at once; what cannot be written is dropped. */
  warn(pod: PodIdentity, reason: PodEventReason, note: string): void {
    const { clock, logger } = this.#options;
    const nowMs = clock.monotonic();
    const key = `${pod.uid} ${reason} ${note}`;
    const saidMs = this.#said.get(key);
    if (saidMs !== undefined && nowMs - saidMs < REPEAT_MS) return;
    if (nowMs - this.#windowBeganMs >= WINDOW_MS) {
      this.#windowBeganMs = nowMs;
      this.#windowCount = 0;
    }
    if (this.#windowCount >= EVENTS_MAX_PER_WINDOW) return;
    this.#windowCount++;
    this.#said.delete(key);
    this.#said.set(key, nowMs);
    for (const [oldest] of this.#said) {
      if (this.#said.size <= REMEMBERED_MAX) break;
      this.#said.delete(oldest);
    }
    void this.#write(pod, reason, note).catch((error: unknown) =>
      logger.warn('event of a pod cannot be written', { 'pod.namespace': pod.namespace, 'pod.name': pod.name, error }),
    );
  }

  async #write({ uid, namespace, name }: PodIdentity, reason: string, note: string): Promise<void> {
    const { client, clock, nodeName } = this.#options;
    const event = {
      regarding: { kind: 'Pod', namespace, name, uid },
      reason,
      action: 'Enrol',
      note,
      controller: 'ambit.dev/cni',
      instance: nodeName,
      nowMs: clock.now(),
    } as const;
    await createWarningEvent(client, event, AbortSignal.timeout(WRITE_MS));
  }
}
