import {
  type KubeService,
  LOAD_BALANCER_ANNOTATION,
  type Pod,
  WAYPOINT_CANARY_LABEL,
  WAYPOINT_LABEL,
} from '@ambit/mesh/kinds';
import type { Gateway } from '@ambit/mesh/kinds';
import type { Index } from '../collections/collection.ts';
import type { ObjectCollections } from '../collections/object-collections.ts';
import { decideLabelFaults, type LabelWorld } from './decide-label-faults.ts';
import type { RefusedObject } from './decide-problem-events.ts';

/** More than anybody is told of. */
const FAULTS_MAX = 1000;
const LABELLED = 'labelled';

/** Finds the objects that say something of waypoints by themselves, among many that do not. */
export class LabelledObjects {
  readonly #objects: ObjectCollections;
  readonly #services: Index<KubeService>;
  readonly #pods: Index<Pod>;
  readonly #gateways: Index<Gateway>;

  constructor(objects: ObjectCollections) {
    this.#objects = objects;
    this.#services = objects.services.index(({ meta }) =>
      meta.labels.has(WAYPOINT_LABEL) ||
      meta.labels.has(WAYPOINT_CANARY_LABEL) ||
      meta.annotations.has(LOAD_BALANCER_ANNOTATION)
        ? [LABELLED]
        : [],
    );
    this.#pods = objects.pods.index(({ meta }) => (meta.labels.has(WAYPOINT_LABEL) ? [LABELLED] : []));
    this.#gateways = objects.gateways.index(({ meta }) => [meta.namespace]);
  }

  /** What is wrong with them as they are now; of many some. */
  faults(): readonly RefusedObject[] {
    const { namespaces, gateways } = this.#objects;
    const world: LabelWorld = {
      namespace: (name) => namespaces.get(`/${name}`),
      gateway: (namespace, name) => gateways.get(`${namespace}/${name}`),
      gatewaysOf: (namespace) => this.#gateways.get(namespace),
    };
    const faults: RefusedObject[] = [];
    const labelled = [
      ...[...namespaces.entries()].map(([, namespace]) => namespace),
      ...this.#services.get(LABELLED),
      ...this.#pods.get(LABELLED),
    ];
    for (const object of labelled) {
      faults.push(...decideLabelFaults(object, world));
      if (faults.length >= FAULTS_MAX) break;
    }
    return faults;
  }
}
