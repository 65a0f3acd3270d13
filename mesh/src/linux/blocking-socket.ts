import { ipFamily, type SocketAddress } from '../model/address.ts';
import { SyscallError } from './errors.ts';
import { memoryAddress } from './memory-address.ts';
import { SOCKADDR_BYTES_MAX, writeSockaddr } from './socket-address.ts';
import {
  AF_INET,
  AF_INET6,
  checked,
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
 * stands between them and the kernel. Small writes are not delayed. Belongs to whoever connected it.
 */
export class BlockingSocket implements Disposable {
  readonly #calls = libc();
  readonly #fd: number;

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
      const connected = libc().connect(fd, address, writeSockaddr(address, ip, port));
      if (connected < 0) throw new SyscallError('connect', -connected, { ip, port });
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
      sent += checked('send', this.#calls.sendAt(this.#fd, memoryAddress(bytes) + sent, left, MSG_NOSIGNAL));
    }
  }

  /**
   * Waits for something to arrive and puts it into `memory` from `start`, which lies before its end. Returns how many bytes, 0 once the
   * other side has ended. @throws SyscallError, with errno EAGAIN when nothing came for too long.
   */
  recv(memory: Uint8Array, start: number): number {
    return checked('recv', this.#calls.recvAt(this.#fd, memoryAddress(memory) + start, memory.length - start, 0));
  }

  [Symbol.dispose](): void {
    this.#calls.close(this.#fd);
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
