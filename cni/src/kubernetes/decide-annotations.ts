import { type Pod, REDIRECTION_ANNOTATION } from '@ambit/mesh/kinds';
import type { PodStatus } from '../enrol/pod-enroller.ts';

/** What a pod's annotation has to become; null takes it away. */
export interface AnnotationChange {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly value: 'enabled' | 'pending' | null;
}

/** The pods whose annotation has to go when nothing is enrolled any more: those that show one, or have had one `written`. */
export function decideRemovals(
  pods: Iterable<Pod>,
  written: ReadonlyMap<string, AnnotationChange['value']>,
): readonly AnnotationChange[] {
  const annotated = [...pods].filter(
    ({ meta }) => meta.annotations.has(REDIRECTION_ANNOTATION) || (written.get(meta.uid) ?? null) !== null,
  );
  return annotated.map(({ meta: { uid, namespace, name } }) => ({ uid, namespace, name, value: null }));
}

/** The pods whose annotation does not say what is. */
export function decideAnnotations(pods: Iterable<Pod>, statuses: readonly PodStatus[]): readonly AnnotationChange[] {
  const states = new Map(statuses.map(({ uid, state }) => [uid, state]));
  const changes: AnnotationChange[] = [];
  for (const { meta } of pods) {
    const { uid, namespace, name } = meta;
    const state = states.get(uid);
    const value = state === 'enrolled' ? 'enabled' : state === 'enrolling' ? 'pending' : null;
    if ((meta.annotations.get(REDIRECTION_ANNOTATION) ?? null) !== value) changes.push({ uid, namespace, name, value });
  }
  return changes;
}
