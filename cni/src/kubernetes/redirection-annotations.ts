import { type Pod, REDIRECTION_ANNOTATION } from '@ambit/mesh/kinds';
import { KubeApiError, type KubeClient } from '@ambit/mesh/kube';
import { type Clock, createBackoff, type Logger } from '@ambit/mesh/runtime';
import type { PodStatus } from '../enrol/pod-enroller.ts';
import { type AnnotationChange, decideAnnotations, decideRemovals } from './decide-annotations.ts';
import { PODS } from './resources.ts';

export interface RedirectionAnnotationsOptions {
  readonly client: Pick<KubeClient, 'mergePatch'>;
  /** Pods of this node, as the watch shows them. */
  readonly pods: () => Iterable<Pod>;
  readonly statuses: () => readonly PodStatus[];
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A pod that starts is `enrolling` for a moment; nobody needs to read that. */
const SETTLE_MS = 300;
/** The watch shows a write sooner than that; one that it does not show is made again. */
const SHOWN_MS = 10_000;
const WRITE_MS = 5000;
const RETRY = { initialMs: 500, maxMs: 30_000, factor: 2, jitter: 0.2 } as const;

/** Keeps annotation `ambit.dev/redirection` of this node's pods true, one write at a time. */
export class RedirectionAnnotations {
  readonly #options: RedirectionAnnotationsOptions;
  /** What was written and is not shown yet. */
  readonly #written = new Map<string, { readonly value: AnnotationChange['value']; readonly atMs: number }>();
  #wake: (() => void) | null = null;
  #isDirty = true;

  constructor(options: RedirectionAnnotationsOptions) {
    this.#options = options;
  }

  /** Pods, or what is done to them, changed. */
  wake(): void {
    this.#isDirty = true;
    this.#wake?.();
  }

  /** Works until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const backoff = createBackoff(RETRY);
    const onAbort = (): void => this.#wake?.();
    signal.addEventListener('abort', onAbort);
    while (!signal.aborted) {
      await clock.sleep(SETTLE_MS, signal).catch(() => {});
      this.#isDirty = false;
      const isDone = await this.#writeAll(signal);
      if (isDone) backoff.reset();
      if (!this.#isDirty) await this.#pause(isDone ? SHOWN_MS : backoff.nextMs(), signal);
    }
    signal.removeEventListener('abort', onAbort);
  }

  /**
   * Takes the annotation away from every pod, since Ambit leaves this node; `run` has been told to end. Resolves with how many pods
   * keep it, because the API server does not allow it or did not answer before `signal` aborted.
   */
  async removeAll(signal: AbortSignal): Promise<number> {
    const { clock, pods } = this.#options;
    const backoff = createBackoff(RETRY);
    const written = new Map([...this.#written].map(([uid, { value }]) => [uid, value]));
    let kept = 0;
    let left = decideRemovals(pods(), written);
    while (left.length > 0 && !signal.aborted) {
      const again: AnnotationChange[] = [];
      for (const change of left) {
        const outcome = await this.#remove(change, signal);
        if (outcome === 'again') again.push(change);
        else if (outcome === 'never') kept++;
      }
      left = again;
      if (left.length > 0) await clock.sleep(backoff.nextMs(), signal).catch(() => {});
    }
    return kept + left.length;
  }

  async #remove(change: AnnotationChange, signal: AbortSignal): Promise<'done' | 'again' | 'never'> {
    try {
      await this.#write(change, signal);
      return 'done';
    } catch (error) {
      if (!(error instanceof KubeApiError)) return 'again';
      // The pod is gone, or another one has its name.
      if (error.code === 'not-found' || error.code === 'conflict') return 'done';
      this.#options.logger.debug('annotation of a pod cannot be taken away', { error });
      return error.retryable ? 'again' : 'never';
    }
  }

  /** False when something has to be tried again. */
  async #writeAll(signal: AbortSignal): Promise<boolean> {
    const { clock, logger, pods, statuses } = this.#options;
    const changes = decideAnnotations(pods(), statuses());
    const open = new Set(changes.map(({ uid }) => uid));
    for (const uid of this.#written.keys()) if (!open.has(uid)) this.#written.delete(uid);
    for (const change of changes) {
      const written = this.#written.get(change.uid);
      if (written?.value === change.value && clock.monotonic() - written.atMs < SHOWN_MS) continue;
      if (signal.aborted) return false;
      try {
        await this.#write(change, signal);
        this.#written.set(change.uid, { value: change.value, atMs: clock.monotonic() });
      } catch (error) {
        if (error instanceof KubeApiError && error.code === 'not-found') continue; // The pod is gone.
        // It may have arrived all the same.
        if (signal.aborted) this.#written.set(change.uid, { value: change.value, atMs: clock.monotonic() });
        else logger.debug('annotation of a pod cannot be written, it is tried again', { error });
        return false;
      }
    }
    return true;
  }

  /** Through `status`, which allows annotations too: the right to change that of pods is the lesser one. */
  async #write({ uid, namespace, name, value }: AnnotationChange, signal: AbortSignal): Promise<void> {
    const patch = { metadata: { uid, annotations: { [REDIRECTION_ANNOTATION]: value } } };
    const inTime = AbortSignal.any([signal, AbortSignal.timeout(WRITE_MS)]);
    await this.#options.client.mergePatch(PODS, { namespace, name }, patch, inTime, 'status');
  }

  async #pause(delayMs: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const woken = Promise.withResolvers<void>();
    this.#wake = woken.resolve;
    using _timer = this.#options.clock.setTimer(delayMs, woken.resolve);
    await woken.promise;
    this.#wake = null;
  }
}
