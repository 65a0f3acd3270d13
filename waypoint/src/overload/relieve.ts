/** Something that holds memory for somebody else. */
export interface Holder {
  readonly heldBytes: number;
}

/** Less is not worth a connection. Many that hold little hold much: those that hold most go first, and the others only if that is not enough. */
export const HELD_WORTH_BYTES: number = 4 * 1024;

/** Who is given up so that so many bytes become free: as few as possible, and only those that hold much. */
export function chooseHolders<H extends Holder>(holders: Iterable<H>, bytes: number): readonly H[] {
  const worth = [...holders]
    .map((holder) => ({ holder, heldBytes: holder.heldBytes }))
    .filter(({ heldBytes }) => heldBytes >= HELD_WORTH_BYTES)
    .sort((a, b) => b.heldBytes - a.heldBytes);
  const chosen: H[] = [];
  let left = bytes;
  for (const { holder, heldBytes } of worth) {
    if (left <= 0) break;
    chosen.push(holder);
    left -= heldBytes;
  }
  return chosen;
}
