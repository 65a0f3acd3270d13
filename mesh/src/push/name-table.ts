/** What is known of a name: nobody has answered yet, a resource has it, or none has. */
export type NameState = 'asked' | 'there' | 'absent';

/** What becomes of a name that is wanted: `ask` the server now, `forgotten` gives its place; `full`: there is no room for it. */
export type Wanted =
  | { readonly kind: 'ask'; readonly again: boolean; readonly forgotten: string | null }
  | { readonly kind: NameState }
  | { readonly kind: 'full' };

export const NAME_TABLE_LIMITS = {
  /** Names followed at a time. Beyond these one that no resource has gives way, the one that was wanted longest ago first. */
  namesMax: 20_000,
  /** Of a name; no resource has a longer one. */
  lengthMax: 512,
} as const;

/** The names that a client on demand follows, each once. Pure. */
export class NameTable {
  readonly #namesMax: number;
  readonly #asked = new Set<string>();
  readonly #there = new Set<string>();
  /** With the time of the answer; the one that was wanted longest ago first. */
  readonly #absent = new Map<string, number>();

  constructor(namesMax: number = NAME_TABLE_LIMITS.namesMax) {
    this.#namesMax = namesMax;
  }

  get size(): number {
    return this.#asked.size + this.#there.size + this.#absent.size;
  }

  *names(): Iterable<string> {
    yield* this.#there;
    yield* this.#absent.keys();
    yield* this.#asked;
  }

  /** Those without an answer. */
  get asked(): ReadonlySet<string> {
    return this.#asked;
  }

  /** `absentMs`: how long an answer that there is none counts, of a server that does not tell when there comes to be one. */
  want(name: string, nowMs: number, absentMs: number): Wanted {
    if (this.#asked.has(name)) return { kind: 'asked' };
    if (this.#there.has(name)) return { kind: 'there' };
    const answeredMs = this.#absent.get(name);
    if (answeredMs !== undefined) {
      this.#absent.delete(name);
      if (nowMs - answeredMs < absentMs) {
        this.#absent.set(name, answeredMs);
        return { kind: 'absent' };
      }
      this.#asked.add(name);
      return { kind: 'ask', again: true, forgotten: null };
    }
    if (name.length > NAME_TABLE_LIMITS.lengthMax) return { kind: 'full' };
    let forgotten: string | null = null;
    if (this.size >= this.#namesMax) {
      const [oldest] = this.#absent.keys();
      if (oldest === undefined) return { kind: 'full' };
      this.#absent.delete(oldest);
      forgotten = oldest;
    }
    this.#asked.add(name);
    return { kind: 'ask', again: false, forgotten };
  }

  /** What a resource had is to be asked for once more. */
  askAgain(name: string): void {
    if (this.#there.delete(name)) this.#asked.add(name);
  }

  /** Says whether somebody waits to hear of it. What nobody has asked for is left out. */
  answer(name: string, state: 'there' | 'absent', nowMs: number): boolean {
    const isAwaited = this.#asked.delete(name);
    const isKnown = this.#there.delete(name) || this.#absent.delete(name);
    if (!isAwaited && !isKnown) return false;
    if (state === 'there') this.#there.add(name);
    else this.#absent.set(name, nowMs);
    return isAwaited;
  }
}
