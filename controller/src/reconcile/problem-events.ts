import { createHash } from 'node:crypto';
import type { ObjectProblem } from '@ambit/mesh/kinds';
import { createWarningEvent, KubeApiError, type KubeClient, type KubeResource } from '@ambit/mesh/kube';
import type { Clock, Logger } from '@ambit/mesh/runtime';
import { jsonText } from '../json.ts';
import type { LeaderWork } from '../leader/index.ts';
import { Bell, type RoundTiming } from './bell.ts';
import {
  decideProblemEvents,
  refusedObjects,
  type ProblemEventBounds,
  type RefusedObject,
  type Told,
  toldKey,
} from './decide-problem-events.ts';

const RESOURCES: Readonly<Record<RefusedObject['kind'], KubeResource>> = {
  Pod: { group: '', version: 'v1', plural: 'pods', kind: 'Pod', scope: 'namespaced' },
  Service: { group: '', version: 'v1', plural: 'services', kind: 'Service', scope: 'namespaced' },
  Namespace: { group: '', version: 'v1', plural: 'namespaces', kind: 'Namespace', scope: 'cluster' },
};
/** The API server forgets events after an hour. */
export const PROBLEM_EVENT_BOUNDS: ProblemEventBounds = {
  repeatMs: 3_600_000,
  toldMax: 1000,
  perNamespaceMax: 100,
  dueMax: 10,
};
/** Labels and the Gateways that they name are often written one after the other. */
export const SETTLE_MS = 10_000;
/** What could not be told is not tried again before this, so that others get their turn. */
const RETRY_MS = 60_000;
/** Ten events in two seconds at most, however many pods have the same mistake. */
export const PROBLEM_EVENT_TIMING: Required<RoundTiming> = { pauseMs: 2000, resyncMs: 600_000 };

export interface ProblemEventsOptions {
  readonly client: KubeClient;
  /** What the source has now that is not in force as written. */
  readonly problems: () => readonly ObjectProblem[];
  /** What is in force as written, and not what somebody meant. */
  readonly labelFaults: () => readonly RefusedObject[];
  /** Name of this replica's pod. */
  readonly self: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Tells of pods, namespaces and services that are not taken as they are, or name a waypoint that is not there: a misspelt
 * label most of all. It does where their owners look: as events. Their names are made of what they say, so that every leader tells the same but once.
 */
export class ProblemEvents {
  readonly #options: ProblemEventsOptions;
  readonly #bell: Bell;
  #told: Told = new Map();
  /** Since when labels have been wrong. */
  #sinceMs: ReadonlyMap<string, number> = new Map();

  constructor(options: ProblemEventsOptions) {
    this.#options = options;
    this.#bell = new Bell(options.clock);
  }

  /** The problems are others now. */
  poke(): void {
    this.#bell.ring();
  }

  /** Work of the leader. */
  readonly work: LeaderWork = async (signal) => {
    await this.#bell.repeat(() => this.#round(signal), PROBLEM_EVENT_TIMING, signal);
  };

  async #round(signal: AbortSignal): Promise<void> {
    const { problems, clock } = this.#options;
    const refused = [...refusedObjects(problems()), ...this.#settledFaults()];
    const { due, told } = decideProblemEvents(refused, this.#told, clock.monotonic(), PROBLEM_EVENT_BOUNDS);
    const after = new Map(told);
    this.#told = after;
    let failure: KubeApiError | null = null;
    for (const object of due) {
      try {
        await this.#tell(object, signal);
        after.set(toldKey(object), clock.monotonic());
      } catch (error) {
        if (signal.aborted || !(error instanceof KubeApiError) || error.code === 'unreachable') throw error;
        failure ??= error;
        after.set(toldKey(object), clock.monotonic() - PROBLEM_EVENT_BOUNDS.repeatMs + RETRY_MS);
      }
    }
    if (failure !== null) throw failure;
    if (due.length === PROBLEM_EVENT_BOUNDS.dueMax) this.#bell.ring();
  }

  #settledFaults(): readonly RefusedObject[] {
    const { labelFaults, clock } = this.#options;
    const nowMs = clock.monotonic();
    const faults = labelFaults();
    const before = this.#sinceMs;
    const since = new Map(faults.map((fault) => [toldKey(fault), before.get(toldKey(fault)) ?? nowMs]));
    this.#sinceMs = since;
    const settled = faults.filter((fault) => nowMs - (since.get(toldKey(fault)) ?? nowMs) >= SETTLE_MS);
    if (settled.length < faults.length) this.#bell.ring();
    return settled;
  }

  /** Throws what is worth another try. */
  async #tell(object: RefusedObject, signal: AbortSignal): Promise<void> {
    const { client, self, clock, logger } = this.#options;
    const { kind, namespace, name, code, reason } = object;
    try {
      const resource = RESOURCES[kind];
      const there = await client.get(resource, { namespace: kind === 'Namespace' ? '' : namespace, name }, signal);
      const uid = jsonText(there, 'metadata', 'uid');
      if (uid === '') return;
      const event = {
        regarding: { kind, namespace, name, uid },
        id: createHash('sha256').update(`${uid} ${reason}`).digest('hex').slice(0, 16),
        reason: code,
        action: 'Read',
        note: code === 'NotTaken' ? `Ambit does not take it as it is: ${reason}` : reason,
        controller: 'ambit.dev/controller',
        instance: self,
        nowMs: clock.now(),
      };
      await createWarningEvent(client, event, signal);
    } catch (error) {
      if (!(error instanceof KubeApiError) || error.retryable) throw error;
      if (error.code === 'already-exists') return;
      // A namespace that is being removed takes nothing new.
      logger.debug('event cannot be written', { kind, namespace, name, error });
    }
  }
}
