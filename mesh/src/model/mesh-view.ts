import type { AccessPolicy, PolicyKey } from './access-policy.ts';
import type { IpAddress } from './address.ts';
import type { Service, ServiceKey } from './service.ts';
import type { Workload, WorkloadUid } from './workload.ts';

/** The policies in force at one destination. `missing` are referenced but not received: their presence denies. */
export interface EffectivePolicies {
  readonly policies: readonly AccessPolicy[];
  readonly missing: readonly PolicyKey[];
}

/**
 * Indexed state of workloads, services and policies as a decision reads it. Readers never see half an update:
 * implementations change only between two synchronous decisions. Iterables are valid until the next update.
 */
export interface MeshView {
  /** Grows by one with every applied update. */
  readonly epoch: number;
  workload(uid: WorkloadUid): Workload | undefined;
  /** Workloads of network mode `host-network` are not found by address (protocol.md 4.8). */
  workloadByAddress(network: string, ip: IpAddress): Workload | undefined;
  service(key: ServiceKey): Service | undefined;
  /** Exact VIP first, then blocks: longest prefix, then canonical. */
  serviceByAddress(network: string, ip: IpAddress): Service | undefined;
  servicesByHostname(hostname: string): readonly Service[];
  /** Workloads that back the service. */
  endpoints(key: ServiceKey): Iterable<Workload>;
  /** Mesh-wide, the workload's namespace, and the policies it names, each once. */
  policiesFor(workload: Workload): EffectivePolicies;
}

/** Added or changed objects whole; removed ones by key. Applied as one step. */
export interface MeshViewUpdate {
  readonly workloads?: readonly Workload[];
  readonly services?: readonly Service[];
  readonly policies?: readonly AccessPolicy[];
  readonly removedWorkloads?: readonly WorkloadUid[];
  readonly removedServices?: readonly ServiceKey[];
  readonly removedPolicies?: readonly PolicyKey[];
}
