import { decideEnrolment, type Namespace, type Pod } from '@ambit/mesh/kinds';
import type { IpAddress } from '@ambit/mesh/model';
import { type DesiredPod, kubeletUidOf, toDesiredPod } from '../enrol/desired-pods.ts';
import type { PodIdentity } from '../enrol/netns-finder.ts';

/** What is known of a pod that a runtime starts, and from where. */
export interface PodFacts {
  readonly pod: Pod | null;
  readonly namespace: Namespace | null;
  /** `cache`: the API server could not be asked. */
  readonly source: 'api' | 'cache';
}

export type Addition =
  /** The pod is none of the mesh's business. */
  | { readonly kind: 'pass' }
  | { readonly kind: 'enrol'; readonly pod: DesiredPod }
  /** It cannot be told, or it cannot be done: the pod waits, and the runtime asks again. */
  | { readonly kind: 'refuse'; readonly message: string };

/** Whether a pod whose network was just made has to be enrolled before it may run. */
export function decideAddition(
  asked: PodIdentity,
  addresses: readonly IpAddress[],
  facts: PodFacts,
  excludedNamespaces: readonly string[],
): Addition {
  const { pod, namespace, source } = facts;
  if (excludedNamespaces.includes(asked.namespace)) return { kind: 'pass' };
  if (pod === null || namespace === null) {
    const what = pod === null ? 'the pod' : 'its namespace';
    return source === 'api'
      ? refuse(`${what} does not exist any more`)
      : refuse(`the API server cannot be reached, and ${what} is not known from before`);
  }
  if (asked.uid !== '' && asked.uid !== pod.meta.uid && kubeletUidOf(pod) === null) {
    return refuse(`a pod of that name has UID ${pod.meta.uid} by now`);
  }
  if (decideEnrolment(pod, namespace, excludedNamespaces).kind !== 'enrolled') return { kind: 'pass' };
  if (addresses.length === 0) return refuse('prevResult holds no address of the pod');
  return { kind: 'enrol', pod: toDesiredPod(pod, namespace, addresses) };
}

function refuse(message: string): Addition {
  return { kind: 'refuse', message };
}
