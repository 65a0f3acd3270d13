import {
  type CaptureRisk,
  decideEnrolment,
  decideExclusions,
  MODE_LABEL,
  type Namespace,
  type Pod,
  type PortRange,
} from '@ambit/mesh/kinds';

/**
 * `NotCaptured`: the pod is labelled into the mesh and cannot be in it. `ExclusionRefused`: an annotation excludes nothing.
 * `InboundPortsExcluded`: policies do not hold for who calls them in plaintext. `CaptureEvadable`: programs of the pod may get past
 * redirection. `CaptureEvadableByDefault`: so they may, by a right that runtimes give by themselves.
 */
export const POD_WARNINGS = [
  'NotCaptured',
  'ExclusionRefused',
  'InboundPortsExcluded',
  'CaptureEvadable',
  'CaptureEvadableByDefault',
] as const;
export type PodWarningReason = (typeof POD_WARNINGS)[number];

export interface PodWarning {
  readonly reason: PodWarningReason;
  /** For whoever looks at the pod. */
  readonly note: string;
}

const NONE: readonly PodWarning[] = [];

/** What somebody should know of a pod that is in the mesh, or was meant to be. */
export function decidePodWarnings(
  pod: Pod,
  namespace: Namespace | undefined,
  excludedNamespaces: readonly string[],
): readonly PodWarning[] {
  const enrolment = decideEnrolment(pod, namespace, excludedNamespaces);
  if (enrolment.kind === 'enrolled') return [...ofExclusions(pod, namespace), ...ofRisks(pod.captureRisks)];
  // Pods on the host network are usual in namespaces that are labelled as a whole: only who says it himself is told.
  if (pod.meta.labels.get(MODE_LABEL) !== 'ambient' || enrolment.reason === 'pod-opted-out') return NONE;
  const why = {
    'host-network': 'it is on the network of its host',
    'excluded-namespace': 'its namespace is excluded',
    'not-labelled': 'it is not labelled',
  }[enrolment.reason];
  return [{ reason: 'NotCaptured', note: `The pod is not in the mesh although it is labelled so: ${why}.` }];
}

function ofExclusions(pod: Pod, namespace: Namespace | undefined): readonly PodWarning[] {
  const { exclusions, problems } = decideExclusions(pod, namespace);
  const refused = problems.map(({ annotation, on, reason }): PodWarning => {
    const whose = on === 'Pod' ? '' : ' of the namespace';
    return { reason: 'ExclusionRefused', note: `Annotation ${annotation}${whose} excludes nothing: ${reason}.` };
  });
  if (exclusions.inboundPorts.length === 0) return refused;
  const ports = exclusions.inboundPorts.map(shownRange).join(', ');
  const note = `Whoever calls these ports in plaintext passes the node agent by, and all policies with it: ${ports}.`;
  return [...refused, { reason: 'InboundPortsExcluded', note }];
}

function ofRisks(risks: readonly CaptureRisk[]): readonly PodWarning[] {
  const asked = risks.filter((risk) => risk !== 'default-NET_RAW');
  if (asked.length > 0) {
    const note = `Programs with these rights can get past the mesh: ${asked.join(', ')}.`;
    return [{ reason: 'CaptureEvadable', note }];
  }
  if (risks.length === 0) return NONE;
  const note = 'Programs of root can get past the mesh by NET_RAW, which container runtimes give by default: drop it.';
  return [{ reason: 'CaptureEvadableByDefault', note }];
}

function shownRange({ first, last }: PortRange): string {
  return first === last ? String(first) : `${first}-${last}`;
}
