import type { RawObject } from '../kinds/parse-object.ts';
import { type Backoff, createBackoff } from '../runtime/backoff.ts';
import type { Clock } from '../runtime/clock.ts';
import { KubeApiError } from './errors.ts';
import type { KubeClient, KubeListPage, KubeResource, KubeSelection } from './kube-client.ts';
import { LIST_PAGE_ITEMS } from './limits.ts';
import type { Recovery } from './recovery.ts';
import type { KubeSourceTiming } from './source-timing.ts';

/** What happens to one kind, in the order of the API server. */
export interface ListWatchHandler {
  /** Every object of the kind follows as `put`, then `endList`. May begin again before it ended. */
  beginList(): void;
  endList(): void;
  /** @throws KubeApiError for an object that cannot even be told apart: it is fetched again later. */
  put(object: RawObject): void;
  remove(object: RawObject): void;
  /** The kind is not served. `proven`: and has not been for so long that its objects are gone too. */
  absent(proven: boolean): void;
  /** An attempt failed, or, null, all is well again. */
  failing(error: unknown): void;
  /** A list is asked for although one was there before. */
  relisted(): void;
  /** A watch is begun again although the API server did not end it. */
  rewatched(): void;
  /** The list did not say all: a new one is wanted when the watch ends. */
  readonly incomplete: boolean;
}

export interface ListWatchOptions {
  readonly client: KubeClient;
  readonly resource: KubeResource;
  readonly selection: KubeSelection;
  readonly handler: ListWatchHandler;
  readonly clock: Clock;
  readonly timing: KubeSourceTiming;
  /** Of the client. */
  readonly recovery: Recovery;
  /** Numbers in [0, 1), so that many processes do not come back at the same time. */
  readonly random?: () => number;
}

/** Longest that the API server's wish to be left alone is respected. */
const RETRY_AFTER_MAX_MS = 60_000;
const SILENCE = 'silence';
/** Pages that are too large are asked for again with so much fewer items. */
const PAGE_SHRINK = 5;

/** Follows one kind for as long as it is wanted: a list, then watches from where it ended, and a new list when one is too old. */
export class ListWatch {
  readonly #options: ListWatchOptions;
  readonly #backoff: Backoff;
  /** Between attempts that were answered, though not as hoped: a long outage before does not make these pauses long. */
  readonly #answeredBackoff: Backoff;
  /** Up to where everything is known; null: a list is needed. */
  #version: string | null = null;
  #listedBefore = false;
  /** When the last watch was accepted; null: it was not. */
  #openedMs: number | null = null;
  #absentSinceMs: number | null = null;

  constructor(options: ListWatchOptions) {
    this.#options = options;
    this.#backoff = createBackoff(options.timing.backoff, options.random);
    this.#answeredBackoff = createBackoff(options.timing.backoff, options.random);
  }

  /** Until `signal` aborts; then returns. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, handler, recovery, timing } = this.#options;
    while (!signal.aborted) {
      const began = clock.monotonic();
      try {
        if (this.#version === null) {
          await this.#list(signal);
          continue;
        }
        await this.#watch(this.#version, signal);
        if (handler.incomplete) this.#version = null;
        if (clock.monotonic() - began >= timing.settledMs) this.#resetBackoff();
        // An API server that ends every watch at once is not asked without pause.
        else await clock.sleep(this.#backoff.nextMs(), signal);
      } catch (error) {
        if (signal.aborted) return;
        const ends = isCode(error, 'unreachable') ? AbortSignal.any([signal, recovery.signal]) : signal;
        await clock.sleep(this.#delayAfter(error), ends).catch(() => {});
      }
    }
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { handler, client, resource, selection } = this.#options;
    if (this.#listedBefore) handler.relisted();
    handler.beginList();
    let page: KubeListPage | null = null;
    let itemsMax = LIST_PAGE_ITEMS;
    for (;;) {
      try {
        page = await client.listPage(resource, selection, page?.continueToken ?? null, signal, itemsMax);
      } catch (error) {
        if (!isCode(error, 'too-large') || itemsMax === 1) throw error;
        itemsMax = Math.max(1, Math.floor(itemsMax / PAGE_SHRINK));
        continue;
      }
      for (const item of page.items) handler.put(item);
      if (page.continueToken === null) break;
    }
    handler.endList();
    this.#version = page.resourceVersion;
    this.#listedBefore = true;
    this.#absentSinceMs = null;
    handler.failing(null);
  }

  async #watch(from: string, signal: AbortSignal): Promise<void> {
    const { client, resource, selection, handler, clock } = this.#options;
    this.#openedMs = null;
    using silence = this.#watchdog(signal);
    const opened = (): void => {
      this.#openedMs = clock.monotonic();
      silence.heard();
      handler.failing(null);
    };
    for await (const event of client.watch(resource, selection, from, silence.signal, opened)) {
      silence.heard();
      if (event.kind === 'put') handler.put(event.object);
      else if (event.kind === 'delete') handler.remove(event.object);
      this.#version = event.resourceVersion;
      this.#resetBackoff();
    }
  }

  /** Aborts when nothing was heard for too long, or with `outer`. One timer, however many events come. */
  #watchdog(outer: AbortSignal): Disposable & { readonly signal: AbortSignal; heard(): void } {
    const { clock, timing, resource } = this.#options;
    const controller = new AbortController();
    const onAbort = (): void => controller.abort(outer.reason);
    outer.addEventListener('abort', onAbort, { once: true });
    let heardMs = clock.monotonic();
    const look = (): void => {
      const leftMs = heardMs + timing.silenceMs - clock.monotonic();
      if (leftMs > 0) {
        timer = clock.setTimer(leftMs, look);
        return;
      }
      const data = { call: `watch ${resource.plural}`, reason: SILENCE, silenceMs: timing.silenceMs };
      controller.abort(new KubeApiError('unreachable', { data }));
    };
    let timer = clock.setTimer(timing.silenceMs, look);
    return {
      signal: controller.signal,
      heard: () => {
        heardMs = clock.monotonic();
      },
      [Symbol.dispose]: () => {
        timer[Symbol.dispose]();
        outer.removeEventListener('abort', onAbort);
      },
    };
  }

  /** What an error means for the next attempt, and when that may be. */
  #delayAfter(error: unknown): number {
    const { handler, clock, timing } = this.#options;
    const wasWatching = this.#version !== null;
    const settled = this.#openedMs !== null && clock.monotonic() - this.#openedMs >= timing.settledMs;
    if (wasWatching && settled) this.#resetBackoff();
    if (isCode(error, 'not-found')) {
      this.#version = null;
      return this.#absent();
    }
    this.#absentSinceMs = null;
    if (isCode(error, 'gone')) {
      // Nothing failed: we come too late.
      this.#version = null;
      return this.#answeredBackoff.nextMs();
    }
    if (wasWatching) handler.rewatched();
    // The API server sends no bookmarks for a kind of which it has seen no change since it started: not a failure, unless
    // the next attempt is one.
    if (error instanceof KubeApiError && error.data['reason'] === SILENCE) return 0;
    // What was read may be half of something that cannot be understood: from the beginning.
    if (isCode(error, 'malformed-response') || isCode(error, 'too-large')) this.#version = null;
    handler.failing(error);
    const wish = error instanceof KubeApiError ? error.data['retryAfterSeconds'] : undefined;
    const wishMs = typeof wish === 'number' ? Math.min(wish * 1000, RETRY_AFTER_MAX_MS) : 0;
    const backoff = isCode(error, 'too-many-requests') ? this.#answeredBackoff : this.#backoff;
    return Math.max(wishMs, backoff.nextMs());
  }

  #resetBackoff(): void {
    this.#backoff.reset();
    this.#answeredBackoff.reset();
  }

  #absent(): number {
    const { clock, handler, timing } = this.#options;
    const now = clock.monotonic();
    this.#absentSinceMs ??= now;
    const proven = !this.#listedBefore || now - this.#absentSinceMs >= timing.absenceProvenMs;
    handler.absent(proven);
    if (proven) this.#listedBefore = false;
    const spread = 0.5 + (this.#options.random ?? Math.random)();
    return (proven ? timing.absentMs : Math.min(timing.absentMs, timing.absenceProvenMs / 4)) * spread;
  }
}

function isCode(error: unknown, code: KubeApiError['code']): boolean {
  return error instanceof KubeApiError && error.code === code;
}
