import type { WorkloadUsage } from './pod-account.ts';
import { WORKLOAD_COUNTS } from './workload-metrics.ts';

/** One row per pod over all data workers, who used most CPU time first. */
export function workloadRows(workers: readonly (readonly WorkloadUsage[])[]): readonly WorkloadUsage[] {
  const sums = new Map<string, { -readonly [Field in keyof WorkloadUsage]: WorkloadUsage[Field] }>();
  for (const usage of workers.flat()) {
    const key = `${usage.namespace}/${usage.pod}`;
    const sum = sums.get(key);
    if (sum === undefined) {
      sums.set(key, { ...usage });
      continue;
    }
    if (sum.workload === '') sum.workload = usage.workload;
    for (const name of WORKLOAD_COUNTS) sum[name] += usage[name];
  }
  return [...sums.values()].sort((a, b) => b.cpuMicroseconds - a.cpuMicroseconds);
}
