import { type FSWatcher, watch } from 'node:fs';
import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';

/** Tells that something in some folders changed, without saying what. Events may be missed: poll beside it. */
export class FolderWatch implements Disposable {
  readonly #logger: Logger;
  readonly #foldersMax: number;
  readonly #watchers = new Map<string, FSWatcher>();
  #changed = false;
  #wake: (() => void) | null = null;
  #closed = false;

  constructor(options: { readonly logger: Logger; readonly foldersMax: number }) {
    this.#logger = options.logger;
    this.#foldersMax = options.foldersMax;
  }

  /** Watches exactly these folders, as far as the limit allows. */
  follow(folders: readonly string[]): void {
    if (this.#closed) return;
    const wanted = new Set(folders.slice(0, this.#foldersMax));
    for (const folder of [...this.#watchers.keys()]) if (!wanted.has(folder)) this.#drop(folder);
    for (const folder of wanted) if (!this.#watchers.has(folder)) this.#add(folder);
  }

  /** Resolves at the next event (also one that came before the call) or after `pollMs`. Rejects when aborted. */
  async wait(clock: Clock, pollMs: number, signal: AbortSignal): Promise<'event' | 'poll'> {
    signal.throwIfAborted();
    if (!this.#changed) {
      await new Promise<void>((resolve, reject) => {
        const finish = (settle: () => void): void => {
          this.#wake = null;
          timer[Symbol.dispose]();
          signal.removeEventListener('abort', onAbort);
          settle();
        };
        const onAbort = (): void => finish(() => reject(signal.reason));
        const timer = clock.setTimer(pollMs, () => finish(resolve));
        this.#wake = () => finish(resolve);
        signal.addEventListener('abort', onAbort, { once: true });
      });
    }
    const outcome = this.#changed ? 'event' : 'poll';
    this.#changed = false;
    return outcome;
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    for (const folder of [...this.#watchers.keys()]) this.#drop(folder);
  }

  #add(folder: string): void {
    const onEvent = (): void => {
      this.#changed = true;
      this.#wake?.();
    };
    try {
      const watcher = watch(folder, { persistent: false }, onEvent).on('error', () => {
        // The folder went away or the kernel's limit of watches is reached: the next scan or poll sees the rest.
        this.#drop(folder);
        onEvent();
      });
      this.#watchers.set(folder, watcher);
    } catch (error) {
      this.#logger.debug('folder cannot be watched and is polled instead', { folder, error });
    }
  }

  #drop(folder: string): void {
    this.#watchers.get(folder)?.close();
    this.#watchers.delete(folder);
  }
}
