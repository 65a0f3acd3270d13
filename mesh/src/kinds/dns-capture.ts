import { DNS_CAPTURE_ANNOTATION } from './labels.ts';
import type { Namespace, Pod } from './objects.ts';

/**
 * Whether DNS of an enrolled pod is captured, as far as the pod has a say: unless its annotation, or else that of its namespace, is
 * `false`. Another word says nothing.
 */
export function decideDnsCapture(pod: Pod, namespace: Namespace | undefined): boolean {
  for (const object of [pod, namespace]) {
    const value = object?.meta.annotations.get(DNS_CAPTURE_ANNOTATION)?.trim().toLowerCase();
    if (value === 'false') return false;
    if (value === 'true') return true;
  }
  return true;
}
