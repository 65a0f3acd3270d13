import { closeSync, fstatSync, openSync } from 'node:fs';
import { bug } from '../runtime/errors.ts';
import { CLONE_NEWNET, checked, libc } from './syscalls.ts';

/** What makes two descriptors name the same network namespace. Numbers of dead namespaces are used again. */
export interface NetnsIdentity {
  readonly device: bigint;
  readonly inode: bigint;
}

/**
 * An open network namespace: it lives at least as long as the handle. Disposing an owning handle closes the
 * descriptor; sockets that were opened in the namespace stay what they are. Usable from the thread that made it; give
 * `fd` to another thread and `borrow` it there.
 */
export class NetnsHandle implements Disposable {
  readonly fd: number;
  readonly identity: NetnsIdentity;
  readonly #belongings: Disposable[] = [];
  #state: 'owned' | 'borrowed' | 'disposed';

  private constructor(fd: number, ownership: 'owned' | 'borrowed') {
    this.fd = fd;
    this.#state = ownership;
    const stat = fstatSync(fd, { bigint: true });
    this.identity = { device: stat.dev, inode: stat.ino };
  }

  /** Opens by path, for example below /run/netns or `/proc/PID/ns/net`. @throws a Node file system error. */
  static open(path: string): NetnsHandle {
    return NetnsHandle.adopt(openSync(path, 'r'));
  }

  /** Takes over `fd`, which the handle closes, also when this throws. */
  static adopt(fd: number): NetnsHandle {
    try {
      return new NetnsHandle(fd, 'owned');
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** Uses an `fd` that someone else keeps open longer than the handle and closes. */
  static borrow(fd: number): NetnsHandle {
    return new NetnsHandle(fd, 'borrowed');
  }

  /** A second handle on the same namespace, which lives on its own. */
  duplicate(): NetnsHandle {
    return NetnsHandle.adopt(checked('dup', libc().dup(this.fd)));
  }

  /** Disposes `belonging` with the handle, before the descriptor is closed. */
  own(belonging: Disposable): void {
    if (this.#state === 'disposed') bug('something is given to the handle of a network namespace after its disposal');
    this.#belongings.push(belonging);
  }

  /** False once disposed; every use after that throws. */
  get isOpen(): boolean {
    return this.#state !== 'disposed';
  }

  [Symbol.dispose](): void {
    const state = this.#state;
    this.#state = 'disposed';
    for (const belonging of this.#belongings.splice(0)) belonging[Symbol.dispose]();
    if (state === 'owned') closeSync(this.fd);
  }
}

export function sameNetns(a: NetnsIdentity, b: NetnsIdentity): boolean {
  return a.inode === b.inode && a.device === b.device;
}

// Per thread, as this module is: the namespace that every callback of the thread expects to run in.
let homeFd: number | null = null;

/**
 * Runs `work` with the calling thread inside `netns`. `work` must be synchronous, and everything in it that touches
 * the network must be a system call made there and then: what Node puts off to a later tick or to its thread pool
 * happens at home. If home cannot be reached again the process aborts, since any code after this would run in a
 * pod's namespace. @throws SyscallError `setns` when the namespace cannot be entered, and whatever `work` throws.
 */
export function runInNetns<T>(netns: NetnsHandle, work: () => T): T {
  if (!netns.isOpen) bug('a network namespace is entered after its handle was disposed');
  const binding = libc();
  homeFd ??= openSync('/proc/thread-self/ns/net', 'r');
  checked('setns', binding.setns(netns.fd, CLONE_NEWNET));
  try {
    return work();
  } finally {
    if (binding.setns(homeFd, CLONE_NEWNET) < 0) binding.abort();
  }
}
