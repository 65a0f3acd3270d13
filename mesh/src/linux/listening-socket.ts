import { closeSync, openSync, readSync } from 'node:fs';
import { OwnedDescriptor } from './descriptor-message.ts';
import { type NetnsHandle, runInNetns } from './netns.ts';
import { readSockaddr, SOCKADDR_BYTES_MAX } from './socket-address.ts';
import { checked, libc, SO_ACCEPTCONN, SOL_SOCKET } from './syscalls.ts';

const address = Buffer.allocUnsafeSlow(SOCKADDR_BYTES_MAX);
const flag = Buffer.allocUnsafeSlow(4);

/** A second descriptor of what `fd` stands for, with an owner of its own. @throws SyscallError. */
export function duplicateDescriptor(fd: number): OwnedDescriptor {
  return new OwnedDescriptor(checked('dup', libc().dup(fd)));
}

/** The port that the TCP socket `fd` listens on; null when it is something else, or does not listen. */
export function listeningPortOf(fd: number): number | null {
  if (libc().getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, flag, new Uint32Array([4])) < 0) return null;
  if (flag.readInt32LE(0) === 0) return null;
  if (libc().getsockname(fd, address, new Uint32Array([SOCKADDR_BYTES_MAX])) < 0) return null;
  // A socket of another family has no port that could be read.
  return readSockaddr(address)?.port ?? null;
}

/** How much of the kernel's list is read: listening sockets come first in it, some 150 bytes each. */
const LIST_BYTES_MAX = 64 * 1024;
const LISTEN_STATE = '0A';

/** Whether any process listens on the TCP port `port` inside `netns`, on whatever address. @throws a Node file system error. */
export function isListenedOn(netns: NetnsHandle, port: number): boolean {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return runInNetns(netns, () => ['tcp', 'tcp6'].some((list) => hasListener(startOf(list), wanted)));
}

/** The list is of the namespace in which it is opened. */
function startOf(list: string): string {
  let fd: number;
  try {
    fd = openSync(`/proc/thread-self/net/${list}`, 'r');
  } catch (error) {
    // No IPv6 in this kernel.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw error;
  }
  try {
    const bytes = Buffer.alloc(LIST_BYTES_MAX);
    let length = 0;
    for (let read = -1; read !== 0 && length < bytes.length; length += read) {
      read = readSync(fd, bytes, length, bytes.length - length, null);
    }
    return bytes.toString('latin1', 0, length);
  } finally {
    closeSync(fd);
  }
}

/** A line is `sl: local:PORT remote:PORT state ...`. */
function hasListener(list: string, wanted: string): boolean {
  return list.split('\n').some((line) => {
    const [, local, , state] = line.trim().split(/\s+/);
    return state === LISTEN_STATE && local?.endsWith(wanted) === true;
  });
}
