import { decideEnrolment, MODE_LABEL, type Namespace, type Pod } from '@ambit/mesh/kinds';

/** What becomes of a namespace's pods that start while the CNI agent is away; a namespace that is in no list waits. */
export type NamespaceState = 'enrolled' | 'plain' | 'excluded';

export interface NamespaceStatesInput {
  readonly namespaces: Iterable<Namespace>;
  /** Pods of this node. */
  readonly pods: Iterable<Pod>;
  readonly excludedNamespaces: readonly string[];
  /** Which namespaces' pods may start: those not enrolled, or only excluded ones. */
  readonly awayAdmits: 'unenrolled' | 'excluded';
}

/**
 * The enrolment list of the plugin. A pod may be enrolled by its own label, which the plugin does not know: a namespace with one
 * such pod counts as enrolled.
 */
export function decideNamespaces(input: NamespaceStatesInput): ReadonlyMap<string, NamespaceState> {
  const { namespaces, pods, excludedNamespaces, awayAdmits } = input;
  const states = new Map<string, NamespaceState>();
  for (const { meta } of namespaces) {
    if (meta.labels.get(MODE_LABEL) === 'ambient') states.set(meta.name, 'enrolled');
    else if (awayAdmits === 'unenrolled') states.set(meta.name, 'plain');
  }
  for (const pod of pods) {
    if (decideEnrolment(pod, undefined, excludedNamespaces).kind === 'enrolled')
      states.set(pod.meta.namespace, 'enrolled');
  }
  for (const name of excludedNamespaces) states.set(name, 'excluded');
  return states;
}
