import { EAGAIN, EBADF, EINTR } from './errno.ts';
import type { PlainSocket } from './plain-socket.ts';

/**
 * Sends `[start, end)` of `memory` on a non-blocking socket. Returns how many bytes the kernel took, or a negated errno. Never raises
 * SIGPIPE.
 */
export type DirectSend = (descriptor: number, memory: Uint8Array, start: number, end: number) => number;

let send: DirectSend | undefined;

/**
 * From now on bare sockets of this thread are written to by `call` alone; undefined: through their handles. Of a small write what Node
 * and libuv do around the system call is the larger part. What the kernel does not take goes through the handle either way.
 */
export function sendDirectly(call: DirectSend | undefined): void {
  send = call;
}

/**
 * How many bytes of `[start, end)` the kernel has taken, maybe 0: the rest is for the handle, in which nothing may wait yet. Negative: the
 * connection has failed. The kernel tells why only once, so this is not for the handle to find out.
 */
export function sendNow({ descriptor }: PlainSocket, memory: Uint8Array, start: number, end: number): number {
  if (descriptor === undefined || send === undefined) return 0;
  const result = send(descriptor, memory, start, end);
  // No descriptor of ours: the handle says what is left of it.
  return result === EAGAIN || result === EINTR || result === EBADF ? 0 : result;
}
