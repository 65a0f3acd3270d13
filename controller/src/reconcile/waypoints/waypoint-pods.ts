import { GATEWAY_NAME_LABEL, isOfWaypoint, type Pod } from '@ambit/mesh/kinds';
import type { Index } from '../../collections/collection.ts';
import type { ObjectCollections } from '../../collections/object-collections.ts';

/** Pods by the Gateway that they run. */
export class WaypointPods {
  readonly #byGateway: Index<Pod>;

  /** Make it before the first objects arrive. */
  constructor(objects: Pick<ObjectCollections, 'pods'>) {
    this.#byGateway = objects.pods.index(({ meta, phase }) =>
      isOfWaypoint(meta.labels) && phase !== 'Succeeded' && phase !== 'Failed'
        ? [`${meta.namespace}/${meta.labels.get(GATEWAY_NAME_LABEL)}`]
        : [],
    );
  }

  of({ namespace, name }: { readonly namespace: string; readonly name: string }): {
    readonly pods: number;
    readonly readyPods: number;
  } {
    const pods = this.#byGateway.get(`${namespace}/${name}`).filter(({ meta }) => !meta.deleting);
    return { pods: pods.length, readyPods: pods.filter(({ ready }) => ready).length };
  }
}
