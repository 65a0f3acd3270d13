import type { ObjectProblem } from '../kinds/object-source.ts';
import type { MeshKind } from '../kinds/objects.ts';
import type { RawObject } from '../kinds/parse-object.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Instruments } from '../runtime/metrics.ts';
import type { ChangeOutbox } from './change-outbox.ts';
import { KubeApiError, type KubeApiErrorCode } from './errors.ts';
import { KindStore } from './kind-store.ts';
import type { KubeClient, KubeSelection } from './kube-client.ts';
import { ListWatch, type ListWatchHandler } from './list-watch.ts';
import { MESH_RESOURCES, type MeshResource } from './mesh-resources.ts';
import type { KUBE_SOURCE_METRICS } from './metrics.ts';
import type { Recovery } from './recovery.ts';
import type { KubeSourceTiming } from './source-timing.ts';

export interface KindFeedOptions {
  readonly kind: MeshKind;
  readonly client: KubeClient;
  readonly selection: KubeSelection;
  readonly outbox: ChangeOutbox;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Instruments<typeof KUBE_SOURCE_METRICS>;
  readonly objectsMax: number;
  readonly timing: KubeSourceTiming;
  readonly recovery: Recovery;
  readonly random?: () => number;
}

/** Failures that do not go away by waiting: somebody must hear of them. An API server that is away is only logged. */
const TOLD: ReadonlySet<KubeApiErrorCode> = new Set([
  'unauthenticated',
  'forbidden',
  'invalid',
  'malformed-response',
  'too-large',
]);

/** One kind of the API server on its way into the outbox: what is known of it, and what is wrong with it. */
export class KindFeed implements ListWatchHandler {
  readonly kind: MeshKind;
  readonly #options: KindFeedOptions;
  readonly #resource: MeshResource;
  readonly #store: KindStore;
  readonly #synced = Promise.withResolvers<void>();
  #listed = false;
  #failure: KubeApiErrorCode | 'bug' | null = null;
  #problem: ObjectProblem | null = null;
  #isAbsent = false;

  constructor(options: KindFeedOptions) {
    this.#options = options;
    this.kind = options.kind;
    this.#resource = MESH_RESOURCES[options.kind];
    this.#store = new KindStore(options.kind, options.objectsMax, options.outbox.changed);
  }

  get size(): number {
    return this.#store.size;
  }

  get incomplete(): boolean {
    return this.#store.incomplete;
  }

  /** Follows the kind until `signal` aborts; resolves when its first list is in the store. */
  start(signal: AbortSignal): Promise<void> {
    const { client, selection, clock, timing, recovery, random, logger } = this.#options;
    const listWatch = new ListWatch({
      client,
      resource: this.#resource,
      selection,
      handler: this,
      clock,
      timing,
      recovery,
      ...(random === undefined ? {} : { random }),
    });
    void listWatch.run(signal).catch((error: unknown) => logger.error('following the API server ended', { error }));
    return this.#synced.promise;
  }

  problems(): readonly ObjectProblem[] {
    return this.#problem === null ? this.#store.problems() : [this.#problem, ...this.#store.problems()];
  }

  beginList(): void {
    this.#store.beginList();
  }

  endList(): void {
    this.#store.endList();
    this.#listed = true;
    if (this.#isAbsent) this.#options.logger.info('the API server serves this kind now');
    this.#isAbsent = false;
    this.#options.outbox.problemsChanged();
    this.#synced.resolve();
  }

  put(object: RawObject): void {
    this.#store.put(object);
    this.#options.outbox.problemsChanged();
  }

  remove(object: RawObject): void {
    this.#store.remove(object);
    this.#options.outbox.problemsChanged();
  }

  absent(proven: boolean): void {
    if (!proven) return;
    const { plural, group, optional, kind } = this.#resource;
    if (!this.#isAbsent) this.#options.logger.info('the API server does not serve this kind: it counts as empty');
    this.#isAbsent = true;
    this.#failure = null;
    this.#store.clear();
    const reason = `CustomResourceDefinition ${plural}.${group} is not installed: there is no ${kind} in force`;
    this.#tell(optional ? null : { where: kind, reason, severity: 'warning' });
    this.#synced.resolve();
  }

  failing(error: unknown): void {
    if (error === null) {
      if (this.#failure !== null) this.#options.logger.info('the API server is followed again');
      this.#failure = null;
      this.#tell(null);
      return;
    }
    const code = error instanceof KubeApiError ? error.code : 'bug';
    // The same failure again and again is one thing to know.
    if (code !== this.#failure) {
      const message = 'the API server cannot be followed, what is known stays in force';
      this.#options.logger[code === 'bug' ? 'error' : 'warn'](message, { error });
    }
    this.#failure = code;
    if (error instanceof KubeApiError && TOLD.has(error.code)) this.#tell(this.#problemOf(error));
  }

  relisted(): void {
    this.#options.metrics.relists.add([this.kind]);
  }

  rewatched(): void {
    this.#options.metrics.watchRestarts.add([this.kind]);
  }

  #problemOf({ message, data }: KubeApiError): ObjectProblem {
    const said = data['message'] ?? data['found'] ?? data['reason'];
    const reason = said === undefined ? message : `${message}: ${said}`;
    // What was listed once is in force, though perhaps not in its last version.
    return { where: this.kind, reason, severity: this.#listed ? 'warning' : 'error' };
  }

  #tell(problem: ObjectProblem | null): void {
    if (problem === null && this.#problem === null) return;
    this.#problem = problem;
    this.#options.outbox.problemsChanged();
  }
}
