import type { RequestPolicy } from '../model/access-policy.ts';
import type { ServiceKey } from '../model/service.ts';
import type { WorkloadUid } from '../model/workload.ts';

/**
 * What policies of one place are attached to, as a name: `service/<namespace>/<hostname>`, `workload/<uid>`,
 * `gateway/<namespace>/<name>`, `namespace/<name>` or `mesh`.
 */
export type PolicySetName =
  | `service/${string}`
  | `workload/${string}`
  | `gateway/${string}`
  | `namespace/${string}`
  | 'mesh';

/** The policies that are attached to one place, as a waypoint enforces them. */
export interface PolicySet {
  readonly name: PolicySetName;
  /** Further sets that hold here. One of them that has not arrived denies. */
  readonly includes: readonly PolicySetName[];
  readonly policies: readonly RequestPolicy[];
}

export function servicePolicySet(key: ServiceKey): PolicySetName {
  return `service/${key}`;
}

export function workloadPolicySet(uid: WorkloadUid): PolicySetName {
  return `workload/${uid}`;
}

/** What holds at one destination. */
export interface RequestPolicies {
  readonly policies: readonly RequestPolicy[];
  /** A set that is named and not there: nobody knows what it forbids. */
  readonly missing: PolicySetName | null;
}

/** The policies of a set and of all that it includes, each once, in order of their names within a set. */
export function policiesAt(
  name: PolicySetName,
  setOf: (name: PolicySetName) => PolicySet | undefined,
): RequestPolicies {
  const policies = new Map<string, RequestPolicy>();
  const names = new Set([name]);
  let missing: PolicySetName | null = null;
  // A set that is added while this runs is visited as well.
  for (const one of names) {
    const set = setOf(one);
    if (set === undefined) missing ??= one;
    for (const policy of set?.policies ?? []) policies.set(policy.key, policy);
    for (const included of set?.includes ?? []) names.add(included);
  }
  return { policies: [...policies.values()], missing };
}
