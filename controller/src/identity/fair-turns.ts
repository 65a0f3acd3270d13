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

/**
 * Few things at a time. What waits is bounded in number and time, and a crowd of one group or member keeps no other waiting: nor out,
 * for where there is no room, whoever came last of those who have most makes some.
 */
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
    if ((this.#groups.get(group)?.get(member)?.size ?? 0) >= waitingPerMemberMax) return false;
    if (this.#waiting >= waitingMax && !this.#makeRoom({ group, member })) return false;
    const ofGroup: Group = this.#groups.get(group) ?? new Map();
    const ofMember = ofGroup.get(member) ?? new Set<Waiter>();
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const waiter: Waiter = resolve;
    this.#groups.set(group, ofGroup.set(member, ofMember.add(waiter)));
    this.#waiting++;
    using _timer = this.#clock.setTimer(waitMs, () => {
      if (ofMember.has(waiter)) this.#refuse({ group, member }, ofGroup, ofMember, waiter);
    });
    return await promise;
  }

  /** Takes a place from the group that has most of them, or from a member of the same one. False when nobody has too many. */
  #makeRoom({ group, member }: Share): boolean {
    const own = this.#groups.get(group);
    const [most, ofMost] = largest(this.#groups, waitingOf) ?? [group, own];
    const isOther = ofMost !== undefined && waitingOf(ofMost) > (own === undefined ? 0 : waitingOf(own)) + 1;
    const ofGroup = isOther ? ofMost : own;
    if (ofGroup === undefined) return false;
    const [from, ofMember] = largest(ofGroup, (waiters) => waiters.size) ?? [];
    if (from === undefined || ofMember === undefined) return false;
    if (!isOther && ofMember.size <= (ofGroup.get(member)?.size ?? 0) + 1) return false;
    const last = [...ofMember].at(-1);
    if (last === undefined) return false;
    this.#refuse({ group: isOther ? most : group, member: from }, ofGroup, ofMember, last);
    return true;
  }

  #refuse({ group, member }: Share, ofGroup: Group, ofMember: Set<Waiter>, waiter: Waiter): void {
    ofMember.delete(waiter);
    this.#waiting--;
    if (ofMember.size === 0) ofGroup.delete(member);
    if (ofGroup.size === 0) this.#groups.delete(group);
    waiter(false);
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

function waitingOf(group: Group): number {
  let sum = 0;
  for (const { size } of group.values()) sum += size;
  return sum;
}

/** The entry with the most, the first of several. */
function largest<T>(entries: ReadonlyMap<string, T>, countOf: (value: T) => number): readonly [string, T] | null {
  let most: readonly [string, T] | null = null;
  let countMax = 0;
  for (const entry of entries) {
    const count = countOf(entry[1]);
    if (count <= countMax) continue;
    most = entry;
    countMax = count;
  }
  return most;
}
