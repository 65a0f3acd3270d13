import type { AccessPolicy, PolicyKey } from './access-policy.ts';
import type { EffectivePolicies } from './mesh-view.ts';
import type { Workload } from './workload.ts';

export interface PolicyChange {
  readonly keys: ReadonlySet<PolicyKey>;
  /** True when a changed policy is, or was, in force at `workload`. */
  reaches(workload: Workload): boolean;
}

/** Policies by key and by where they are in force. */
export class PolicyIndex {
  readonly #byKey = new Map<PolicyKey, AccessPolicy>();
  readonly #meshWide = new Map<PolicyKey, AccessPolicy>();
  /** Invariant: no empty inner map. */
  readonly #byNamespace = new Map<string, Map<PolicyKey, AccessPolicy>>();
  /** Answers already given; a workload object never changes, so only a policy change outdates them. */
  #answers = new WeakMap<Workload, EffectivePolicies>();

  all(): Iterable<AccessPolicy> {
    return this.#byKey.values();
  }

  effectiveAt(workload: Workload): EffectivePolicies {
    const known = this.#answers.get(workload);
    if (known !== undefined) return known;
    const policies = new Map(this.#meshWide);
    for (const [key, policy] of this.#byNamespace.get(workload.namespace) ?? []) policies.set(key, policy);
    const missing = new Set<PolicyKey>();
    for (const key of workload.authorizationPolicies) {
      const policy = this.#byKey.get(key);
      if (policy === undefined) missing.add(key);
      else policies.set(key, policy);
    }
    const answer: EffectivePolicies = { policies: [...policies.values()], missing: [...missing] };
    this.#answers.set(workload, answer);
    return answer;
  }

  apply(changed: readonly AccessPolicy[], removed: readonly PolicyKey[]): PolicyChange {
    const keys = new Set<PolicyKey>();
    const namespaces = new Set<string>();
    let everywhere = false;
    const note = (policy: AccessPolicy): void => {
      keys.add(policy.key);
      if (policy.scope === 'mesh') everywhere = true;
      if (policy.scope === 'namespace') namespaces.add(policy.namespace);
    };
    for (const key of removed) {
      const before = this.#remove(key);
      if (before !== undefined) note(before);
    }
    for (const policy of changed) {
      const before = this.#remove(policy.key);
      if (before !== undefined) note(before);
      this.#add(policy);
      note(policy);
    }
    if (keys.size > 0) this.#answers = new WeakMap();
    return {
      keys,
      reaches: (workload) =>
        everywhere || namespaces.has(workload.namespace) || workload.authorizationPolicies.some((key) => keys.has(key)),
    };
  }

  #add(policy: AccessPolicy): void {
    this.#byKey.set(policy.key, policy);
    if (policy.scope === 'mesh') this.#meshWide.set(policy.key, policy);
    if (policy.scope !== 'namespace') return;
    const inNamespace = this.#byNamespace.get(policy.namespace);
    if (inNamespace === undefined) this.#byNamespace.set(policy.namespace, new Map([[policy.key, policy]]));
    else inNamespace.set(policy.key, policy);
  }

  #remove(key: PolicyKey): AccessPolicy | undefined {
    const policy = this.#byKey.get(key);
    if (policy === undefined) return undefined;
    this.#byKey.delete(key);
    this.#meshWide.delete(key);
    const inNamespace = this.#byNamespace.get(policy.namespace);
    inNamespace?.delete(key);
    if (inNamespace?.size === 0) this.#byNamespace.delete(policy.namespace);
    return policy;
  }
}
