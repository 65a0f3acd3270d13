import {
  decideEnrolment,
  type ExternalWorkload,
  type ObjectMeta,
  type Pod,
  type PolicyTarget,
  targetNames,
} from '@ambit/mesh/kinds';
import { selectorMatches } from '../translate/service-membership.ts';
import type { PolicyWorld } from './policy-world.ts';

/** Why a policy does not hold at a workload that it is for. */
export type Escape = 'host-network' | 'excluded-namespace' | 'pod-opted-out' | 'not-labelled' | 'no-node-agent';

/** A workload that a policy is for. */
export interface MatchedWorkload {
  readonly kind: 'Pod' | 'ExternalWorkload';
  readonly namespace: string;
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly meta: ObjectMeta;
  /** Where it runs; empty where nobody says. */
  readonly node: string;
  /** Null: the policy holds there. */
  readonly escape: Escape | null;
}

/** What a policy is attached to, and where it stands. */
export interface PolicyPlace {
  readonly namespace: string;
  readonly target: PolicyTarget;
}

/**
 * The workloads that a policy is for, and those among them where nobody enforces it. Of a policy for the whole mesh only
 * workloads of the mesh: a pod of a namespace that takes no part is none.
 */
export function matchWorkloads(world: PolicyWorld, place: PolicyPlace): readonly MatchedWorkload[] {
  const { target } = place;
  const isRoot = place.namespace === world.settings.rootNamespace;
  const scope = isRoot && target.kind !== 'objects' ? null : place.namespace;
  const externals = world.externalWorkloads(scope).filter((external) => isExternalTarget(target, external));
  const pods = target.kind === 'objects' ? [] : world.pods(scope);
  const matched = [
    ...pods
      .filter((pod) => isUnfinished(pod) && matchesLabels(target, pod.meta.labels))
      .map((pod) => matchPod(world, pod)),
    ...externals.map(matchExternal),
  ];
  return isRoot && target.kind === 'namespace' ? matched.filter(({ escape }) => !isOutsideMesh(escape)) : matched;
}

function isOutsideMesh(escape: Escape | null): boolean {
  return escape === 'not-labelled' || escape === 'excluded-namespace';
}

function isExternalTarget(target: PolicyTarget, { meta }: ExternalWorkload): boolean {
  return target.kind === 'objects'
    ? targetNames({ target }, 'ExternalWorkload').includes(meta.name)
    : matchesLabels(target, meta.labels);
}

function matchesLabels(target: PolicyTarget, labels: ReadonlyMap<string, string>): boolean {
  return target.kind !== 'selector' || selectorMatches(target.matchLabels, labels);
}

/** A pod that has finished takes no connections. */
function isUnfinished(pod: Pod): boolean {
  return pod.phase !== 'Succeeded' && pod.phase !== 'Failed';
}

function matchPod(world: PolicyWorld, pod: Pod): MatchedWorkload {
  const { namespace, name, labels } = pod.meta;
  const enrolment = decideEnrolment(pod, world.namespace(namespace), world.settings.excludedNamespaces);
  return {
    kind: 'Pod',
    namespace,
    name,
    labels,
    meta: pod.meta,
    node: pod.nodeName,
    escape: enrolment.kind === 'enrolled' ? null : enrolment.reason,
  };
}

function matchExternal({ meta, tunnel, nodeName }: ExternalWorkload): MatchedWorkload {
  const { namespace, name, labels } = meta;
  return {
    kind: 'ExternalWorkload',
    namespace,
    name,
    labels,
    meta,
    node: nodeName,
    escape: tunnel === 'HBONE' ? null : 'no-node-agent',
  };
}
