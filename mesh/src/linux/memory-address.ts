import { libc } from './syscalls.ts';

/** Memory that was asked for last, and before: whoever reads and sends uses few, and to ask where memory lies costs as much as a call. */
let last: Uint8Array = new Uint8Array(1);
let lastAddress = 0;
let earlier: Uint8Array = last;
let earlierAddress = 0;

/**
 * Where `memory` begins, for system calls of this thread that take addresses: it stays there as long as the object lives and is not
 * transferred. Below 2^47, so a number holds it. The two last ones are kept from being collected.
 */
export function memoryAddress(memory: Uint8Array): number {
  if (memory === last) return lastAddress;
  const address = memory === earlier ? earlierAddress : Number(libc().addressOf(memory));
  earlier = last;
  earlierAddress = lastAddress;
  last = memory;
  lastAddress = address;
  return address;
}
