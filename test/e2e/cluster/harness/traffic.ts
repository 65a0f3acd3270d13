import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '@ambit/mesh/testing';
import type { HeldEnded } from '../../world/apps/app-handle.ts';
import { call, type CallOptions, SETTLE_MS } from './calls.ts';
import { LINE_PORT } from './pods.ts';
import type { Scene } from './scene.ts';

const INTERVAL_MS = 100;
const HELD_INTERVAL_MS = 50;
/** Of many: they shall not keep the machine busy. */
const HELD_MANY_INTERVAL_MS = 500;
const BODY_BYTES = 2000;
const FAILURES_MAX = 50;

/** One call after the other on connections of their own, in the background, until it is stopped. */
export class Traffic implements AsyncDisposable {
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;
  readonly #failures: string[] = [];
  #calls = 0;
  #failed = 0;
  /** Since when no call failed. */
  #answeredInARow = 0;

  constructor(scene: Scene, from: string, to: string, options: CallOptions = {}) {
    this.#ended = this.#run(scene, from, to, options);
  }

  get calls(): number {
    return this.#calls;
  }

  /** The first failures, with the time since traffic began. */
  get failures(): readonly string[] {
    return this.#failures;
  }

  get failed(): number {
    return this.#failed;
  }

  /** Resolves after another `count` calls in a row that were all answered. */
  async flows(count = 10, deadlineMs: number = SETTLE_MS): Promise<void> {
    this.#answeredInARow = 0;
    await until(`${count} calls in a row are answered`, () => this.#answeredInARow >= count, deadlineMs);
  }

  /** Ends it, and fails unless every call was answered. */
  async assertUnbroken(): Promise<void> {
    await this[Symbol.asyncDispose]();
    assert.ok(this.#calls > 0);
    assert.deepEqual(this.#failures, [], `${this.#failed} of ${this.#calls} calls failed`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#ended;
  }

  async #run(scene: Scene, from: string, to: string, options: CallOptions): Promise<void> {
    const began = performance.now();
    while (!this.#stop.signal.aborted) {
      const { ok, error, status, ms } = await call(scene, from, to, { bytes: BODY_BYTES, ...options });
      this.#calls++;
      this.#answeredInARow = ok ? this.#answeredInARow + 1 : 0;
      if (!ok) {
        this.#failed++;
        const at = ((performance.now() - began) / 1000).toFixed(1);
        if (this.#failures.length < FAILURES_MAX) this.#failures.push(`at ${at} s, after ${ms} ms: ${error ?? status}`);
      }
      await sleep(INTERVAL_MS);
    }
  }
}

/** A connection on which lines go there and back until it breaks. */
export class HeldConnection implements AsyncDisposable {
  readonly #ended: Promise<HeldEnded>;
  readonly #release: () => Promise<unknown>;
  #end: HeldEnded | null = null;

  private constructor(ended: Promise<HeldEnded>, release: () => Promise<unknown>) {
    this.#ended = ended.then((end) => (this.#end = end));
    this.#release = release;
  }

  static async open(
    scene: Scene,
    from: string,
    to: string,
    intervalMs: number = HELD_INTERVAL_MS,
  ): Promise<HeldConnection> {
    const client = scene.client(from);
    const { ip } = scene.pod(to);
    const held = client.hold({ ip, port: LINE_PORT, intervalMs, timeoutMs: 8000 });
    const opened = await held.opened;
    assert.ok(opened.ok, `${from} holds a connection to ${to}: ${opened.error}`);
    return new HeldConnection(held.ended, () => client.run({ op: 'release', hold: held.id }));
  }

  static openMany(scene: Scene, from: string, to: string, count: number): Promise<HeldConnection[]> {
    return Promise.all(
      Array.from({ length: count }, () => HeldConnection.open(scene, from, to, HELD_MANY_INTERVAL_MS)),
    );
  }

  get isBroken(): boolean {
    return this.#end?.error !== undefined;
  }

  /** Resolves with why it broke; rejects if it does not in time. */
  breaks(): Promise<string> {
    return until('the held connection breaks', () => this.#end?.error, SETTLE_MS);
  }

  /** Ends it from the caller's side, and fails unless it was whole and carried lines to its end. */
  async assertWhole(): Promise<void> {
    await this[Symbol.asyncDispose]();
    const { lines, error } = await this.#ended;
    assert.equal(error, undefined, `the held connection broke after ${lines} lines`);
    assert.ok(lines > 1, 'lines went there and back');
  }

  /** Ends it from the caller's side. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#release();
    await this.#ended;
  }
}
