import type { IpAddress } from '@ambit/mesh/model';
import { decideEnrolment, type Namespace, type Pod } from '@ambit/mesh/kinds';

/** A pod of this node whose traffic has to be captured. */
export interface DesiredPod {
  /** Its UID, or `<namespace>/<name>` where the manifest has none. */
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly serviceAccount: string;
  /** Empty until the pod has one. */
  readonly addresses: readonly IpAddress[];
  /** Nothing runs in its namespace yet: there are no connections to cut. */
  readonly starting?: true;
}

export interface DesiredPodsInput {
  readonly pods: Iterable<Pod>;
  /** By name. */
  readonly namespaces: ReadonlyMap<string, Namespace>;
  readonly nodeName: string;
  readonly excludedNamespaces: readonly string[];
}

/** The pods this node has to capture, by uid. Pods that have ended need nothing; those being deleted still do. */
export function selectDesiredPods(input: DesiredPodsInput): ReadonlyMap<string, DesiredPod> {
  const desired = new Map<string, DesiredPod>();
  for (const pod of input.pods) {
    if (pod.nodeName !== input.nodeName || pod.phase === 'Succeeded' || pod.phase === 'Failed') continue;
    const namespace = input.namespaces.get(pod.meta.namespace);
    const enrolment = decideEnrolment(pod, namespace, input.excludedNamespaces);
    if (enrolment.kind !== 'enrolled') continue;
    const wanted = toDesiredPod(pod, pod.podIps);
    desired.set(wanted.uid, wanted);
  }
  return desired;
}

export function toDesiredPod(pod: Pod, addresses: readonly IpAddress[]): DesiredPod {
  const { namespace, name, uid } = pod.meta;
  return { uid: uid || `${namespace}/${name}`, namespace, name, serviceAccount: pod.serviceAccountName, addresses };
}
