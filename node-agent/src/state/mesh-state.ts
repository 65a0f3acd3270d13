import type { MeshView, MeshViewStep } from '@ambit/mesh/model';
import type { Clock } from '@ambit/mesh/runtime';
import { SharedViewReader, type ViewPublication } from '@ambit/mesh/view';
import { WaitingPlaces } from './waiting-places.ts';

/** Connections that may wait at once for a workload to become known; further ones are refused at once. */
export const STATE_WAITERS_MAX = 10_000;
/** Those of one pod among them: an application that calls addresses which nobody has must not take the others' places. */
export const STATE_WAITERS_PER_POD_MAX = 2500;

export type WaitOutcome = 'changed' | 'timeout' | 'too-many';

/** The mesh view of one thread, and those who wait for it to change. */
export class MeshState {
  readonly #view = new SharedViewReader();
  readonly #clock: Clock;
  readonly #waiters = new Set<(outcome: WaitOutcome) => void>();
  readonly #places = new WaitingPlaces({ inAll: STATE_WAITERS_MAX, perPod: STATE_WAITERS_PER_POD_MAX });
  readonly #listeners: ((step: MeshViewStep) => void)[] = [];

  constructor(options: { readonly clock: Clock }) {
    this.#clock = options.clock;
  }

  get view(): MeshView {
    return this.#view;
  }

  /** Adopts one update, tells listeners, then wakes everybody who waits. */
  adopt(publication: ViewPublication): void {
    const step = this.#view.adopt(publication);
    for (const listener of this.#listeners) listener(step);
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const wake of waiters) wake('changed');
  }

  /** `listener` runs synchronously within `adopt`, for the life of this state. */
  onChange(listener: (step: MeshViewStep) => void): void {
    this.#listeners.push(listener);
  }

  /** Waits for the next update, at most until `deadlineMs` of the monotonic clock. `pod` is always the same one for the same pod. */
  nextChange(deadlineMs: number, pod: object): Promise<WaitOutcome> {
    const leftMs = deadlineMs - this.#clock.monotonic();
    if (leftMs <= 0) return Promise.resolve('timeout');
    if (!this.#places.take(pod)) return Promise.resolve('too-many');
    return new Promise((resolve) => {
      const wake = (outcome: WaitOutcome): void => {
        timer[Symbol.dispose]();
        this.#waiters.delete(wake);
        this.#places.giveBack(pod);
        resolve(outcome);
      };
      const timer = this.#clock.setTimer(leftMs, () => wake('timeout'));
      this.#waiters.add(wake);
    });
  }
}
