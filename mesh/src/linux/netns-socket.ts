import type net from 'node:net';
import { type IpAddress, ipFamily, parseIpAddress, type SocketAddress } from '../model/address.ts';
import { SyscallError } from './errors.ts';
import { type NetnsHandle, runInNetns } from './netns.ts';
import { tcpHandleOf, unconnectedSocket } from './node-internals.ts';
import { takeTcpSocket } from './socket-stock.ts';
import { SOCKADDR_BYTES_MAX, writeSockaddr } from './socket-address.ts';
import {
  AF_INET,
  AF_INET6,
  checked,
  EAFNOSUPPORT,
  EALREADY,
  EINPROGRESS,
  EISCONN,
  IP_BIND_ADDRESS_NO_PORT,
  IPPROTO_TCP,
  IP_TRANSPARENT,
  IPV6_TRANSPARENT,
  IPV6_V6ONLY,
  libc,
  SO_MARK,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_IP,
  SOL_IPV6,
  SOL_SOCKET,
  TCP_NODELAY,
} from './syscalls.ts';

/** Accepted connections that may wait for the event loop. The kernel caps it at net.core.somaxconn. */
export const LISTEN_BACKLOG_DEFAULT = 1024;

export interface ListenOptions {
  /** `wildcard`: every address of both families; IPv4 alone where the kernel has no IPv6. */
  readonly address: IpAddress | 'wildcard';
  /** 0 lets the kernel choose. */
  readonly port: number;
  /** Socket mark; accepted sockets inherit it. None when absent. */
  readonly mark?: number;
  /** IP_TRANSPARENT: `best-effort` listens without it where it is not permitted. Default `off`. */
  readonly transparent?: 'required' | 'best-effort' | 'off';
  /** Several listeners, of this process or others, share the port. Default false. */
  readonly reusePort?: boolean;
  readonly backlog?: number;
}

export interface DialOptions {
  readonly destination: SocketAddress;
  /** Socket mark. None when absent. */
  readonly mark?: number;
  /**
   * Address the destination sees as the peer; it need not exist in the namespace (IP_TRANSPARENT). Without
   * a port the kernel picks one when it connects, so many connections may share the address. Same family as the destination.
   */
  readonly source?: { readonly ip: IpAddress; readonly port?: number };
  /**
   * The destination is expected to be in the namespace itself: the kernel then completes the connection at once, and the
   * event loop is not asked to wait for it. Right for any destination, cheaper for one inside. Default false.
   */
  readonly inside?: boolean;
}

const address = Buffer.allocUnsafeSlow(SOCKADDR_BYTES_MAX);
const number = Buffer.allocUnsafeSlow(4);

/**
 * Opens a listening TCP socket inside `netns` and returns its descriptor, which belongs to the caller: give it to
 * `net.Server.listen({ fd })` or close it. All of it happens before this returns, so the port is open in that namespace
 * and nowhere else. Sockets accepted from it do not delay small writes. @throws SyscallError, for example with errno EADDRINUSE.
 */
export function listenInNetns(netns: NetnsHandle, options: ListenOptions): number {
  return runInNetns(netns, () => {
    const wildcard = options.address === 'wildcard';
    const family = wildcard || ipFamily(options.address) === 6 ? AF_INET6 : AF_INET;
    let fd = libc().socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const withoutIpv6 = wildcard && fd === -EAFNOSUPPORT;
    if (withoutIpv6) fd = libc().socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    checked('socket', fd);
    const ip = wildcard ? (withoutIpv6 ? ANY_IPV4 : ANY_IPV6) : options.address;
    return closeUnlessDone(fd, () => configureListener(fd, ip, wildcard, options));
  });
}

/**
 * Opens a TCP socket inside `netns` and starts to connect it. The socket emits 'connect' or 'error' later; the caller adds
 * its 'error' listener in the same statement. Name resolution never happens: the destination is an address. Small writes are
 * not delayed.
 * @throws SyscallError when the socket cannot be made, marked or bound.
 */
export function dialInNetns(netns: NetnsHandle, options: DialOptions): net.Socket {
  const { destination, inside } = options;
  if (inside === true) return dialInside(netns, options).takeSocket();
  const fd = openOutboundSocket(netns, options);
  return unconnectedSocket(fd).connect({ host: destination.ip, port: destination.port });
}

/**
 * As `dialInNetns` to a destination in the namespace itself, which the kernel connects to at once, without a socket of Node's until it
 * is known what came of it. @throws SyscallError when the socket cannot be made, marked or bound.
 */
export function dialInside(netns: NetnsHandle, options: DialOptions): InsideDial {
  const { ip, port } = options.destination;
  const fd = openOutboundSocket(netns, options);
  libc().connect(fd, address, writeSockaddr(address, ip, port));
  return new InsideDial(fd, options.destination);
}

/** Owns its descriptor until it is taken. Ask for the outcome later, not in the turn in which it was dialled. */
export class InsideDial implements Disposable {
  readonly #destination: SocketAddress;
  #fd: number;

  /** @internal */
  constructor(fd: number, destination: SocketAddress) {
    this.#fd = fd;
    this.#destination = destination;
  }

  /** `null`: it is connected. */
  outcome(): SyscallError | 'waiting' | null {
    const { ip, port } = this.#destination;
    const result = connectOutcome(this.#fd, this.#destination);
    return typeof result === 'number' ? new SyscallError('connect', result, { ip, port }) : result;
  }

  /** Node's handle around it, or undefined where Node has none; then it is still here. */
  takeHandle(): object | undefined {
    const handle = tcpHandleOf(this.#fd);
    if (handle !== undefined) this.#fd = -1;
    return handle;
  }

  /** A socket that emits 'connect' or 'error' later. */
  takeSocket(): net.Socket {
    const fd = this.#fd;
    this.#fd = -1;
    const socket = unconnectedSocket(fd);
    queueMicrotask(() => followConnect(socket, fd, this.#destination));
    return socket;
  }

  [Symbol.dispose](): void {
    if (this.#fd !== -1) libc().close(this.#fd);
    this.#fd = -1;
  }
}

const ANY_IPV6 = parseIpAddress('::');
const ANY_IPV4 = parseIpAddress('0.0.0.0');

function followConnect(socket: net.Socket, fd: number, destination: SocketAddress): void {
  if (!completeConnect(socket, fd, destination)) completeWhenWritable(socket, fd, destination);
}

/** False while the connection is still being made. */
function completeConnect(socket: net.Socket, fd: number, destination: SocketAddress): boolean {
  if (socket.destroyed) return true;
  const outcome = connectOutcome(fd, destination);
  if (outcome === 'waiting') return false;
  const { ip, port } = destination;
  if (outcome === null) socket.emit('connect');
  else socket.destroy(new SyscallError('connect', outcome, { ip, port }));
  return true;
}

/** What came of the call before: `null`, or the errno of its failure. A second call reports how the first one ended. */
function connectOutcome(fd: number, { ip, port }: SocketAddress): number | 'waiting' | null {
  const result = libc().connect(fd, address, writeSockaddr(address, ip, port));
  if (result === -EALREADY || result === -EINPROGRESS) return 'waiting';
  return result === 0 || result === -EISCONN ? null : -result;
}

/** The kernel put delivery off, or the other side has to be waited for after all. */
function completeWhenWritable(socket: net.Socket, fd: number, destination: SocketAddress): void {
  // Not the descriptor itself: the event loop knows each by one watcher, and the socket may close it under this one.
  const watched = libc().dup(fd);
  if (watched < 0) {
    socket.destroy(new SyscallError('dup', -watched));
    return;
  }
  const watch = libc().watch(watched, () => {
    if (completeConnect(socket, fd, destination)) stop();
  });
  const stop = (): void => {
    socket.off('close', stop);
    watch.close();
    libc().close(watched);
  };
  socket.once('close', stop);
  watch.want(false, true);
}

function configureListener(fd: number, ip: IpAddress, wildcard: boolean, options: ListenOptions): void {
  const binding = libc();
  const family = ipFamily(ip);
  if (family === 6) setOption(fd, SOL_IPV6, IPV6_V6ONLY, wildcard ? 0 : 1);
  setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  // Accepted sockets inherit it, which costs nothing.
  setOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  if (options.reusePort === true) setOption(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  if (options.mark !== undefined) setOption(fd, SOL_SOCKET, SO_MARK, options.mark);
  const transparent = options.transparent ?? 'off';
  if (transparent !== 'off') {
    const result = trySetOption(
      fd,
      family === 6 ? SOL_IPV6 : SOL_IP,
      family === 6 ? IPV6_TRANSPARENT : IP_TRANSPARENT,
      1,
    );
    if (transparent === 'required') checked('setsockopt', result);
  }
  const bound = binding.bind(fd, address, writeSockaddr(address, ip, options.port));
  if (bound < 0) throw new SyscallError('bind', -bound, { ip, port: options.port });
  checked('listen', binding.listen(fd, options.backlog ?? LISTEN_BACKLOG_DEFAULT));
}

function openOutboundSocket(netns: NetnsHandle, options: DialOptions): number {
  const family = ipFamily(options.destination.ip);
  // Only the creation decides which namespace a socket belongs to.
  const fd = takeTcpSocket(netns, family);
  return closeUnlessDone(fd, () => {
    setOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (options.mark !== undefined) setOption(fd, SOL_SOCKET, SO_MARK, options.mark);
    if (options.source !== undefined) bindTransparently(fd, family, options.source.ip, options.source.port ?? 0);
  });
}

/** IP_TRANSPARENT implies IP_FREEBIND: the address need not exist. */
function bindTransparently(fd: number, family: 4 | 6, ip: IpAddress, port: number): void {
  if (family === 6) {
    setOption(fd, SOL_IPV6, IPV6_TRANSPARENT, 1);
  } else {
    setOption(fd, SOL_IP, IP_TRANSPARENT, 1);
  }
  if (port === 0) setOption(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1);
  else setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  const bound = libc().bind(fd, address, writeSockaddr(address, ip, port));
  if (bound < 0) throw new SyscallError('bind', -bound, { ip, port });
}

function setOption(fd: number, level: number, option: number, value: number): void {
  checked('setsockopt', trySetOption(fd, level, option, value));
}

function trySetOption(fd: number, level: number, option: number, value: number): number {
  number.writeUInt32LE(value, 0);
  return libc().setsockopt(fd, level, option, number, 4);
}

function closeUnlessDone(fd: number, work: () => void): number {
  try {
    work();
    return fd;
  } catch (error) {
    libc().close(fd);
    throw error;
  }
}
