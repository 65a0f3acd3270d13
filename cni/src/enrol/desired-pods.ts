import type { IpAddress } from '@ambit/mesh/model';
import {
  decideDnsCapture,
  decideEnrolment,
  decideExclusions,
  type Exclusions,
  type Namespace,
  type Pod,
} from '@ambit/mesh/kinds';
import type { PodIdentity } from './netns-finder.ts';

/** A pod of this node whose traffic has to be captured. Its UID is `<namespace>/<name>` where the manifest has none. */
export interface DesiredPod extends PodIdentity {
  readonly serviceAccount: string;
  /** Empty until the pod has one. */
  readonly addresses: readonly IpAddress[];
  readonly exclusions: Exclusions;
  readonly dnsCapture: boolean;
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
    const wanted = toDesiredPod(pod, namespace, pod.podIps);
    desired.set(wanted.uid, wanted);
  }
  return desired;
}

/** What `pod` needs when it is enrolled. */
export function toDesiredPod(
  pod: Pod,
  namespaceObject: Namespace | undefined,
  addresses: readonly IpAddress[],
): DesiredPod {
  const { namespace, name } = pod.meta;
  const kubeletUid = kubeletUidOf(pod);
  return {
    uid: uidOf(pod),
    ...(kubeletUid === null ? {} : { kubeletUid }),
    namespace,
    name,
    serviceAccount: pod.serviceAccountName,
    addresses,
    exclusions: decideExclusions(pod, namespaceObject).exclusions,
    dnsCapture: decideDnsCapture(pod, namespaceObject),
  };
}

/** By which a pod is known here. */
export function uidOf({ meta }: Pod): string {
  return meta.uid || `${meta.namespace}/${meta.name}`;
}

const MIRROR_ANNOTATION = 'kubernetes.io/config.mirror';

/** Of a static pod's mirror in the API server the UID of the static pod, else null. */
export function kubeletUidOf({ meta }: Pod): string | null {
  return meta.annotations.get(MIRROR_ANNOTATION) ?? null;
}
