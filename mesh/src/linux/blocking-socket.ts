import { ipFamily, type SocketAddress } from '../model/address.ts';
import { SyscallError } from './errors.ts';
import { memoryAddress } from './memory-address.ts';
import { SOCKADDR_BYTES_MAX, writeSockaddr } from './socket-address.ts';
import {
  AF_INET,
  AF_INET6,
  checked,
  EINTR,
  EISCONN,
  IPPROTO_TCP,
  libc,
  MSG_NOSIGNAL,
  SO_RCVTIMEO,
  SO_SNDTIMEO,
  SOCK_CLOEXEC,
  SOCK_STREAM,
  SOL_SOCKET,
  TCP_NODELAY,
} from './syscalls.ts';

/** struct timeval: seconds and microseconds, 64 bits each. */
const TIMEVAL_BYTES = 16;
const MICROSECONDS_AT = 8;

export interface BlockingSocketOptions {
  /** How long a call waits before it fails. Above 0, since 0 is without end to the kernel. */
  readonly timeoutMs: number;
}

/**
 * A TCP connection whose calls hold up the whole thread until they are done. For programs that do nothing meanwhile and measure it: nothing
 * stands between them and the kernel. Small writes are not delayed. A signal or a stop of the process begins the wait anew. Belongs to whoever
 * connected it.
 */
export class BlockingSocket implements Disposable {
  readonly #calls = libc();
  /** -1 once it is disposed: its number may be somebody else's by then. */
  #fd: number;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** One that is not connected: of use only to whoever wants the kernel to make a socket. @throws SyscallError. */
  static unconnected(family: 4 | 6 = 4): BlockingSocket {
    const domain = family === 6 ? AF_INET6 : AF_INET;
    return new BlockingSocket(checked('socket', libc().socket(domain, SOCK_STREAM | SOCK_CLOEXEC, 0)));
  }

  /** @throws SyscallError: for example with errno ECONNREFUSED, or EINPROGRESS when it took too long. */
  static connect(destination: SocketAddress, options: BlockingSocketOptions): BlockingSocket {
    const { ip, port } = destination;
    const socket = BlockingSocket.unconnected(ipFamily(ip));
    const fd = socket.#fd;
    try {
      setOption(fd, IPPROTO_TCP, TCP_NODELAY, int32(1));
      for (const side of [SO_RCVTIMEO, SO_SNDTIMEO]) setOption(fd, SOL_SOCKET, side, timeval(options.timeoutMs));
      const address = Buffer.allocUnsafeSlow(SOCKADDR_BYTES_MAX);
      const length = writeSockaddr(address, ip, port);
      let connected: number;
      // Asked again after a signal, the kernel goes on waiting for the same connection, or says that it stands.
      do connected = libc().connect(fd, address, length);
      while (connected === -EINTR);
      if (connected < 0 && connected !== -EISCONN) throw new SyscallError('connect', -connected, { ip, port });
      return socket;
    } catch (error) {
      socket[Symbol.dispose]();
      throw error;
    }
  }

  /** Returns once the kernel has all of it. @throws SyscallError, with errno EAGAIN when that took too long. */
  send(bytes: Uint8Array): void {
    for (let sent = 0; sent < bytes.length; ) {
      const left = bytes.length - sent;
      const result = this.#calls.sendAt(this.#fd, memoryAddress(bytes) + sent, left, MSG_NOSIGNAL);
      if (result !== -EINTR) sent += checked('send', result);
    }
  }

  /**
   * Waits for something to arrive and puts it into `memory` from `start`, which lies before its end. Returns how many bytes, 0 once the
   * other side has ended. @throws SyscallError, with errno EAGAIN when nothing came for too long.
   */
  recv(memory: Uint8Array, start: number): number {
    let result: number;
    do result = this.#calls.recvAt(this.#fd, memoryAddress(memory) + start, memory.length - start, 0);
    while (result === -EINTR);
    return checked('recv', result);
  }

  [Symbol.dispose](): void {
    if (this.#fd >= 0) this.#calls.close(this.#fd);
    this.#fd = -1;
  }
}

function setOption(fd: number, level: number, option: number, value: Uint8Array): void {
  checked('setsockopt', libc().setsockopt(fd, level, option, value, value.length));
}

function int32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

function timeval(ms: number): Uint8Array {
  const bytes = Buffer.alloc(TIMEVAL_BYTES);
  bytes.writeUInt32LE(Math.floor(ms / 1000));
  bytes.writeUInt32LE((ms % 1000) * 1000, MICROSECONDS_AT);
  return bytes;
}
