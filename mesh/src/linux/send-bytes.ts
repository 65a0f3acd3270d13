import { libc, MSG_DONTWAIT, MSG_NOSIGNAL } from './syscalls.ts';

const FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL;

/** Memory that was sent from last, and the one before: senders mostly use few, and to ask where memory lies costs as much as a call. */
let last: Uint8Array = new Uint8Array(1);
let lastAddress = 0;
let earlier: Uint8Array = last;
let earlierAddress = 0;

/**
 * Sends `[start, end)` of `memory` on a connected socket, without waiting. Returns how many bytes the kernel took, or a negated errno.
 * The memory must be one that V8 does not move: of a pool, or made by `allocUnsafeSlow`; a small typed array is not.
 */
export function sendBytes(fd: number, memory: Uint8Array, start: number, end: number): number {
  const address = memory === last ? lastAddress : addressOf(memory);
  return libc().sendAt(fd, address + start, end - start, FLAGS);
}

function addressOf(memory: Uint8Array): number {
  // What the kernel may write into the address space ends below 2^47.
  const address = memory === earlier ? earlierAddress : Number(libc().addressOf(memory));
  earlier = last;
  earlierAddress = lastAddress;
  last = memory;
  lastAddress = address;
  return address;
}
