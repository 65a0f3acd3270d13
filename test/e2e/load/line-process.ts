import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';

const FORCE_AFTER_MS = 5000;

/** A program that tells one JSON object a line. Owns the process; disposal ends it. */
export class LineProcess<Event extends { readonly event: string }> implements AsyncDisposable {
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #heard: Event[] = [];
  readonly #listeners = new Set<() => void>();
  readonly #exited: Promise<void>;
  #exit: string | null = null;

  constructor(name: string, child: ChildProcess) {
    this.#name = name;
    this.#child = child;
    this.#exited = new Promise((resolve) => {
      const gone = (how: string): void => {
        this.#exit ??= how;
        resolve();
        this.#wake();
      };
      child.once('error', (error) => gone(error.message));
      // Not `exit`: what it said last is read first.
      child.once('close', (code, signal) => gone(`ended with ${code ?? signal}`));
    });
    child.stdin?.on('error', () => {});
    if (child.stdout === null) return;
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.#heard.push(JSON.parse(line) as Event); // lint: our own program writes it
      this.#wake();
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Resolves when the process is gone. */
  get exited(): Promise<void> {
    return this.#exited;
  }

  tell(command: object): void {
    this.#child.stdin?.write(`${JSON.stringify(command)}\n`);
  }

  signal(signal: 'SIGTERM' | 'SIGKILL'): void {
    this.#child.kill(signal);
  }

  /** Resolves with what `find` finds in all that was told so far. @throws Error when the program ends before. */
  async heard<Found>(what: string, find: (heard: readonly Event[]) => Found | undefined): Promise<Found> {
    for (;;) {
      const found = find(this.#heard);
      if (found !== undefined) return found;
      if (this.#exit !== null) throw new Error(`${this.#name} ${this.#exit} before it told ${what}`);
      await new Promise<void>((resolve) => this.#listeners.add(resolve));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#exit !== null) return;
    this.#child.kill('SIGTERM');
    const force = setTimeout(() => this.#child.kill('SIGKILL'), FORCE_AFTER_MS);
    await this.#exited;
    clearTimeout(force);
  }

  #wake(): void {
    const woken = [...this.#listeners];
    this.#listeners.clear();
    for (const resolve of woken) resolve();
  }
}
