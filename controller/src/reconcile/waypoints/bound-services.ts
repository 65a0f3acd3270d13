import type { KubeClient } from '@ambit/mesh/kube';
import type { Clock } from '@ambit/mesh/runtime';
import type { ObjectCollections } from '../../collections/object-collections.ts';
import type { StatusKind } from '../../status/status-rounds.ts';
import { ConditionWriter } from './condition-writer.ts';
import { WAYPOINT_BOUND } from './decide-waypoint-bound.ts';
import { waypointBoundOf } from './waypoint-bound.ts';
import type { WaypointPods } from './waypoint-pods.ts';
import { WAYPOINT_RESOURCES } from './waypoint-resources.ts';

export interface BoundServicesOptions {
  readonly client: KubeClient;
  readonly objects: ObjectCollections;
  readonly pods: WaypointPods;
  readonly clock: Clock;
}

/** Condition `ambit.dev/WaypointBound` on every Service that names a waypoint, and on no other. */
export function boundServicesKind({ client, objects, pods, clock }: BoundServicesOptions): StatusKind {
  const resource = WAYPOINT_RESOURCES.Service;
  const statuses = new ConditionWriter(client, clock);
  return {
    resource,
    objects: objects.services,
    decide: (key) => {
      const service = objects.services.get(key);
      if (service === undefined) return null;
      const { uid } = service.meta;
      const wanted = waypointBoundOf(service, objects, pods);
      const status = { conditions: wanted === null ? [] : [wanted], removed: [WAYPOINT_BOUND] };
      return {
        uid,
        text: wanted === null ? null : `${uid} ${JSON.stringify(wanted)}`,
        write: (object, signal) => statuses.bringObject(resource, object, status, signal),
      };
    },
  };
}
