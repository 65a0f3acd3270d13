import type { AccessPolicy, PolicyKey } from './access-policy.ts';
import type { IpAddress } from './address.ts';
import type { MeshRanges } from './mesh-ranges.ts';
import type { NamespacedHostname, Service, ServiceKey } from './service.ts';
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
  /** Of those that are known by a host name in place of an address, or beside one. */
  workloadByHostname(name: NamespacedHostname): Workload | undefined;
  service(key: ServiceKey): Service | undefined;
  /**
   * Exact VIP first, then blocks: longest prefix, then canonical. With `clientNamespace`, among holders of the VIP, and
   * among all blocks, a service of that namespace comes first; what only another namespace may see is not found.
   */
  serviceByAddress(network: string, ip: IpAddress, clientNamespace?: string): Service | undefined;
  /** The address belongs to the mesh, whether or not anybody has it: it is in one of the ranges. */
  isInRanges(network: string, ip: IpAddress): boolean;
  servicesByHostname(hostname: string): readonly Service[];
  /** Workloads that back the service. */
  endpoints(key: ServiceKey): Iterable<Workload>;
  /** Mesh-wide, the workload's namespace, and the policies it names, each once. */
  policiesFor(workload: Workload): EffectivePolicies;
  /** Everything, for dumps and tests; never on a connection's path. */
  workloads(): Iterable<Workload>;
  services(): Iterable<Service>;
  policies(): Iterable<AccessPolicy>;
}

/** Added or changed objects whole; removed ones by key. Applied as one step, removals first. */
export interface MeshViewUpdate {
  readonly workloads?: readonly Workload[];
  readonly services?: readonly Service[];
  readonly policies?: readonly AccessPolicy[];
  readonly removedWorkloads?: readonly WorkloadUid[];
  readonly removedServices?: readonly ServiceKey[];
  readonly removedPolicies?: readonly PolicyKey[];
  readonly ranges?: readonly MeshRanges[];
  /** By name. */
  readonly removedRanges?: readonly string[];
}

/** One update of a view, for re-checking live connections. */
export interface MeshViewStep {
  /** Of the view after the update. */
  readonly epoch: number;
  /** Known before the update and not any more. */
  readonly gone: ReadonlySet<WorkloadUid>;
  /** Some service was added, changed or removed. */
  readonly touchesServices: boolean;
  /** The workload was added, changed or removed. */
  readonly touchesWorkload: (uid: WorkloadUid) => boolean;
  /** True when the policies in force at `workload` (as it is now) may differ from before the update. */
  policiesMayDifferAt(workload: Workload): boolean;
}

/** What one update touched. */
export interface MeshViewChange extends MeshViewStep {
  /** Added, changed or removed; removals of what was unknown are left out. */
  readonly workloads: ReadonlySet<WorkloadUid>;
  readonly services: ReadonlySet<ServiceKey>;
  readonly policies: ReadonlySet<PolicyKey>;
}

/** Owner's side of a view: the one place that changes it. */
export interface MeshViewStore {
  readonly view: MeshView;
  /** Synchronous and whole: no reader of this thread sees half of it. Never throws for parsed objects. */
  apply(update: MeshViewUpdate): MeshViewChange;
}
