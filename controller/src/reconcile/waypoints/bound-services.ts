import type { KubeService } from '@ambit/mesh/kinds';
import { type KubeClient, listAll } from '@ambit/mesh/kube';
import type { Clock, Logger } from '@ambit/mesh/runtime';
import type { ObjectCollections } from '../../collections/object-collections.ts';
import { jsonItems, jsonText } from '../../json.ts';
import type { LeaderWork } from '../../leader/index.ts';
import type { UndatedCondition } from '../../status/decide-stored-conditions.ts';
import { Bell, type RoundTiming } from '../bell.ts';
import { ConditionWriter } from './condition-writer.ts';
import { WAYPOINT_BOUND } from './decide-waypoint-bound.ts';
import { waypointBoundOf } from './waypoint-bound.ts';
import type { WaypointPods } from './waypoint-pods.ts';
import { concernsObject, WAYPOINT_RESOURCES } from './waypoint-resources.ts';

const SERVICES = WAYPOINT_RESOURCES.Service;
const TIMING: Required<RoundTiming> = { pauseMs: 1000, resyncMs: 600_000 };
/** Between two writes: a waypoint that goes away meets every service of a namespace, which is no burst for the API server. */
const WRITE_GAP_MS = 25;

export interface BoundServicesOptions {
  readonly client: KubeClient;
  readonly objects: ObjectCollections;
  readonly pods: WaypointPods;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Keeps condition `ambit.dev/WaypointBound` on every Service that names a waypoint, and on no other. A term begins with a look
 * at all Services, whatever leaders before have written; so does every tenth minute.
 */
export class BoundServices {
  readonly #options: BoundServicesOptions;
  readonly #bell: Bell;
  readonly #statuses: ConditionWriter;
  /** What each Service has, as far as is known; no entry for one without the condition. */
  #settled = new Map<string, string>();
  #lookAgainAtMs = 0;

  constructor(options: BoundServicesOptions) {
    this.#options = options;
    this.#bell = new Bell(options.clock);
    this.#statuses = new ConditionWriter(options.client, options.clock);
  }

  /** Something changed. */
  poke(): void {
    this.#bell.ring();
  }

  /** Work of the leader. */
  readonly work: LeaderWork = async (signal) => {
    this.#lookAgainAtMs = 0;
    await this.#bell.repeat(() => this.#round(signal), TIMING, signal);
  };

  async #round(signal: AbortSignal): Promise<void> {
    const { objects, pods, clock } = this.#options;
    if (clock.monotonic() >= this.#lookAgainAtMs) {
      await this.#look(signal);
      this.#lookAgainAtMs = clock.monotonic() + TIMING.resyncMs;
    }
    for (const key of this.#settled.keys()) if (objects.services.get(key) === undefined) this.#settled.delete(key);
    for (const [key, service] of objects.services.entries()) {
      const wanted = waypointBoundOf(service, objects, pods);
      const text = textOf(service, wanted);
      if (text === this.#settled.get(key)) continue;
      const { namespace, name } = service.meta;
      const conditions = wanted === null ? [] : [wanted];
      try {
        await this.#statuses.bring(SERVICES, { namespace, name }, { conditions, removed: [WAYPOINT_BOUND] }, signal);
      } catch (error) {
        if (signal.aborted || !concernsObject(error)) throw error;
        // Tried again with the next look at all of them.
        this.#options.logger.warn('status of a Service cannot be written', { service: key, error }, { limitBy: key });
      }
      this.#settle(key, text);
      await clock.sleep(WRITE_GAP_MS, signal);
    }
  }

  /** Finds the Services that have the condition: of each of the others it is known that there is nothing to remove. */
  async #look(signal: AbortSignal): Promise<void> {
    this.#settled = new Map();
    for await (const object of listAll(this.#options.client, SERVICES, {}, signal)) {
      const has = jsonItems(object, 'status', 'conditions').some((one) => jsonText(one, 'type') === WAYPOINT_BOUND);
      const key = `${jsonText(object, 'metadata', 'namespace')}/${jsonText(object, 'metadata', 'name')}`;
      // Whatever it says: it is compared with what it should say.
      if (has) this.#settled.set(key, 'something');
    }
  }

  #settle(key: string, text: string | undefined): void {
    if (text === undefined) this.#settled.delete(key);
    else this.#settled.set(key, text);
  }
}

function textOf({ meta }: KubeService, wanted: UndatedCondition | null): string | undefined {
  return wanted === null ? undefined : `${meta.uid} ${JSON.stringify(wanted)}`;
}
