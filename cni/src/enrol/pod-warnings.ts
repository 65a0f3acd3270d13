import type { Namespace, Pod } from '@ambit/mesh/kinds';
import type { Logger, MetricSample } from '@ambit/mesh/runtime';
import { decidePodWarnings, POD_WARNINGS, type PodWarning, type PodWarningReason } from './decide-pod-warnings.ts';
import { uidOf } from './desired-pods.ts';
import type { PodIdentity } from './netns-finder.ts';

export interface PodWarningsOptions {
  readonly excludedNamespaces: readonly string[];
  readonly logger: Logger;
  /** What is worth an event of the pod; said once for as long as it holds. */
  readonly onWarning: (pod: PodIdentity, warning: PodWarning) => void;
}

/** Half of all pods may have it: that is for the metric to tell. */
const QUIET: PodWarningReason = 'CaptureEvadableByDefault';

/** What to know of pods of this node, and whom it was told of already. */
export class PodWarnings {
  readonly #options: PodWarningsOptions;
  #held: ReadonlyMap<string, readonly PodWarning[]> = new Map();

  constructor(options: PodWarningsOptions) {
    this.#options = options;
  }

  /** All pods of the node as they are now. */
  update(pods: Iterable<Pod>, namespaces: ReadonlyMap<string, Namespace>): void {
    const { excludedNamespaces } = this.#options;
    const held = new Map<string, readonly PodWarning[]>();
    for (const pod of pods) {
      if (pod.phase === 'Succeeded' || pod.phase === 'Failed') continue;
      const warnings = decidePodWarnings(pod, namespaces.get(pod.meta.namespace), excludedNamespaces);
      if (warnings.length === 0) continue;
      const uid = uidOf(pod);
      held.set(uid, warnings);
      const before = this.#held.get(uid) ?? [];
      for (const warning of warnings) {
        if (!before.some(({ reason, note }) => reason === warning.reason && note === warning.note)) {
          this.#say({ uid, namespace: pod.meta.namespace, name: pod.meta.name }, warning);
        }
      }
    }
    this.#held = held;
  }

  /** Of one pod. */
  of(uid: string): readonly PodWarning[] {
    return this.#held.get(uid) ?? [];
  }

  /** Series of `ambit_cni_pods_warned`. */
  counts(): readonly MetricSample[] {
    const all = [...this.#held.values()];
    return POD_WARNINGS.map((reason) => ({
      labels: [reason],
      value: all.filter((warnings) => warnings.some((warning) => warning.reason === reason)).length,
    }));
  }

  #say(pod: PodIdentity, warning: PodWarning): void {
    const { logger, onWarning } = this.#options;
    const fields = { 'pod.namespace': pod.namespace, 'pod.name': pod.name, ...warning };
    if (warning.reason === QUIET) {
      logger.debug('something to know of a pod', fields);
      return;
    }
    logger.warn('something to know of a pod', fields, { limitBy: warning.reason });
    onWarning(pod, warning);
  }
}
