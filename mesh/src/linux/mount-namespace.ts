import { closeSync, openSync } from 'node:fs';
import { checked, CLONE_FS, CLONE_NEWNS, libc } from './syscalls.ts';

/**
 * Moves the calling thread into the mount namespace at `path` (`/proc/PID/ns/mnt`), for good: from now on its synchronous file
 * accesses see that namespace's files. For the last steps of a process. @throws SyscallError, or a Node file system error.
 */
export function enterMountNamespace(path: string): void {
  const fd = openSync(path, 'r');
  try {
    // The kernel moves only a thread whose root directory is its own.
    checked('unshare', libc().unshare(CLONE_FS));
    checked('setns', libc().setns(fd, CLONE_NEWNS));
  } finally {
    closeSync(fd);
  }
}
