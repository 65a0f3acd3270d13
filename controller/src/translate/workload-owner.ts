import type { Pod } from '@ambit/mesh/kinds';
import type { Workload } from '@ambit/mesh/model';

export interface WorkloadOwner {
  readonly name: string;
  readonly type: Workload['workloadType'];
}

const TEMPLATE_HASH_LABEL = 'pod-template-hash';
/** A CronJob names its jobs with the scheduled time: seconds or minutes since 1970. */
const CRON_JOB_RUN = /^(.+)-\d{8,10}$/;

/** What the author deployed: the Deployment behind the ReplicaSet, the CronJob behind the Job, else the owner or the pod. */
export function workloadOwner(pod: Pod): WorkloadOwner {
  const owner = pod.meta.ownerReferences.find((reference) => reference.controller);
  if (owner === undefined) return { name: pod.meta.name, type: 'pod' };
  const hash = pod.meta.labels.get(TEMPLATE_HASH_LABEL);
  switch (owner.kind) {
    case 'ReplicaSet':
      // A ReplicaSet made by hand has no hash in its name.
      if (hash === undefined || !owner.name.endsWith(`-${hash}`)) return { name: owner.name, type: 'pod' };
      return { name: owner.name.slice(0, -hash.length - 1), type: 'deployment' };
    case 'Deployment':
      return { name: owner.name, type: 'deployment' };
    case 'CronJob':
      return { name: owner.name, type: 'cronjob' };
    case 'Job': {
      const run = CRON_JOB_RUN.exec(owner.name);
      return run?.[1] === undefined ? { name: owner.name, type: 'job' } : { name: run[1], type: 'cronjob' };
    }
    default:
      return { name: owner.name, type: 'pod' };
  }
}
