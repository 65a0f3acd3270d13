import type { Clock } from '../runtime/clock.ts';
import { AMBIT_CONTROL_PLANE, type DiscoveryResponse } from '../wire/discovery-messages.ts';
import { NameTable } from './name-table.ts';

/**
 * What is said to who wants a name: a resource has it and is in force, none has it, or there is no room to ask. `forgotten`: another name
 * took its place, so that what was said of it holds no more.
 */
export interface NameAnswer {
  readonly name: string;
  readonly kind: 'there' | 'absent' | 'too-many' | 'forgotten';
  /** For how long it counts at most, where that is known. */
  readonly forMs?: number;
}

/** A change of the names of a stream. */
export interface NamesRequest {
  readonly subscribe: readonly string[];
  readonly unsubscribe: readonly string[];
}

export interface DemandOptions {
  readonly clock: Clock;
  /** Whether something of this name is in force, from wherever it is known. */
  readonly isThere: (name: string) => boolean;
  /** Each name that was wanted, once per time that it had to be asked for, and those that are forgotten. */
  readonly onAnswers: (answers: readonly NameAnswer[]) => void;
  readonly namesMax?: number;
}

export const DEMAND_LIMITS = {
  /** Names of one request. */
  perRequestMax: 1000,
  /**
   * Istio's controller does not tell when a resource comes to be that has a name which none had: after this it is asked for again when it is
   * wanted.
   */
  absentMs: 30_000,
  /** Nor does it tell of endpoints that a service gets: so often all services are asked for again. */
  servicesMs: 30_000,
} as const;

/**
 * The addresses that a `PushClient` asks for by name, in place of all of them. Names are kept over streams: a new stream asks for all
 * again, and says what is held of them.
 */
export class Demand {
  readonly #options: DemandOptions;
  readonly #table: NameTable;
  readonly #subscribe = new Set<string>();
  readonly #unsubscribe = new Set<string>();
  /** Without an answer when the stream was opened: its first response is about them. */
  #opening: readonly string[] = [];
  /** The names of services that are held. */
  readonly #services = new Set<string>();
  /** The server tells of everything that comes to be under a name. */
  #tellsAll = false;
  #refresh: Disposable | null = null;
  #send: ((request: NamesRequest) => Promise<void>) | null = null;
  #sending = false;

  constructor(options: DemandOptions) {
    this.#options = options;
    this.#table = new NameTable(options.namesMax);
  }

  /** How many names are followed. */
  get size(): number {
    return this.#table.size;
  }

  /** Asks for those that are not known yet; all others are answered at once. */
  want(names: readonly string[]): void {
    const answers: NameAnswer[] = [];
    for (const name of names) {
      const absentMs = this.#tellsAll ? Number.POSITIVE_INFINITY : DEMAND_LIMITS.absentMs;
      // Only Ambit's controller takes back what is not asked for any more.
      const wanted = this.#table.want(name, this.#options.clock.monotonic(), absentMs, this.#tellsAll);
      // Istio's controller tells that a workload is gone, and not that its address is nobody's since.
      if (wanted.kind === 'there' && !this.#tellsAll && !this.#options.isThere(name)) {
        this.#table.askAgain(name);
        this.#ask(name, true, null);
      } else if (wanted.kind === 'full') answers.push({ name, kind: 'too-many' });
      else if (wanted.kind === 'there') answers.push({ name, kind: 'there' });
      else if (wanted.kind === 'absent') answers.push({ name, kind: 'absent', forMs: wanted.leftMs });
      else if (wanted.kind === 'ask') {
        const { again, forgotten } = wanted;
        if (forgotten !== null) answers.push({ name: forgotten, kind: 'forgotten' });
        this.#ask(name, again, forgotten);
      }
    }
    if (answers.length > 0) this.#options.onAnswers(answers);
    this.#pump();
  }

  /** For `PushClient`: all names, for the first request of a stream. */
  names(): readonly string[] {
    return [...this.#table.names()];
  }

  /** For `PushClient`: the first request was sent, and `send` sends further ones until `close`. */
  open(send: (request: NamesRequest) => Promise<void>): void {
    // They were in the first request, or are no more.
    this.#subscribe.clear();
    this.#unsubscribe.clear();
    this.#opening = [...this.#table.asked];
    this.#send = send;
  }

  /** For `PushClient`: the stream is over. */
  close(): void {
    this.#send = null;
    this.#refresh?.[Symbol.dispose]();
    this.#refresh = null;
  }

  /** For `PushClient`: what it says is in force. */
  answered({ resources, removedResources, controlPlane }: DiscoveryResponse): void {
    this.#tellsAll = controlPlane === AMBIT_CONTROL_PLANE;
    const answers: NameAnswer[] = [];
    const nowMs = this.#options.clock.monotonic();
    const answer = (name: string, kind: 'there' | 'absent'): void => {
      if (this.#table.answer(name, kind, nowMs)) answers.push({ name, kind });
    };
    for (const { name, aliases } of resources) {
      answer(name, 'there');
      for (const alias of aliases) answer(alias, 'there');
      if (isService(name)) this.#services.add(name);
    }
    for (const name of removedResources) {
      answer(name, 'absent');
      this.#services.delete(name);
    }
    // What is held in the version that the server has does not come again.
    for (const name of this.#opening) {
      if (this.#table.asked.has(name) && this.#options.isThere(name)) answer(name, 'there');
    }
    this.#opening = [];
    if (answers.length > 0) this.#options.onAnswers(answers);
    if (!this.#tellsAll) this.#refreshLater();
  }

  #refreshLater(): void {
    if (this.#send === null) return;
    this.#refresh ??= this.#options.clock.setTimer(DEMAND_LIMITS.servicesMs, () => {
      this.#refresh = null;
      for (const name of this.#services) this.#ask(name, true, null);
      this.#pump();
      this.#refreshLater();
    });
  }

  #ask(name: string, again: boolean, forgotten: string | null): void {
    // Istio's controller does not answer a name that it follows already.
    if (again) this.#unsubscribe.add(name);
    if (forgotten !== null && !this.#subscribe.delete(forgotten)) this.#unsubscribe.add(forgotten);
    this.#subscribe.add(name);
  }

  /** One request at a time: what is wanted meanwhile goes into the next one. */
  #pump(): void {
    if (this.#sending || this.#send === null) return;
    this.#sending = true;
    this.#sendAll(this.#send)
      // A stream that fails ends, which its reader sees; the next one asks for all names.
      .catch(() => undefined)
      .finally(() => {
        this.#sending = false;
        if (this.#subscribe.size + this.#unsubscribe.size > 0 && this.#send !== null) this.#pump();
      });
  }

  async #sendAll(send: (request: NamesRequest) => Promise<void>): Promise<void> {
    // Whoever wants several names says so one after the other.
    await Promise.resolve();
    while (this.#send === send && this.#subscribe.size + this.#unsubscribe.size > 0) {
      if (this.#unsubscribe.size > 0) await send({ subscribe: [], unsubscribe: take(this.#unsubscribe) });
      else await send({ subscribe: take(this.#subscribe), unsubscribe: [] });
    }
  }
}

/** `namespace/hostname`; the uid of a workload has more parts (protocol.md 3.5). */
function isService(name: string): boolean {
  return name.indexOf('/') === name.lastIndexOf('/');
}

function take(names: Set<string>): readonly string[] {
  const taken: string[] = [];
  for (const name of names) {
    if (taken.length === DEMAND_LIMITS.perRequestMax) break;
    taken.push(name);
    names.delete(name);
  }
  return taken;
}
