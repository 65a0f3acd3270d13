import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { AppCommand, AppEvent, AppOptions, AppResult } from './app-protocol.ts';

/** Starts a program where the app shall live; standard input and output must be pipes. */
export type SpawnProgram = (command: string, args: readonly string[]) => ChildProcess;

type WithoutId<T> = T extends { readonly id: number } ? Omit<T, 'id'> : never;
export type AppRequest = WithoutId<AppCommand>;
export type ServedEvent = Extract<AppEvent, { readonly event: 'served' }>;
export type HeldEnded = Extract<AppEvent, { readonly event: 'held-ended' }>;

/** What is kept of requests served, so that a chatty world stays bounded; oldest go first. */
const SERVED_COUNT_MAX = 10_000;

/** A test's grip on one app program. Owns the process; disposal ends it. */
export class AppHandle implements AsyncDisposable {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (result: AppResult) => void>();
  readonly #holds = new Map<number, PromiseWithResolvers<HeldEnded>>();
  readonly #served: ServedEvent[] = [];
  readonly #listening = Promise.withResolvers<void>();
  readonly #exited: Promise<void>;
  #nextId = 1;

  private constructor(options: AppOptions, child: ChildProcess) {
    this.name = options.name;
    this.#child = child;
    this.#listening.promise.catch(() => {});
    this.#exited = new Promise((resolve) => {
      child.once('error', (error) => this.#fail(error, resolve));
      child.once('exit', (code) => this.#fail(new Error(`app ${options.name} exited with ${code}`), resolve));
    });
    child.stdin?.on('error', () => {});
    if (child.stdout !== null) {
      createInterface({ input: child.stdout }).on('line', (line) => this.#onEvent(JSON.parse(line) as AppEvent)); // lint: our own program writes it
    }
  }

  /** Resolves when the app listens. @throws Error when it exits before. */
  static async start(options: AppOptions, spawn: SpawnProgram): Promise<AppHandle> {
    const program = fileURLToPath(new URL('./app-program.ts', import.meta.url));
    const handle = new AppHandle(options, spawn(process.execPath, [program, JSON.stringify(options)]));
    await handle.#listening.promise;
    return handle;
  }

  /** Requests and lines this app served, oldest first. */
  get served(): readonly ServedEvent[] {
    return this.#served;
  }

  run(request: AppRequest): Promise<AppResult> {
    return this.#send(request).result;
  }

  /** Like `run` with `hold`, and `ended` says when and how the connection went. */
  hold(request: Omit<Extract<AppRequest, { op: 'hold' }>, 'op'>): {
    readonly id: number;
    readonly opened: Promise<AppResult>;
    readonly ended: Promise<HeldEnded>;
  } {
    const ended = Promise.withResolvers<HeldEnded>();
    const { id, result } = this.#send({ op: 'hold', ...request });
    this.#holds.set(id, ended);
    return { id, opened: result, ended: ended.promise };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin?.end();
    const force = setTimeout(() => this.#child.kill('SIGKILL'), 1000);
    await this.#exited;
    clearTimeout(force);
  }

  #send(request: AppRequest): { readonly id: number; readonly result: Promise<AppResult> } {
    const id = this.#nextId++;
    const { promise, resolve } = Promise.withResolvers<AppResult>();
    this.#waiting.set(id, resolve);
    this.#child.stdin?.write(`${JSON.stringify({ id, ...request })}\n`);
    return { id, result: promise };
  }

  #onEvent(event: AppEvent): void {
    switch (event.event) {
      case 'listening':
        this.#listening.resolve();
        return;
      case 'result':
        this.#waiting.get(event.result.id)?.(event.result);
        this.#waiting.delete(event.result.id);
        return;
      case 'held-ended':
        this.#holds.get(event.id)?.resolve(event);
        this.#holds.delete(event.id);
        return;
      case 'served':
        this.#served.push(event);
        if (this.#served.length > SERVED_COUNT_MAX) this.#served.shift();
    }
  }

  #fail(error: Error, exited: () => void): void {
    this.#listening.reject(error);
    const answer = { ok: false, ms: 0, localAddress: '', error: error.message };
    for (const [id, resolve] of this.#waiting) resolve({ id, ...answer });
    for (const [id, hold] of this.#holds) hold.resolve({ event: 'held-ended', id, lines: 0, error: error.message });
    this.#waiting.clear();
    this.#holds.clear();
    exited();
  }
}
