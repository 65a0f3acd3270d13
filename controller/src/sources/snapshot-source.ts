import {
  keyOf,
  type MeshObject,
  type ObjectChange,
  type ObjectKey,
  type ObjectObserver,
  type ObjectProblem,
  type ObjectSource,
} from '@ambit/mesh/kinds';
import type { Clock, Logger } from '@ambit/mesh/runtime';
import { readSnapshot, writeSnapshot } from './snapshot-file.ts';

export interface SnapshotSourceOptions {
  /** What is kept. */
  readonly source: ObjectSource;
  /** The file that it is kept in. */
  readonly path: string;
  /** Of this build: objects of another are not taken. */
  readonly version: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Shorter times, for tests. */
  readonly timing?: Partial<SnapshotTiming>;
}

interface SnapshotTiming {
  /** The source gets this long to deliver its first state before that of the file is taken. */
  readonly patienceMs: number;
  /** Between two writings of what has changed. */
  readonly writeMs: number;
}

const TIMING: SnapshotTiming = { patienceMs: 15_000, writeMs: 5000 };
/** The first writing comes soon: a controller that ends early has something too. */
const FIRST_WRITE_MS = 1000;
/** Writing takes at most this share of the time. */
const WRITE_SHARE = 0.05;

/**
 * A source that outlives a restart: what it had is kept in a file, and delivered as the first state when the source itself
 * has none in time. Once it has, that is in force as if it had been there from the beginning. An object that was right when
 * the file was written and cannot be read now keeps its good version, as it would have without the restart.
 */
export function createSnapshotSource(options: SnapshotSourceOptions): ObjectSource {
  return { watch: (observer, signal) => new Keeper(options, observer).watch(signal) };
}

class Keeper {
  readonly #options: SnapshotSourceOptions;
  readonly #timing: SnapshotTiming;
  readonly #observer: ObjectObserver;
  /** What the source has delivered. */
  readonly #current = new Map<ObjectKey, MeshObject>();
  /** What is in force by the file alone. */
  readonly #kept = new Map<ObjectKey, MeshObject>();
  #problems: readonly ObjectProblem[] = [];
  #begun = false;
  #changed = true;

  constructor(options: SnapshotSourceOptions, observer: ObjectObserver) {
    this.#options = options;
    this.#timing = { ...TIMING, ...options.timing };
    this.#observer = observer;
  }

  async watch(signal: AbortSignal): Promise<void> {
    const { source, clock, logger, path } = this.#options;
    const saved = await this.#read();
    const own: ObjectObserver = {
      onChanges: (changes) => this.#take(changes),
      onProblems: (problems) => this.#report(problems),
    };
    const first = source.watch(own, signal).then(() => this.#begin(signal));
    if (saved === null) return await first;
    const patience = new AbortController();
    const late = clock.sleep(this.#timing.patienceMs, AbortSignal.any([signal, patience.signal])).then(() => true);
    try {
      if (!(await Promise.race([first.then(() => false), late]))) return;
    } finally {
      patience.abort();
      late.catch(() => {});
    }
    logger.warn('source does not answer: what it had before the restart is in force', { objects: saved.length, path });
    first.catch((error: unknown) => {
      if (!signal.aborted) logger.error('source ended, what it had before the restart stays in force', { error });
    });
    for (const object of saved) if (!this.#current.has(keyOf(object))) this.#kept.set(keyOf(object), object);
    const changes = [...this.#kept.values()].map((object): ObjectChange => ({ kind: 'put', object }));
    if (changes.length > 0) this.#observer.onChanges(changes);
  }

  async #read(): Promise<readonly MeshObject[] | null> {
    const { path, version, logger } = this.#options;
    try {
      return await readSnapshot(path, version);
    } catch (error) {
      logger.warn('snapshot cannot be read, it is not used', { path, error });
      return null;
    }
  }

  #take(changes: readonly ObjectChange[]): void {
    this.#changed = true;
    for (const change of changes) {
      const key = change.kind === 'put' ? keyOf(change.object) : change.key;
      this.#kept.delete(key);
      if (change.kind === 'put') this.#current.set(key, change.object);
      else this.#current.delete(key);
    }
    this.#observer.onChanges(changes);
  }

  #report(problems: readonly ObjectProblem[]): void {
    this.#problems = problems;
    this.#observer.onProblems(problems);
    if (this.#begun) this.#settle();
  }

  /** The source's first state is complete. */
  #begin(signal: AbortSignal): void {
    this.#begun = true;
    this.#settle();
    void this.#write(signal);
  }

  /** Takes back what only the file has, but for what the source has in a version that cannot be read. */
  #settle(): void {
    if (this.#kept.size === 0) return;
    const broken = new Set(this.#problems.filter(({ severity }) => severity === 'error').map(({ key }) => key));
    const gone: ObjectChange[] = [];
    for (const [key, last] of this.#kept) if (!broken.has(key)) gone.push({ kind: 'delete', key, last });
    for (const change of gone) if (change.kind === 'delete') this.#kept.delete(change.key);
    if (gone.length > 0) this.#observer.onChanges(gone);
  }

  async #write(signal: AbortSignal): Promise<void> {
    const { clock, logger, path, version } = this.#options;
    let failing = false;
    let pauseMs = Math.min(FIRST_WRITE_MS, this.#timing.writeMs);
    while (!signal.aborted) {
      await clock.sleep(pauseMs, signal).catch(() => {});
      pauseMs = this.#timing.writeMs;
      if (signal.aborted || !this.#changed) continue;
      this.#changed = false;
      const begunMs = clock.monotonic();
      try {
        await writeSnapshot(path, version, [...this.#current.values(), ...this.#kept.values()]);
        failing = false;
      } catch (error) {
        this.#changed = true;
        if (!failing) logger.warn('snapshot cannot be written', { path, error });
        failing = true;
      }
      pauseMs = Math.max(pauseMs, (clock.monotonic() - begunMs) / WRITE_SHARE);
    }
  }
}
