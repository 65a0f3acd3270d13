import { KubeApiError, type KubeClient, type KubeName, type KubeResource } from '@ambit/mesh/kube';
import type { Clock } from '@ambit/mesh/runtime';
import { isRecord, jsonAt, jsonEqual, jsonItems, jsonText } from '../../json.ts';
import { decideStoredConditions, type UndatedCondition } from '../../status/decide-stored-conditions.ts';
import { FIELD_MANAGER } from './waypoint-resources.ts';

/** A status as it is to be: conditions, and more of it that is written as it is. */
export interface WantedStatus {
  readonly conditions: readonly UndatedCondition[];
  /** Of the object that it was decided for: another one has its status decided anew. Absent: whichever. */
  readonly generation?: number;
  /** Types of conditions that are ours, and go when `conditions` has them no more. */
  readonly removed?: readonly string[];
  /** Made of the status as it is, with the conditions' writer for those further inside. */
  readonly more?: (store: StoreConditions, present: unknown) => Readonly<Record<string, unknown>>;
}

/** `before` are the conditions that stand there, for their times. */
export type StoreConditions = (conditions: readonly UndatedCondition[], before: readonly unknown[]) => unknown;

/** Writes statuses of kinds that are not ours: what we do not say is left as it is. */
export class ConditionWriter {
  readonly #client: KubeClient;
  readonly #clock: Clock;

  constructor(client: KubeClient, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  /** Reads the object and writes its status if that differs. An object that is gone is nobody's loss. */
  async bring(resource: KubeResource, name: KubeName, wanted: WantedStatus, signal: AbortSignal): Promise<void> {
    const object = await this.#client.get(resource, name, signal);
    if (object !== null) await this.bringObject(resource, object, wanted, signal);
  }

  /** The same for an object that was just read. Answers whether there was anything to write. */
  async bringObject(
    resource: KubeResource,
    object: unknown,
    wanted: WantedStatus,
    signal: AbortSignal,
  ): Promise<boolean> {
    const meta = jsonAt(object, 'metadata');
    const [namespace, name] = [jsonText(meta, 'namespace'), jsonText(meta, 'name')];
    const generation = jsonAt(meta, 'generation');
    if (wanted.generation !== undefined && wanted.generation !== generation) return false;
    const at = {
      generation: typeof generation === 'number' ? generation : 0,
      now: `${new Date(this.#clock.now()).toISOString().slice(0, 19)}Z`,
    };
    const before = jsonItems(object, 'status', 'conditions');
    const present = jsonAt(object, 'status');
    const store: StoreConditions = (conditions, old) => decideStoredConditions(conditions, old, at);
    const status = {
      ...wanted.more?.(store, present),
      conditions: decideStoredConditions(wanted.conditions, before, at),
    };
    if (isThere(status, present) && !hasStale(wanted, before)) return false;
    const patch = {
      apiVersion: resource.group === '' ? resource.version : `${resource.group}/${resource.version}`,
      kind: resource.kind,
      // With the uid, so that an object made anew under the same name is not told what became of the old one.
      metadata: { name, ...(namespace === '' ? {} : { namespace }), uid: jsonText(meta, 'uid') },
      status,
    };
    const apply = { object: patch, fieldManager: FIELD_MANAGER, force: true, subresource: 'status' } as const;
    try {
      await this.#client.apply(resource, { namespace, name }, apply, signal);
    } catch (error) {
      const isGone = error instanceof KubeApiError && (error.code === 'not-found' || error.code === 'conflict');
      if (!isGone) throw error;
    }
    return true;
  }
}

/** Whether a status says all that is wanted; conditions of others beside ours do not count. */
function isThere(wanted: Readonly<Record<string, unknown>>, present: unknown): boolean {
  return Object.entries(wanted).every(([field, value]) => {
    const there = jsonAt(present, field);
    if (field !== 'conditions') return jsonEqual(value, there ?? (Array.isArray(value) ? [] : undefined));
    const conditions = Array.isArray(there) ? there : [];
    return jsonItems({ value }, 'value').every((one) =>
      conditions.some((other) => isRecord(other) && jsonEqual(one, other)),
    );
  });
}

/** What is left out of an applied status is removed, but only by being applied. */
function hasStale({ conditions, removed = [] }: WantedStatus, before: readonly unknown[]): boolean {
  return removed.some(
    (type) => !conditions.some((one) => one.type === type) && before.some((old) => jsonText(old, 'type') === type),
  );
}
