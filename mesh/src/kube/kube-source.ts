import type { ObjectObserver, ObjectProblem, ObjectSource } from '../kinds/object-source.ts';
import type { MeshKind } from '../kinds/objects.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Instruments, Metrics } from '../runtime/metrics.ts';
import { ChangeOutbox } from './change-outbox.ts';
import { KindFeed } from './kind-feed.ts';
import type { KubeClient, KubeSelection } from './kube-client.ts';
import { KUBE_SOURCE_METRICS, kubeObjectsMetric } from './metrics.ts';
import { Recovery } from './recovery.ts';
import { KUBE_SOURCE_TIMING, type KubeSourceTiming } from './source-timing.ts';

export interface KubeSourceOptions {
  readonly client: KubeClient;
  readonly kinds: readonly MeshKind[];
  /** Which objects of a kind; default all. */
  readonly selections?: Partial<Readonly<Record<MeshKind, KubeSelection>>>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Of one kind. */
  readonly objectsMax?: number;
  readonly timing?: KubeSourceTiming;
  /** Numbers in [0, 1). */
  readonly random?: () => number;
}

/** Twice the pods of the largest clusters that Kubernetes supports. */
const OBJECTS_MAX = 300_000;

/**
 * Objects from the API server: a list of each kind, then watches. The first state is delivered in one piece when every kind
 * is there; a kind that is not served counts as empty and is looked for again. While the API server is away or refuses us,
 * what is known stays in force. An object that cannot be read is a problem, and so is a kind that we may not read.
 */
export function createKubeSource(options: KubeSourceOptions): ObjectSource {
  return new KubeSource(options);
}

class KubeSource implements ObjectSource {
  readonly #options: KubeSourceOptions;
  readonly #metrics: Instruments<typeof KUBE_SOURCE_METRICS>;
  #feeds: readonly KindFeed[] = [];
  #watched = false;

  constructor(options: KubeSourceOptions) {
    this.#options = options;
    this.#metrics = options.metrics.register(KUBE_SOURCE_METRICS);
    options.metrics.collect(kubeObjectsMetric, () =>
      this.#feeds.map(({ kind, size }) => ({ labels: [kind], value: size })),
    );
  }

  async watch(observer: ObjectObserver, signal: AbortSignal): Promise<void> {
    if (this.#watched) throw new Error('bug: one watch per source');
    this.#watched = true;
    signal.throwIfAborted();
    const { clock, kinds, selections, logger, client, random } = this.#options;
    const problems = (): readonly ObjectProblem[] => this.#feeds.flatMap((feed) => feed.problems());
    const outbox = new ChangeOutbox({ observer, clock, problems });
    const recovery = client.recovery ?? new Recovery(clock);
    this.#feeds = kinds.map(
      (kind) =>
        new KindFeed({
          kind,
          client,
          clock,
          outbox,
          selection: selections?.[kind] ?? {},
          logger: logger.child({ kind }),
          metrics: this.#metrics,
          objectsMax: this.#options.objectsMax ?? OBJECTS_MAX,
          recovery,
          timing: this.#options.timing ?? KUBE_SOURCE_TIMING,
          ...(random === undefined ? {} : { random }),
        }),
    );
    signal.addEventListener('abort', () => outbox[Symbol.dispose](), { once: true });
    const aborted = Promise.withResolvers<never>();
    signal.addEventListener('abort', () => aborted.reject(signal.reason), { once: true });
    const began = clock.monotonic();
    await Promise.race([Promise.all(this.#feeds.map((feed) => feed.start(signal))), aborted.promise]);
    const counts = Object.fromEntries(this.#feeds.map(({ kind, size }) => [kind, size]));
    logger.info('objects are here', { objects: counts, took_ms: Math.round(clock.monotonic() - began) });
    outbox.open();
  }
}
