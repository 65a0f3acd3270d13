import {
  AMBIT_DOMAIN,
  AMBIT_KINDS,
  KindError,
  type ObjectProblem,
  objectKey,
  parseObject,
  type RawObject,
} from '@ambit/mesh/kinds';
import { KubeApiError, type KubeClient, type KubeResource } from '@ambit/mesh/kube';
import type { Clock, Logger, Metrics } from '@ambit/mesh/runtime';
import { Bell } from '../reconcile/bell.ts';
import { decideAcknowledgement } from './decide-acknowledgement.ts';
import { decideFindings, isOwnKind, isOwnObject, type OwnObject } from './decide-findings.ts';
import { decideBrokenStatus, decideStatus, type StatusDecision } from './decide-status.ts';
import { decideStatusPatch } from './decide-status-patch.ts';
import { STATUS_LIMITS } from './limits.ts';
import type { MeshProgress } from './mesh-progress.ts';
import { concernsObject } from './concerns-object.ts';
import { createStatusMetrics, type StatusMetrics, type WriteResult } from './metrics.ts';
import type { PolicyVersions } from './policy-versions.ts';
import type { PolicyWorld } from './policy-world.ts';

const FIELD_MANAGER = 'ambit-controller';

/** The resource behind each of our kinds. */
const RESOURCES: ReadonlyMap<string, KubeResource> = new Map(
  AMBIT_KINDS.map(({ kind, plural }) => [
    kind,
    { group: AMBIT_DOMAIN, version: 'v1alpha1', plural, kind, scope: 'namespaced' },
  ]),
);

export interface StatusWriterOptions {
  readonly client: KubeClient;
  readonly versions: PolicyVersions;
  /** The objects as they are now. */
  readonly world: () => PolicyWorld;
  /** What is not in force as written. */
  readonly problems: () => readonly ObjectProblem[];
  readonly progress: () => MeshProgress;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** One of our objects by name: all that a request to look at it says. */
interface ObjectName {
  readonly kind: OwnObject['kind'];
  readonly namespace: string;
  readonly name: string;
}

interface DecidedStatus {
  readonly decision: StatusDecision;
  /** As `textOf` has it; null for an object that is broken. */
  readonly decided: string | null;
}

interface Reconciled extends Pick<DecidedStatus, 'decided'> {
  readonly result: WriteResult;
}

/**
 * Writes what became of our own objects, by the leader. Level-based: a pass decides every status anew from what is known,
 * and what differs from what was last written is read from the API server, decided for exactly that object, and applied
 * only where it differs. So a lost event, a conflict or another leader's write is mended by a later pass. An object that the API
 * server refuses keeps no other waiting.
 */
export class StatusWriter {
  readonly #options: StatusWriterOptions;
  readonly #metrics: StatusMetrics;
  readonly #bell: Bell;
  #looked: { readonly progress: MeshProgress; readonly atMs: number } | null = null;

  constructor(options: StatusWriterOptions) {
    this.#options = options;
    this.#metrics = createStatusMetrics(options.metrics);
    this.#bell = new Bell(options.clock);
  }

  /** Something changed that may show in a status. */
  poke(): void {
    this.#bell.ring();
  }

  /** Until `signal` aborts. Rejects when the API server does not answer as hoped: to be begun again after a pause. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    // Decided statuses by object, as far as the API server is known to hold them. Another leader may have written since.
    let settled = new Map<string, string>();
    let resyncAtMs = clock.monotonic() + STATUS_LIMITS.resyncMs;
    while (!signal.aborted) {
      if (clock.monotonic() >= resyncAtMs) {
        settled = new Map();
        resyncAtMs = clock.monotonic() + STATUS_LIMITS.resyncMs;
      }
      const { decideMs, changesAtMs } = await this.#pass(settled, signal);
      await clock.sleep(Math.max(STATUS_LIMITS.passMs, decideMs * STATUS_LIMITS.pausePerWork), signal);
      const nextAtMs = Math.min(resyncAtMs, changesAtMs ?? Infinity);
      await this.#bell.wait(Math.max(0, nextAtMs - clock.monotonic()), signal);
    }
  }

  /** Answers how long it took to decide, and when that is out of date with no news at all. */
  async #pass(
    settled: Map<string, string>,
    signal: AbortSignal,
  ): Promise<{ readonly decideMs: number; readonly changesAtMs: number | null }> {
    const begun = this.#options.clock.monotonic();
    const progress = this.#look(0);
    const wanted = this.#decideAll(progress);
    const decideMs = this.#options.clock.monotonic() - begun;
    for (const key of settled.keys()) if (!wanted.has(key)) settled.delete(key);
    const due = [...wanted].filter(([key, { text }]) => settled.get(key) !== text);
    for (const [index, [key, { name, text }]] of due.entries()) {
      this.#metrics.pending.set([], due.length - index);
      const { result, decided } = await this.#reconcile(name, signal);
      this.#metrics.writes.add([result]);
      if (result === 'conflict') this.#bell.ring();
      // Not what this pass began with: that may be what the next one decides again.
      else settled.set(key, decided ?? text);
      await this.#options.clock.sleep(STATUS_LIMITS.writeGapMs, signal);
    }
    this.#metrics.pending.set([], 0);
    return { decideMs, changesAtMs: progress.changesAtMs };
  }

  /** The status of every object, as a text to compare with the one decided before. */
  #decideAll(progress: MeshProgress): ReadonlyMap<string, { readonly name: ObjectName; readonly text: string }> {
    const { versions, problems } = this.#options;
    const all = new Map<string, { readonly name: ObjectName; readonly text: string }>();
    const decide = this.#decider(progress);
    for (const object of versions.objects()) {
      const { kind, meta } = object;
      const text = textOf(object, decide(object));
      all.set(objectKey(kind, meta.namespace, meta.name), { name: { kind, ...placeOf(meta) }, text });
    }
    for (const { key, reason, severity } of problems()) {
      const name = severity === 'error' && key !== undefined ? ownName(key) : null;
      if (name !== null && key !== undefined) all.set(key, { name, text: `broken: ${reason}` });
    }
    return all;
  }

  /** Progress that is not older: to look takes as long as there are nodes, and a pass may write thousands of objects. */
  #look(ageMsMax: number): MeshProgress {
    const nowMs = this.#options.clock.monotonic();
    if (this.#looked === null || nowMs - this.#looked.atMs >= ageMsMax) {
      this.#looked = { progress: this.#options.progress(), atMs: nowMs };
    }
    return this.#looked.progress;
  }

  /** Decides from the world as it is now. */
  #decider(progress: MeshProgress): (object: OwnObject) => StatusDecision {
    const world = this.#options.world();
    return (object) => {
      const acknowledgement = decideAcknowledgement(object, progress, world);
      return decideStatus(object, decideFindings(world, object), acknowledgement);
    };
  }

  /** Brings one object's status up to date. What the API server holds decides; what we remember only says when to look. */
  async #reconcile({ kind, namespace, name }: ObjectName, signal: AbortSignal): Promise<Reconciled> {
    const { client, clock, logger } = this.#options;
    const resource = RESOURCES.get(kind);
    if (resource === undefined) return { result: 'gone', decided: null };
    try {
      const object = await client.get(resource, { namespace, name }, signal);
      if (object === null) return { result: 'gone', decided: null };
      const { decision, decided } = this.#decideFor(object, { kind, namespace, name });
      const patch = decideStatusPatch({ object, decision, now: rfc3339(clock.now()) });
      if (patch === null) return { result: 'unchanged', decided };
      const apply = { object: patch, fieldManager: FIELD_MANAGER, force: true, subresource: 'status' } as const;
      await client.apply(resource, { namespace, name }, apply, signal);
      logger.debug('status written', { kind, namespace, name });
      return { result: 'written', decided };
    } catch (error) {
      if (!(error instanceof KubeApiError)) throw error;
      if (error.code === 'not-found') return { result: 'gone', decided: null };
      if (error.code === 'conflict') return { result: 'conflict', decided: null };
      if (error.retryable || !concernsObject(error)) throw error;
      // Others must not wait for it; the next resync tries again.
      logger.warn('status cannot be written', { kind, namespace, name, error }, { limitBy: `${kind} ${error.code}` });
      return { result: 'refused', decided: null };
    }
  }

  #decideFor(object: RawObject, { kind, namespace, name }: ObjectName): DecidedStatus {
    const broken = (reason: string, olderInForce: boolean): DecidedStatus => ({
      decision: decideBrokenStatus({ kind, namespace, reason, olderInForce }),
      decided: null,
    });
    try {
      const parsed = parseObject(object);
      if (parsed === null || !isOwnObject(parsed)) return broken(`not a ${kind} that this version reads`, false);
      const decision = this.#decider(this.#look(STATUS_LIMITS.passMs))(parsed);
      return { decision, decided: textOf(parsed, decision) };
    } catch (error) {
      if (!(error instanceof KindError)) throw error;
      const reason = error.message.slice(0, STATUS_LIMITS.messageLengthMax);
      return broken(reason, this.#options.versions.get(objectKey(kind, namespace, name)) !== undefined);
    }
  }
}

/** A decision as a text to compare with another of the same object. */
function textOf({ meta }: OwnObject, decision: StatusDecision): string {
  return `${meta.uid} ${meta.generation} ${JSON.stringify(decision)}`;
}

function placeOf({ namespace, name }: OwnObject['meta']): Pick<ObjectName, 'namespace' | 'name'> {
  return { namespace, name };
}

/** Null for an object that is none of ours. */
function ownName(key: string): ObjectName | null {
  const [kind, namespace = '', name = ''] = key.split('/');
  if (kind === undefined || !isOwnKind(kind)) return null;
  return { kind, namespace, name };
}

/** Kubernetes' times have whole seconds. */
function rfc3339(timeMs: number): string {
  return `${new Date(timeMs).toISOString().slice(0, 19)}Z`;
}
