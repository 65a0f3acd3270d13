import { memoryAddress } from './memory-address.ts';
import { libc, MSG_DONTWAIT, MSG_NOSIGNAL } from './syscalls.ts';

const FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL;

/**
 * Sends `[start, end)` of `memory` on a connected socket, without waiting. Returns how many bytes the kernel took, or a negated errno.
 */
export function sendBytes(fd: number, memory: Uint8Array, start: number, end: number): number {
  return libc().sendAt(fd, memoryAddress(memory) + start, end - start, FLAGS);
}
