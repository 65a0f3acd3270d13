import type { RawObject } from '@ambit/mesh/kinds';
import { KubeApiError, type KubeClient, type KubeResource, listAll } from '@ambit/mesh/kube';
import type { Clock, Logger } from '@ambit/mesh/runtime';
import type { Collection } from '../collections/collection.ts';
import { jsonText } from '../json.ts';
import type { LeaderWork } from '../leader/index.ts';
import { Bell } from '../reconcile/bell.ts';
import { concernsObject } from './concerns-object.ts';
import { STATUS_LIMITS } from './limits.ts';

/** A kind of somebody else's in whose status we have something to say. */
export interface StatusKind {
  readonly resource: KubeResource;
  /** What the source has of it, by `namespace/name`. */
  readonly objects: Pick<Collection<unknown>, 'entries'>;
  /** What is to be said of that object; null when the source has none of that name. */
  readonly decide: (key: string) => DecidedStatus | null;
}

export interface DecidedStatus {
  readonly uid: string;
  /** To compare with another decision of the same object; null when nothing is to be said. */
  readonly text: string | null;
  /** Brings what the API server has there to what was decided. Answers whether there was anything to write. */
  readonly write: (object: RawObject, signal: AbortSignal) => Promise<boolean>;
}

export interface StatusRoundsOptions {
  readonly kinds: readonly StatusKind[];
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Of an object that is to be looked at once more; no decision reads like this. */
const UNSETTLED = 'unsettled';

/**
 * Keeps what we say in statuses of other people's kinds. A term begins with a look at every object, which also takes back what
 * is no more ours to say, whatever leaders before have written; so does every tenth minute. Between them only what is decided
 * anew is read and written. An object whose status cannot be written keeps no other waiting, and is tried again.
 */
export class StatusRounds {
  readonly #options: StatusRoundsOptions;
  readonly #bell: Bell;
  /** What was decided of each object when it was last compared, by kind and name; no entry where there is nothing to say. */
  #settled = new Map<string, string>();
  readonly #failed = new Set<string>();
  #lookAgainAtMs = 0;
  #retryAtMs = Infinity;

  constructor(options: StatusRoundsOptions) {
    this.#options = options;
    this.#bell = new Bell(options.clock);
  }

  /** Something changed. */
  poke(): void {
    this.#bell.ring();
  }

  /** Work of the leader. */
  readonly work: LeaderWork = async (signal) => {
    const { clock } = this.#options;
    this.#lookAgainAtMs = 0;
    for (;;) {
      await this.#round(signal);
      await clock.sleep(STATUS_LIMITS.passMs, signal);
      const nextAtMs = Math.min(this.#lookAgainAtMs, this.#retryAtMs);
      await this.#bell.wait(Math.max(0, nextAtMs - clock.monotonic()), signal);
    }
  };

  async #round(signal: AbortSignal): Promise<void> {
    const { kinds, clock } = this.#options;
    const looksAtAll = clock.monotonic() >= this.#lookAgainAtMs;
    if (looksAtAll) {
      this.#settled = new Map();
      this.#lookAgainAtMs = clock.monotonic() + STATUS_LIMITS.resyncMs;
    }
    if (looksAtAll || clock.monotonic() >= this.#retryAtMs) this.#forgetFailures();
    const seen = new Set<string>();
    for (const kind of kinds) {
      if (looksAtAll) await this.#look(kind, signal);
      // As they are now: writing takes a while, and the collection changes meanwhile.
      for (const [key] of [...kind.objects.entries()]) {
        const id = idOf(kind, key);
        seen.add(id);
        const decided = kind.decide(key);
        if (decided === null || decided.text === (this.#settled.get(id) ?? null)) continue;
        await this.#reconcile(kind, key, decided, signal);
        await clock.sleep(STATUS_LIMITS.writeGapMs, signal);
      }
    }
    for (const id of this.#settled.keys()) if (!seen.has(id)) this.#settled.delete(id);
  }

  #forgetFailures(): void {
    for (const id of this.#failed) this.#settled.set(id, UNSETTLED);
    this.#failed.clear();
    this.#retryAtMs = Infinity;
  }

  /** Compares every object that the API server has. */
  async #look(kind: StatusKind, signal: AbortSignal): Promise<void> {
    const { client, clock } = this.#options;
    try {
      for await (const object of listAll(client, kind.resource, {}, signal)) {
        const key = `${jsonText(object, 'metadata', 'namespace')}/${jsonText(object, 'metadata', 'name')}`;
        const decided = kind.decide(key);
        // The source has not heard of it yet, or cannot read it: what was said before stays.
        if (decided === null || decided.uid !== jsonText(object, 'metadata', 'uid')) continue;
        if (await this.#write(kind, key, object, decided, signal)) await clock.sleep(STATUS_LIMITS.writeGapMs, signal);
      }
    } catch (error) {
      // Its definition is not installed.
      if (!(error instanceof KubeApiError && error.code === 'not-found')) throw error;
    }
  }

  async #reconcile(kind: StatusKind, key: string, decided: DecidedStatus, signal: AbortSignal): Promise<void> {
    const [namespace = '', name = ''] = key.split('/');
    try {
      const object = await this.#options.client.get(kind.resource, { namespace, name }, signal);
      if (object === null) this.#settle(kind, key, decided);
      else await this.#write(kind, key, object, decided, signal);
    } catch (error) {
      this.#fail(kind, key, decided, error, signal);
    }
  }

  /** Answers whether the API server was asked. */
  async #write(
    kind: StatusKind,
    key: string,
    object: RawObject,
    decided: DecidedStatus,
    signal: AbortSignal,
  ): Promise<boolean> {
    let isWritten = true;
    try {
      isWritten = await decided.write(object, signal);
      if (isWritten) this.#options.logger.debug('status written', { kind: kind.resource.kind, object: key });
    } catch (error) {
      if (error instanceof KubeApiError && error.code === 'conflict') {
        // Somebody else has written: the next round reads what.
        this.#settled.set(idOf(kind, key), UNSETTLED);
        this.#bell.ring();
        return true;
      }
      if (!(error instanceof KubeApiError && error.code === 'not-found')) {
        this.#fail(kind, key, decided, error, signal);
        return true;
      }
    }
    this.#settle(kind, key, decided);
    return isWritten;
  }

  #settle(kind: StatusKind, key: string, { text }: DecidedStatus): void {
    if (text === null) this.#settled.delete(idOf(kind, key));
    else this.#settled.set(idOf(kind, key), text);
  }

  /** @throws `error` when it is not of that object alone. */
  #fail(kind: StatusKind, key: string, decided: DecidedStatus, error: unknown, signal: AbortSignal): void {
    if (signal.aborted || !concernsObject(error)) throw error;
    const { clock, logger } = this.#options;
    const id = idOf(kind, key);
    logger.warn('status cannot be written', { kind: kind.resource.kind, object: key, error }, { limitBy: id });
    this.#settle(kind, key, decided);
    this.#failed.add(id);
    this.#retryAtMs = Math.min(this.#retryAtMs, clock.monotonic() + STATUS_LIMITS.retryMs);
  }
}

function idOf({ resource }: StatusKind, key: string): string {
  return `${resource.kind}/${key}`;
}
