import { ipFamily, type SocketAddress } from '../model/address.ts';
import { SyscallError } from './errors.ts';
import { type NetnsHandle, runInNetns } from './netns.ts';
import { SOCKADDR_BYTES_MAX, writeSockaddr } from './socket-address.ts';
import {
  AF_INET,
  AF_INET6,
  checked,
  EAGAIN,
  libc,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  SO_MARK,
  SO_RCVBUFFORCE,
  SO_REUSEPORT,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOL_SOCKET,
  type Watch,
} from './syscalls.ts';

export interface DatagramListenOptions {
  readonly address: SocketAddress;
  /** Socket mark. None when absent. */
  readonly mark?: number;
  /** Several sockets, of this process or others, share the port. Default false. */
  readonly reusePort?: boolean;
  /** Room for datagrams that wait for the event loop; the kernel's default when absent. */
  readonly receiveBufferBytes?: number;
}

const sockaddr = Buffer.allocUnsafeSlow(SOCKADDR_BYTES_MAX);
const number = Buffer.allocUnsafeSlow(4);

/** A UDP socket inside `netns`, bound to an address of it, that hears anybody and answers through `DatagramBatch`. */
export class DatagramListener implements Disposable {
  /** For `DatagramBatch` and `sendDatagram`; stays this object's. */
  readonly fd: number;
  readonly #watch: Watch;
  #closed = false;

  get isClosed(): boolean {
    return this.#closed;
  }

  /**
   * `onReadable` is called from the event loop as long as something is there to read. @throws SyscallError, for example with errno
   * EADDRINUSE, or EADDRNOTAVAIL and EAFNOSUPPORT where the family is not there.
   */
  constructor(netns: NetnsHandle, options: DatagramListenOptions, onReadable: () => void) {
    const { address, mark, receiveBufferBytes } = options;
    this.fd = openSocket(netns, address, (fd) => {
      if (mark !== undefined) setOption(fd, SO_MARK, mark);
      if (options.reusePort === true) setOption(fd, SO_REUSEPORT, 1);
      // Best effort: a user namespace may not go above the system's limit.
      if (receiveBufferBytes !== undefined) trySetOption(fd, SO_RCVBUFFORCE, receiveBufferBytes);
      bindTo(fd, address);
    });
    this.#watch = libc().watch(this.fd, onReadable);
    this.#watch.want(true, false);
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watch.close();
    libc().close(this.fd);
  }
}

/**
 * A UDP socket of `netns` (of this thread's own namespace when null) that sends to `destination` and hears it alone.
 * Belongs to the caller.
 */
export class DatagramExchange implements Disposable {
  readonly #fd: number;
  readonly #watch: Watch;
  #closed = false;

  /**
   * `onReadable` is called from the event loop as long as something is there to `receive`. @throws SyscallError when there is no
   * such socket, or no way to the destination.
   */
  constructor(
    netns: NetnsHandle | null,
    options: { readonly destination: SocketAddress; readonly mark?: number },
    onReadable: () => void,
  ) {
    const { destination, mark } = options;
    this.#fd = openSocket(netns, destination, (fd) => {
      if (mark !== undefined) setOption(fd, SO_MARK, mark);
      const { ip, port } = destination;
      const connected = libc().connect(fd, sockaddr, writeSockaddr(sockaddr, ip, port));
      if (connected < 0) throw new SyscallError('connect', -connected, { ip, port });
    });
    this.#watch = libc().watch(this.#fd, onReadable);
    this.#watch.want(true, false);
  }

  /** False when it could not be sent: nobody listens, no way, no room. */
  send(datagram: Uint8Array): boolean {
    return libc().send(this.#fd, datagram, datagram.length, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
  }

  /** Reads one datagram into `into`, cut to its size. `none`: nothing is there; `refused`: nobody listens there, or nothing leads there. */
  receive(into: Uint8Array): number | 'none' | 'refused' {
    const received = libc().recv(this.#fd, into, into.length, MSG_DONTWAIT);
    if (received >= 0) return received;
    return received === -EAGAIN ? 'none' : 'refused';
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watch.close();
    libc().close(this.#fd);
  }
}

/**
 * Whether any process has a UDP socket at `address` inside `netns`. Tells by trying to have it, for some microseconds.
 * @throws SyscallError when that fails for another reason.
 */
export function isDatagramPortTaken(netns: NetnsHandle, address: SocketAddress): boolean {
  try {
    const fd = openSocket(netns, address, (own) => bindTo(own, address));
    libc().close(fd);
    return false;
  } catch (error) {
    if (error instanceof SyscallError && error.errno === 'EADDRINUSE') return true;
    throw error;
  }
}

function openSocket(netns: NetnsHandle | null, { ip }: SocketAddress, configure: (fd: number) => void): number {
  const family = ipFamily(ip) === 6 ? AF_INET6 : AF_INET;
  const open = (): number => checked('socket', libc().socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const fd = netns === null ? open() : runInNetns(netns, open);
  try {
    configure(fd);
    return fd;
  } catch (error) {
    libc().close(fd);
    throw error;
  }
}

function bindTo(fd: number, { ip, port }: SocketAddress): void {
  const bound = libc().bind(fd, sockaddr, writeSockaddr(sockaddr, ip, port));
  if (bound < 0) throw new SyscallError('bind', -bound, { ip, port });
}

function setOption(fd: number, option: number, value: number): void {
  checked('setsockopt', trySetOption(fd, option, value));
}

function trySetOption(fd: number, option: number, value: number): number {
  number.writeUInt32LE(value, 0);
  return libc().setsockopt(fd, SOL_SOCKET, option, number, 4);
}
