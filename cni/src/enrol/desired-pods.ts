import type { IpAddress } from '@ambit/mesh/model';
import { decideEnrolment, type Namespace, type Pod } from '@ambit/mesh/kinds';

/** A pod of this node whose traffic has to be captured. */
export interface DesiredPod {
  /** Its UID, or `<namespace>/<name>` where the manifest has none. */
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly serviceAccount: string;
  readonly addresses: readonly IpAddress[];
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
    const { namespace, name } = pod.meta;
    const enrolment = decideEnrolment(pod, input.namespaces.get(namespace), input.excludedNamespaces);
    if (enrolment.kind !== 'enrolled') continue;
    const uid = pod.meta.uid === '' ? `${namespace}/${name}` : pod.meta.uid;
    desired.set(uid, { uid, namespace, name, serviceAccount: pod.serviceAccountName, addresses: pod.podIps });
  }
  return desired;
}
