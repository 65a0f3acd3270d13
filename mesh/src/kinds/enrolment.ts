import { MODE_LABEL } from './labels.ts';
import type { Namespace, Pod } from './objects.ts';

/** Namespaces that are never enrolled unless the configuration says otherwise. */
export const DEFAULT_EXCLUDED_NAMESPACES: readonly string[] = ['kube-system', 'ambit-system'];

export type Enrolment =
  | { readonly kind: 'enrolled'; readonly reason: 'pod-label' | 'namespace-label' }
  | {
      readonly kind: 'not-enrolled';
      readonly reason: 'host-network' | 'excluded-namespace' | 'pod-opted-out' | 'not-labelled';
    };

/**
 * Whether a pod's traffic is captured. The CNI agent redirects by this decision and the controller publishes the pod as
 * reachable through HBONE by the same one. `namespace` is undefined while the Namespace object is not known.
 */
export function decideEnrolment(
  pod: Pod,
  namespace: Namespace | undefined,
  excludedNamespaces: readonly string[] = DEFAULT_EXCLUDED_NAMESPACES,
): Enrolment {
  if (pod.hostNetwork) return { kind: 'not-enrolled', reason: 'host-network' };
  if (excludedNamespaces.includes(pod.meta.namespace)) return { kind: 'not-enrolled', reason: 'excluded-namespace' };
  const own = pod.meta.labels.get(MODE_LABEL);
  if (own === 'ambient') return { kind: 'enrolled', reason: 'pod-label' };
  if (own === 'none') return { kind: 'not-enrolled', reason: 'pod-opted-out' };
  if (namespace?.meta.labels.get(MODE_LABEL) === 'ambient') return { kind: 'enrolled', reason: 'namespace-label' };
  return { kind: 'not-enrolled', reason: 'not-labelled' };
}
