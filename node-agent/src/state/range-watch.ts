import {
  type Cidr,
  cidrContains,
  type MeshViewUpdate,
  RangeIndex,
  type Workload,
  type WorkloadUid,
} from '@ambit/mesh/model';
import type { Logger } from '@ambit/mesh/runtime';

export interface RangeWatchOptions {
  readonly ranges: readonly Cidr[];
  readonly network: string;
  readonly logger: Logger;
}

/**
 * Notices enrolled workloads outside the ranges of the mesh, as when a cluster has grown beyond what was configured: a pod that
 * comes there would be called in plaintext until it is known. Says so when the first one turns up.
 */
export class RangeWatch {
  readonly #options: RangeWatchOptions;
  /** Those that are pushed, beside those that are configured. */
  readonly #pushed = new RangeIndex();
  readonly #outside = new Map<WorkloadUid, Workload>();

  constructor(options: RangeWatchOptions) {
    this.#options = options;
  }

  /** Enrolled workloads outside now. */
  get count(): number {
    return this.#outside.size;
  }

  /** Looks at one update of the mesh view. Without any ranges there is nothing to be outside of. */
  see({ workloads = [], removedWorkloads = [], ranges = [], removedRanges = [] }: MeshViewUpdate): void {
    const { logger } = this.#options;
    for (const name of removedRanges) this.#pushed.remove(name);
    for (const each of ranges) this.#pushed.put(each);
    if (this.#options.ranges.length + this.#pushed.size === 0) return;
    const before = this.#outside.size;
    for (const uid of removedWorkloads) this.#outside.delete(uid);
    // Ranges that come let those in that were outside.
    if (ranges.length > 0) {
      for (const [uid, workload] of this.#outside) if (!this.#isOutside(workload)) this.#outside.delete(uid);
    }
    let example: Workload | undefined;
    for (const workload of workloads) {
      if (!this.#isOutside(workload)) this.#outside.delete(workload.uid);
      else {
        this.#outside.set(workload.uid, workload);
        example = workload;
      }
    }
    if (before > 0 || example === undefined) return;
    logger.warn(
      'a workload of the mesh lies outside its ranges: new ones there are called in plaintext until they are known',
      {
        workload: example.uid,
        address: example.addresses.join(),
        hint: 'add its range to AMBIT_MESH_CIDRS (value mesh.cidrs of the chart)',
      },
    );
  }

  #isOutside({ tunnelProtocol, networkMode, network, addresses }: Workload): boolean {
    if (tunnelProtocol !== 'hbone' || networkMode !== 'standard' || network !== this.#options.network) return false;
    return !addresses.every(
      (ip) => this.#pushed.contains(network, ip) || this.#options.ranges.some((range) => cidrContains(range, ip)),
    );
  }
}
