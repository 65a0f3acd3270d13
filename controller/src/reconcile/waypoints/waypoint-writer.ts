import type { Gateway } from '@ambit/mesh/kinds';
import type { KubeClient } from '@ambit/mesh/kube';
import { parseYamlValue } from '@ambit/mesh/manifests';
import { isRecord, jsonAt, jsonItems, jsonText } from '../../json.ts';
import { concernsObject } from '../../status/concerns-object.ts';
import { WAYPOINT_OBJECT_KINDS, type WaypointObjectKind, type WaypointObjects } from './decide-waypoint-objects.ts';
import type { ConfigMapContent } from './decide-waypoint-parameters.ts';
import type { WaypointState } from './decide-gateway-status.ts';
import type { JsonObject } from './waypoint-settings.ts';
import { CONFIG_MAPS, FIELD_MANAGER, WAYPOINT_RESOURCES } from './waypoint-resources.ts';

/** Writes what is made for one Gateway, and reads what it names. */
export class WaypointWriter {
  readonly #client: KubeClient;

  constructor(client: KubeClient) {
    this.#client = client;
  }

  /**
   * Brings every object to what it should be; null when all are. An object of that name that is not the Gateway's is left
   * alone. Rejects only with what concerns no object: the API server is away, or the signal aborts.
   */
  async write(
    { meta }: Gateway,
    objects: WaypointObjects,
    replicasMin: number,
    signal: AbortSignal,
  ): Promise<WaypointState['failure']> {
    for (const kind of WAYPOINT_OBJECT_KINDS) {
      try {
        const taken = await this.#writeOne(kind, objects[kind], { uid: meta.uid, replicasMin }, signal);
        if (taken !== null) return { kind: 'taken', message: taken };
      } catch (error) {
        if (signal.aborted || !concernsObject(error)) throw error;
        const said = typeof error.data['message'] === 'string' ? `: ${error.data['message']}` : '';
        return { kind: error.code === 'invalid' ? 'invalid' : 'failed', message: `${kind}: ${error.message}${said}` };
      }
    }
    return null;
  }

  /** What a ConfigMap holds, each value as YAML; text that is no YAML stays text, which nothing takes. */
  async readParameters(namespace: string, name: string, signal: AbortSignal): Promise<ConfigMapContent> {
    const object = await this.#client.get(CONFIG_MAPS, { namespace, name }, signal);
    if (object === null) return 'missing';
    const data = jsonAt(object, 'data');
    const entries = Object.entries(isRecord(data) ? data : {});
    return new Map(entries.map(([key, text]) => [key, typeof text === 'string' ? parseYamlValue(text) : text]));
  }

  /** Why not, when the object is somebody else's. */
  async #writeOne(
    kind: WaypointObjectKind,
    object: JsonObject,
    { uid, replicasMin }: { readonly uid: string; readonly replicasMin: number },
    signal: AbortSignal,
  ): Promise<string | null> {
    const resource = WAYPOINT_RESOURCES[kind];
    const name = { namespace: jsonText(object, 'metadata', 'namespace'), name: jsonText(object, 'metadata', 'name') };
    const found = await this.#client.get(resource, name, signal);
    if (found !== null && !isOwnedBy(found, uid)) {
      return `${kind} ${name.namespace}/${name.name} is there already and not of this Gateway`;
    }
    const apply = { object, fieldManager: FIELD_MANAGER, force: true };
    const applied = await this.#client.apply(resource, name, apply, signal);
    // The autoscaler would raise them too, but a quarter of a minute later, and not in every cluster. Written as a change
    // rather than applied: the autoscaler may then take the field over.
    const replicas = jsonAt(applied, 'spec', 'replicas');
    if (kind === 'Deployment' && typeof replicas === 'number' && replicas < replicasMin) {
      await this.#client.mergePatch(resource, name, { spec: { replicas: replicasMin } }, signal);
    }
    return null;
  }
}

function isOwnedBy(object: unknown, uid: string): boolean {
  return jsonItems(object, 'metadata', 'ownerReferences').some((owner) => jsonText(owner, 'uid') === uid);
}
