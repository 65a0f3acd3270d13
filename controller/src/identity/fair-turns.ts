import type { Clock } from '@ambit/mesh/runtime';

export interface FairTurnsOptions {
  /** Turns at a time. */
  readonly turnsMax: number;
  /** That wait, in all and of one member. */
  readonly waitingMax: number;
  readonly waitingPerMemberMax: number;
  /** How long one waits. */
  readonly waitMs: number;
}

/** Who wants a turn: groups get turns alike, and so do the members of a group, however many stand behind one of them. */
export interface Share {
  readonly group: string;
  readonly member: string;
}

/** Whether it is the waiter's turn. */
type Waiter = (isTurn: boolean) => void;
/** Waiters by member; both maps in the order in which they get turns. */
type Group = Map<string, Set<Waiter>>;

/** Few things at a time. What waits is bounded in number and time, and a crowd of one group or member keeps no other waiting. */
export class FairTurns {
  readonly #clock: Clock;
  readonly #options: FairTurnsOptions;
  readonly #groups = new Map<string, Group>();
  #taken = 0;
  #waiting = 0;

  constructor(clock: Clock, options: FairTurnsOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** Null when too many wait, or none came in time. Disposing what is returned ends the turn, once. */
  async take(share: Share): Promise<Disposable | null> {
    if (this.#taken < this.#options.turnsMax) {
      this.#taken++;
      return this.#turn();
    }
    return (await this.#wait(share)) ? this.#turn() : null;
  }

  async #wait({ group, member }: Share): Promise<boolean> {
    const { waitingMax, waitingPerMemberMax, waitMs } = this.#options;
    const ofGroup: Group = this.#groups.get(group) ?? new Map();
    const ofMember = ofGroup.get(member) ?? new Set<Waiter>();
    if (this.#waiting >= waitingMax || ofMember.size >= waitingPerMemberMax) return false;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const waiter: Waiter = resolve;
    this.#groups.set(group, ofGroup.set(member, ofMember.add(waiter)));
    this.#waiting++;
    using _timer = this.#clock.setTimer(waitMs, () => {
      if (!ofMember.delete(waiter)) return;
      this.#waiting--;
      if (ofMember.size === 0) ofGroup.delete(member);
      if (ofGroup.size === 0) this.#groups.delete(group);
      resolve(false);
    });
    return await promise;
  }

  #turn(): Disposable {
    let isOver = false;
    return {
      [Symbol.dispose]: () => {
        if (isOver) return;
        isOver = true;
        const next = this.#next();
        if (next === null) this.#taken--;
        else next(true);
      },
    };
  }

  /** Takes the next waiter out; its member and group go to the end of their queues. */
  #next(): Waiter | null {
    for (const [group, ofGroup] of this.#groups) {
      this.#groups.delete(group);
      for (const [member, ofMember] of ofGroup) {
        ofGroup.delete(member);
        const [waiter] = ofMember;
        if (waiter === undefined) continue;
        ofMember.delete(waiter);
        this.#waiting--;
        if (ofMember.size > 0) ofGroup.set(member, ofMember);
        if (ofGroup.size > 0) this.#groups.set(group, ofGroup);
        return waiter;
      }
    }
    return null;
  }
}
