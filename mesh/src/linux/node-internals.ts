import net from 'node:net';
import { LinuxError } from './errors.ts';
import { AF_INET, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM, checked, libc } from './syscalls.ts';

// The only file of mesh/linux that leans on what Node does not document: the descriptor behind a socket
// (`_handle.fd`), `manualStart`, without which Node reads from a descriptor that is not connected yet, and `handle`.

interface WithHandle {
  readonly _handle?: { readonly fd?: number } | null;
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
  // Told only the descriptor, Node asks the kernel four questions about it, half the cost of the object.
  const handle = tcpHandleOf(fd);
  const options = {
    manualStart: true,
    readable: true,
    writable: true,
    ...(handle === undefined ? { fd } : { handle }),
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- options that Node takes and does not declare
  return new net.Socket(options as net.SocketConstructorOpts);
}

interface TcpHandle {
  /** Zero, or a negated errno. */
  open(fd: number): number;
}
type TcpHandleType = new (kind: number) => TcpHandle;

/** Node's TCPConstants.SOCKET. */
const TCP_SOCKET = 0;
let tcpHandleType: TcpHandleType | null | undefined;

/** A handle that takes over `fd`, which libuv then watches. Undefined, and nothing has changed, where this Node has no such handles. */
export function tcpHandleOf(fd: number): TcpHandle | undefined {
  tcpHandleType ??= findTcpHandleType();
  if (tcpHandleType === null) return undefined;
  const handle = new tcpHandleType(TCP_SOCKET);
  return handle.open(fd) === 0 ? handle : undefined;
}

/** From a socket about to connect: destroyed in the same turn, before a packet could leave. */
function findTcpHandleType(): TcpHandleType | null {
  const socket = net.connect({ port: 9, host: '127.0.0.1' }).on('error', () => {});
  const handle: unknown = Reflect.get(socket, '_handle');
  socket.destroy();
  if (typeof handle !== 'object' || handle === null || typeof Reflect.get(handle, 'open') !== 'function') return null;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- an internal type; the self-test proves what it makes
  return handle.constructor as TcpHandleType;
}

/** Proves once per thread, at start, that the internals are there. @throws LinuxError `internals-changed`. */
export function selfTestNodeInternals(): void {
  const fd = checked('socket', libc().socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const socket = unconnectedSocket(fd).on('error', () => {});
  const found = descriptorOf(socket);
  socket.destroy();
  if (found !== fd) throw new LinuxError('internals-changed', { data: { expected: fd, found } });
}
