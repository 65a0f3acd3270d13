import net from 'node:net';
import { LinuxError } from './errors.ts';
import { AF_INET, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM, checked, libc } from './syscalls.ts';

// The only file of mesh/linux that leans on what Node does not document: the descriptor behind a socket
// (`_handle.fd`), and `manualStart`, without which Node reads from a descriptor that is not connected yet.

interface WithHandle {
  readonly _handle?: { readonly fd?: number } | null;
}

interface ManualStartOptions extends net.SocketConstructorOpts {
  readonly manualStart: boolean;
}

/** The descriptor of an open TCP socket or server, or -1 once it has none. It stays the socket's own. */
export function descriptorOf(socket: net.Socket | net.Server): number {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- an internal field; the self-test notices when it is gone
  return (socket as WithHandle)._handle?.fd ?? -1;
}

/**
 * A socket around a TCP descriptor that is not connected: call `connect` on it. Takes over `fd`. The caller adds the
 * 'error' listener in the same statement.
 */
export function unconnectedSocket(fd: number): net.Socket {
  const options: ManualStartOptions = { fd, manualStart: true, readable: true, writable: true };
  return new net.Socket(options);
}

/** Proves once per thread, at start, that the internals are there. @throws LinuxError `internals-changed`. */
export function selfTestNodeInternals(): void {
  const fd = checked('socket', libc().socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const socket = unconnectedSocket(fd).on('error', () => {});
  const found = descriptorOf(socket);
  socket.destroy();
  if (found !== fd) throw new LinuxError('internals-changed', { data: { expected: fd, found } });
}
