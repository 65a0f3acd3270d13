import type { Clock } from './clock.ts';

/** Lines of one kind and key in one interval, beside one for all that were left out. */
export const LINES_PER_KEY = 5;
/** Keys of one kind of line that are told apart, and as many first words of further ones; the rest counts as one more. */
export const KEYS_PER_KIND = 20;
export const LINE_INTERVAL_MS = 60_000;

/** Writes one line; with `left`, it stands for so many, of which it is the last. */
type WriteLine = (left: number) => void;

interface Key {
  /** Those beyond LINES_PER_KEY are left out and still to be told. */
  lines: number;
  /** Writes the last line that was left out. */
  last: WriteLine | null;
}

/**
 * Keeps lines that others can cause from filling the log: the first few of a kind and key are written, and of the rest the
 * last one in each interval, with their number. So whatever comes, the log has at most (2 * KEYS_PER_KIND + 1) * (LINES_PER_KEY + 1) lines of
 * a kind in an interval, and tells of each reason at once, however many addresses come before, where keys begin with one. Kinds must be
 * few; keys may be whatever a caller says.
 */
export class LineLimiter {
  readonly #clock: Clock;
  readonly #kinds = new Map<string, Map<string | null, Key>>();
  #left = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Lines left out since the start. */
  get left(): number {
    return this.#left;
  }

  /** Calls `write` now, later, or never when another one comes for it. */
  add(kind: string, key: string, write: WriteLine): void {
    const state = this.#keyOf(kind, key);
    state.lines++;
    if (state.lines <= LINES_PER_KEY) {
      write(0);
      return;
    }
    this.#left++;
    state.last = write;
  }

  /** Writes now what waits for the end of its interval: the process ends. */
  flush(): void {
    for (const keys of this.#kinds.values()) for (const state of keys.values()) tellLeft(state);
  }

  #keyOf(kind: string, name: string): Key {
    const keys = this.#kinds.get(kind) ?? new Map<string | null, Key>();
    const key = keyAmong(keys, name);
    let state = keys.get(key);
    if (state === undefined) {
      state = { lines: 0, last: null };
      this.#kinds.set(kind, keys.set(key, state));
      this.#watch(kind, key);
    }
    return state;
  }

  /** An interval in which nothing was left out ends the key: it may come as a surprise again. */
  #watch(kind: string, key: string | null): void {
    this.#clock.setTimer(LINE_INTERVAL_MS, () => {
      const keys = this.#kinds.get(kind);
      const state = keys?.get(key);
      if (keys === undefined || state === undefined) return;
      if (tellLeft(state)) {
        this.#watch(kind, key);
        return;
      }
      keys.delete(key);
      if (keys.size === 0) this.#kinds.delete(kind);
    });
  }
}

/** The key itself, its first word for it and others like it, or null for all the rest. */
function keyAmong(keys: ReadonlyMap<string | null, unknown>, name: string): string | null {
  if (keys.has(name) || keys.size < KEYS_PER_KIND) return name;
  const end = name.indexOf(' ');
  const word = name.slice(0, end + 1);
  return word !== '' && (keys.has(word) || keys.size < 2 * KEYS_PER_KIND) ? word : null;
}

/** Whether there was anything to tell. */
function tellLeft(state: Key): boolean {
  const { lines, last } = state;
  if (last === null) return false;
  state.lines = LINES_PER_KEY;
  state.last = null;
  last(lines - LINES_PER_KEY);
  return true;
}
