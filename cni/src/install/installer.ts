import { type FSWatcher, watch } from 'node:fs';
import { type Clock, createBackoff, type Logger } from '@ambit/mesh/runtime';
import type { CniInstruments } from '../metrics.ts';
import type { Installation } from './installation.ts';

export interface InstallerOptions {
  readonly installation: Installation;
  /** Directories whose changes are looked at at once. */
  readonly directories: readonly string[];
  /** Installed, or no longer. */
  readonly onInstalled: (installed: boolean) => void;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: CniInstruments;
}

/** Notifications get lost, on some file systems all of them. */
const CHECK_MS = 10_000;
/** Another program that rewrites the configuration again and again must not keep us busy. */
const PAUSE_MS = 100;
const RETRY = { initialMs: 200, maxMs: CHECK_MS, factor: 2, jitter: 0.2 } as const;

/**
 * Keeps the plugin installed: hand edits, other programs that rewrite the network configuration, a new configuration that takes
 * precedence, a program that was deleted. Nothing it does is undone when it ends.
 */
export class Installer {
  readonly #options: InstallerOptions;
  #wake: (() => void) | null = null;
  #changed = false;
  /** What was said last, so that a state is said once. */
  #lastSaid = '';

  constructor(options: InstallerOptions) {
    this.#options = options;
  }

  /** Works until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const backoff = createBackoff(RETRY);
    const onAbort = (): void => this.#wake?.();
    signal.addEventListener('abort', onAbort);
    using watchers = this.#watch();
    try {
      while (!signal.aborted) {
        this.#changed = false;
        const done = this.#apply();
        if (done) backoff.reset();
        await clock.sleep(PAUSE_MS, signal).catch(() => {});
        if (!signal.aborted && !this.#changed) await this.#pause(done ? CHECK_MS : backoff.nextMs());
        if (watchers.count() === 0) watchers.open(); // The directory was not there yet, or was replaced.
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  #apply(): boolean {
    const { installation, logger, metrics, onInstalled } = this.#options;
    try {
      const { installed, primary, repaired, problems } = installation.apply();
      for (const what of repaired) metrics.installations.add([what, 'done']);
      metrics.installed.set([], installed ? 1 : 0);
      onInstalled(installed);
      for (const { name, reason } of problems)
        this.#say('warn', `${name} ${reason}`, 'a network configuration cannot be used', { 'file.name': name, reason });
      if (repaired.length > 0) {
        this.#lastSaid = '';
        logger.info('plugin put in place', { what: repaired.join(','), configuration: primary ?? 'none' });
      }
      if (!installed)
        this.#say('warn', 'none', 'there is no network configuration to join: pods cannot be started yet', {});
      return installed;
    } catch (error) {
      metrics.installations.add(['configuration', 'failed']);
      this.#say('error', String(error), 'plugin could not be put in place, it is tried again', { error });
      return false;
    }
  }

  #say(level: 'warn' | 'error', key: string, message: string, fields: Readonly<Record<string, unknown>>): void {
    this.#options.logger[key === this.#lastSaid ? 'debug' : level](message, fields);
    this.#lastSaid = key;
  }

  #watch(): Disposable & { count(): number; open(): void } {
    const watchers = new Set<FSWatcher>();
    const open = (): void => {
      for (const directory of this.#options.directories) {
        try {
          const watcher = watch(directory, { persistent: false }, () => {
            this.#changed = true;
            this.#wake?.();
          });
          watchers.add(watcher.on('error', () => watchers.delete(watcher)));
        } catch {
          // Not there: the regular check finds it.
        }
      }
    };
    open();
    return {
      count: () => watchers.size,
      open,
      [Symbol.dispose]: () => {
        for (const watcher of watchers) watcher.close();
      },
    };
  }

  async #pause(delayMs: number): Promise<void> {
    const woken = Promise.withResolvers<void>();
    this.#wake = woken.resolve;
    using _timer = this.#options.clock.setTimer(delayMs, woken.resolve);
    await woken.promise;
    this.#wake = null;
  }
}
