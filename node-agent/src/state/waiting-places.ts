/** Places for what waits for one thing, of which one pod has a share: it must not take the others' places. */
export class WaitingPlaces {
  readonly #inAll: number;
  readonly #perPod: number;
  readonly #ofPods = new WeakMap<object, number>();
  #taken = 0;

  constructor(limits: { readonly inAll: number; readonly perPod: number }) {
    this.#inAll = limits.inAll;
    this.#perPod = limits.perPod;
  }

  /** False when there is no room. `pod` is always the same one for the same pod. Who has taken a place gives it back, once. */
  take(pod: object): boolean {
    const ofPod = this.#ofPods.get(pod) ?? 0;
    if (this.#taken >= this.#inAll || ofPod >= this.#perPod) return false;
    this.#taken++;
    this.#ofPods.set(pod, ofPod + 1);
    return true;
  }

  giveBack(pod: object): void {
    this.#taken--;
    this.#ofPods.set(pod, (this.#ofPods.get(pod) ?? 1) - 1);
  }
}
