import { type AccessPolicy, parsePolicyKey, type PolicyKey } from '../model/access-policy.ts';
import type { MeshRanges } from '../model/mesh-ranges.ts';
import type { MeshViewUpdate } from '../model/mesh-view.ts';
import { parseServiceKey, type Service, type ServiceKey } from '../model/service.ts';
import { parseWorkloadUid, type Workload, type WorkloadUid } from '../model/workload.ts';
import type { PushedObject } from '../wire/push-resource.ts';
import type { NamedChanges } from './other-type.ts';

/** A resource of a type that is not of the mesh view. */
export interface OtherObject {
  readonly kind: 'other';
  readonly name: string;
  readonly value: unknown;
}

/** What is known of an accepted resource: enough to name it to the server and to remove it by name. */
export interface HeldResource {
  /** That of its content: uid, key or name. */
  readonly name: string;
  readonly version: string;
  readonly kind: (PushedObject | OtherObject)['kind'];
  /** Not what was pushed, which cannot be read, but what refuses in its place. */
  readonly standsIn?: true;
}

/** Collects one update of the mesh view; a later change of an object outdates an earlier one. */
export class Changes {
  readonly #workloads = new Map<WorkloadUid, Workload>();
  readonly #services = new Map<ServiceKey, Service>();
  readonly #policies = new Map<PolicyKey, AccessPolicy>();
  readonly #removedWorkloads = new Set<WorkloadUid>();
  readonly #removedServices = new Set<ServiceKey>();
  readonly #removedPolicies = new Set<PolicyKey>();
  readonly #ranges = new Map<string, MeshRanges>();
  readonly #removedRanges = new Set<string>();
  readonly #others = new Map<string, unknown>();
  readonly #removedOthers = new Set<string>();

  put(object: PushedObject | OtherObject): void {
    switch (object.kind) {
      case 'workload':
        this.#workloads.set(object.workload.uid, object.workload);
        break;
      case 'service':
        this.#services.set(object.service.key, object.service);
        break;
      case 'policy':
        this.#policies.set(object.policy.key, object.policy);
        break;
      case 'ranges':
        this.#ranges.set(object.ranges.name, object.ranges);
        break;
      case 'other':
        this.#others.set(object.name, object.value);
        break;
    }
  }

  remove(held: HeldResource): void {
    switch (held.kind) {
      case 'workload':
        this.#workloads.delete(parseWorkloadUid(held.name));
        this.#removedWorkloads.add(parseWorkloadUid(held.name));
        break;
      case 'service':
        this.#services.delete(parseServiceKey(held.name));
        this.#removedServices.add(parseServiceKey(held.name));
        break;
      case 'policy':
        this.#policies.delete(parsePolicyKey(held.name));
        this.#removedPolicies.add(parsePolicyKey(held.name));
        break;
      case 'ranges':
        this.#ranges.delete(held.name);
        this.#removedRanges.add(held.name);
        break;
      case 'other':
        this.#others.delete(held.name);
        this.#removedOthers.add(held.name);
        break;
    }
  }

  get isEmpty(): boolean {
    const parts = [this.#workloads, this.#services, this.#policies, this.#ranges, this.#others];
    const removals = [
      this.#removedWorkloads,
      this.#removedServices,
      this.#removedPolicies,
      this.#removedRanges,
      this.#removedOthers,
    ];
    return parts.every(({ size }) => size === 0) && removals.every(({ size }) => size === 0);
  }

  /** What is both removed and put is put. */
  get others(): NamedChanges<unknown> {
    const put = this.#others;
    return { put, removed: [...this.#removedOthers].filter((name) => !put.has(name)) };
  }

  update(): MeshViewUpdate {
    return {
      workloads: [...this.#workloads.values()],
      services: [...this.#services.values()],
      policies: [...this.#policies.values()],
      removedWorkloads: [...this.#removedWorkloads],
      removedServices: [...this.#removedServices],
      removedPolicies: [...this.#removedPolicies],
      ...(this.#ranges.size === 0 ? {} : { ranges: [...this.#ranges.values()] }),
      ...(this.#removedRanges.size === 0 ? {} : { removedRanges: [...this.#removedRanges] }),
    };
  }
}
