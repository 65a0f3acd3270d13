/** What is known of a name: nobody has answered yet, a resource has it, or none has. */
export type NameState = 'asked' | 'there' | 'absent';

/** What becomes of a name that is wanted: `ask` the server now, `forgotten` gives its place; `full`: there is no room for it. */
export type Wanted =
  | { readonly kind: 'ask'; readonly again: boolean; readonly forgotten: string | null }
  | { readonly kind: Exclude<NameState, 'absent'> }
  /** Counts for so long. */
  | { readonly kind: 'absent'; readonly leftMs: number }
  | { readonly kind: 'full' };

export const NAME_TABLE_LIMITS = {
  /** Names followed at a time. Beyond these one gives way, of those that no resource has if there are any, that was wanted longest ago. */
  namesMax: 20_000,
  /** Of a name; no resource has a longer one. */
  lengthMax: 512,
} as const;

/** The names that a client on demand follows, each once. Pure. */
export class NameTable {
  readonly #namesMax: number;
  readonly #asked = new Set<string>();
  /** The one that was wanted longest ago first. */
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

  /**
   * `absentMs`: how long an answer that there is none counts, of a server that does not tell when there comes to be one.
   * `mayForgetThere`: the server takes back what has a name that is not followed any more, so that one may give way.
   */
  want(name: string, nowMs: number, absentMs: number, mayForgetThere: boolean): Wanted {
    if (this.#asked.has(name)) return { kind: 'asked' };
    if (this.#there.delete(name)) {
      this.#there.add(name);
      return { kind: 'there' };
    }
    const answeredMs = this.#absent.get(name);
    if (answeredMs !== undefined) {
      this.#absent.delete(name);
      const leftMs = answeredMs + absentMs - nowMs;
      if (leftMs > 0) {
        this.#absent.set(name, answeredMs);
        return { kind: 'absent', leftMs };
      }
      this.#asked.add(name);
      return { kind: 'ask', again: true, forgotten: null };
    }
    if (name.length > NAME_TABLE_LIMITS.lengthMax) return { kind: 'full' };
    let forgotten: string | null = null;
    if (this.size >= this.#namesMax) {
      forgotten = this.#forget(mayForgetThere);
      if (forgotten === null) return { kind: 'full' };
    }
    this.#asked.add(name);
    return { kind: 'ask', again: false, forgotten };
  }

  #forget(mayForgetThere: boolean): string | null {
    const [absent] = this.#absent.keys();
    const [oldest = null] = absent !== undefined ? [absent] : mayForgetThere ? this.#there : [];
    if (oldest !== null && !this.#absent.delete(oldest)) this.#there.delete(oldest);
    return oldest;
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
