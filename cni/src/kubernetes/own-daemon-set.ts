import type { RawObject } from '@ambit/mesh/kinds';
import type { KubeClient } from '@ambit/mesh/kube';
import { type Clock, createBackoff, type Logger } from '@ambit/mesh/runtime';
import { DAEMON_SETS } from './resources.ts';

export interface OwnDaemonSetOptions {
  readonly client: Pick<KubeClient, 'get' | 'listPage' | 'watch'>;
  readonly namespace: string;
  readonly name: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

const RETRY = { initialMs: 500, maxMs: 30_000, factor: 2, jitter: 0.2 } as const;
const ASK_MS = 5000;
const SETTLE_MS = 1000;

/**
 * Tells an uninstallation from an upgrade: our DaemonSet is gone, or being deleted, in the former only. It is watched all the time,
 * since an uninstallation takes our right to ask away in the same moment; a watch that is open goes on.
 */
export class OwnDaemonSet {
  readonly #options: OwnDaemonSetOptions;
  #gone = false;

  constructor(options: OwnDaemonSetOptions) {
    this.#options = options;
  }

  /** Watches until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#options;
    const backoff = createBackoff(RETRY);
    while (!signal.aborted) {
      try {
        await this.#watch(signal, () => backoff.reset());
      } catch (error) {
        if (signal.aborted) return;
        logger.debug('our DaemonSet cannot be watched', { error });
      }
      await clock.sleep(backoff.nextMs(), signal).catch(() => {});
    }
  }

  /** Asks once more. When that is not possible, what was seen last counts, and a DaemonSet that was never seen is there. */
  async isGone(): Promise<boolean> {
    const { client, namespace, name } = this.#options;
    try {
      this.#note(await client.get(DAEMON_SETS, { namespace, name }, AbortSignal.timeout(ASK_MS)));
    } catch (error) {
      // What we may not ask any more may be on its way through the watch.
      if (!this.#gone) await this.#options.clock.sleep(SETTLE_MS);
      this.#options.logger.warn('it cannot be told whether Ambit is uninstalled, what the watch showed counts', {
        gone: this.#gone,
        error,
      });
    }
    return this.#gone;
  }

  async #watch(signal: AbortSignal, onEvent: () => void): Promise<void> {
    const { client, namespace, name } = this.#options;
    const selection = { namespace, fieldSelector: `metadata.name=${name}` };
    // The object's own version may be older than what the API server remembers.
    const { items, resourceVersion } = await client.listPage(DAEMON_SETS, selection, null, signal);
    this.#note(items[0] ?? null);
    if (items.length === 0) return;
    for await (const event of client.watch(DAEMON_SETS, selection, resourceVersion, signal)) {
      onEvent();
      if (event.kind === 'delete') this.#gone = true;
      else if (event.kind === 'put') this.#note(event.object);
    }
  }

  #note(found: RawObject): void {
    this.#gone = found === null || isDeleting(found);
  }
}

function isDeleting(object: unknown): boolean {
  return metadataOf(object).has('deletionTimestamp');
}

function metadataOf(object: unknown): ReadonlyMap<string, unknown> {
  if (typeof object !== 'object' || object === null || !('metadata' in object)) return new Map();
  return new Map<string, unknown>(Object.entries(Object(object.metadata)));
}
