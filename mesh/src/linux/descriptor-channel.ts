import { chmodSync, lstatSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { bug } from '../runtime/errors.ts';
import { type DescriptorMessage, MessageBuffers } from './descriptor-message.ts';
import { LinuxError, SyscallError } from './errors.ts';
import { descriptorOf } from './node-internals.ts';
import {
  AF_UNIX,
  checked,
  EAGAIN,
  EINTR,
  libc,
  SO_PEERCRED,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_SEQPACKET,
  SOL_SOCKET,
  type Watch,
} from './syscalls.ts';

export { type DescriptorMessage, MESSAGE_BYTES_MAX, OwnedDescriptor } from './descriptor-message.ts';

/** Who opened the other end, as the kernel recorded it when it connected (or listened). */
export interface PeerCredentials {
  readonly processId: number;
  readonly userId: number;
  readonly groupId: number;
}

// sun_path holds 108 bytes with its terminating zero.
const SOCKET_PATH_BYTES_MAX = 107;
const PENDING_CONNECTION_COUNT_MAX = 16;

/** Connects to a listener at `path`. @throws SyscallError, retryable when nobody listens there yet. */
export function connectDescriptorChannel(path: string): DescriptorChannel {
  const fd = openSocket();
  try {
    const address = unixAddress(path);
    const result = libc().connect(fd, address, address.length);
    if (result < 0) throw new SyscallError('connect', -result, { path });
    return new DescriptorChannel(fd);
  } catch (error) {
    libc().close(fd);
    throw error;
  }
}

/**
 * Listens at `path`, readable and writable by its owner only; a socket left there by an earlier process is replaced.
 * @throws SyscallError.
 */
export function listenForDescriptorChannels(path: string): DescriptorListener {
  const fd = openSocket();
  try {
    removeSocket(path);
    const address = unixAddress(path);
    const result = libc().bind(fd, address, address.length);
    if (result < 0) throw new SyscallError('bind', -result, { path });
    chmodSync(path, 0o600);
    checked('listen', libc().listen(fd, PENDING_CONNECTION_COUNT_MAX));
    return new DescriptorListener(fd, path);
  } catch (error) {
    libc().close(fd);
    throw error;
  }
}

/**
 * One connection over which whole messages of at most `MESSAGE_BYTES_MAX` bytes travel, each with at most one
 * descriptor. At most one `receive` and one `send` may be outstanding. Disposing it closes the connection and rejects
 * what is outstanding with LinuxError `channel-closed`.
 */
export class DescriptorChannel implements Disposable {
  readonly peer: PeerCredentials;
  readonly #socket: WaitingSocket;
  readonly #buffers: MessageBuffers = new MessageBuffers();

  /** Takes over `fd`, a connected non-blocking SOCK_SEQPACKET socket, unless it throws. */
  constructor(fd: number) {
    this.peer = credentialsOf(fd);
    this.#socket = new WaitingSocket(fd);
  }

  /**
   * The next message, or null once the peer has closed. @throws SyscallError when the connection broke, LinuxError
   * `message-truncated` | `too-many-descriptors` when the peer broke the limits, the signal's reason when it aborts.
   */
  async receive(signal?: AbortSignal): Promise<DescriptorMessage | null> {
    while (true) {
      const received = this.#buffers.receive(this.#socket.fd);
      if (received !== null) return received === 'end' ? null : received;
      await this.#socket.until('readable', signal);
    }
  }

  /** Resolves once the kernel has the message. `descriptor` is duplicated by the kernel and stays the caller's. */
  async send(data: Uint8Array, descriptor: number | null = null, signal?: AbortSignal): Promise<void> {
    while (!this.#buffers.send(this.#socket.fd, data, descriptor)) await this.#socket.until('writable', signal);
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }
}

/** Accepts connections at a path, which it removes when disposed unless another process took it over meanwhile. */
export class DescriptorListener implements Disposable {
  readonly #socket: WaitingSocket;
  readonly #path: string;
  readonly #inode: number;

  /** Takes over `fd`, listening at `path`. Made by `listenForDescriptorChannels`. */
  constructor(fd: number, path: string) {
    this.#inode = lstatSync(path).ino;
    this.#socket = new WaitingSocket(fd);
    this.#path = path;
  }

  /** The next connection. @throws the signal's reason when it aborts, LinuxError `channel-closed` once disposed. */
  async accept(signal?: AbortSignal): Promise<DescriptorChannel> {
    while (true) {
      const fd = libc().accept4(this.#socket.fd, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd >= 0) return adopt(fd);
      if (fd !== -EAGAIN && fd !== -EINTR) throw new SyscallError('accept4', -fd);
      await this.#socket.until('readable', signal);
    }
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
    if (lstatSync(this.#path, { throwIfNoEntry: false })?.ino === this.#inode) rmSync(this.#path, { force: true });
  }
}

type Readiness = 'readable' | 'writable';

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/** A non-blocking descriptor and whoever waits for it. Invariant: `fd` is -1 iff disposed. */
class WaitingSocket implements Disposable {
  #fd: number;
  readonly #watch: Watch;
  readonly #waiters: Map<Readiness, Waiter> = new Map();

  constructor(fd: number) {
    this.#fd = fd;
    // Readiness is a hint: whoever waits tries its system call again.
    this.#watch = libc().watch(fd, () => this.#wakeAll());
  }

  get fd(): number {
    if (this.#fd < 0) throw new LinuxError('channel-closed');
    return this.#fd;
  }

  until(readiness: Readiness, signal: AbortSignal | undefined): Promise<void> {
    if (this.#waiters.has(readiness)) bug(`two callers wait until a descriptor channel is ${readiness}`);
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason);
        return;
      }
      const onAbort = (): void => {
        this.#waiters.delete(readiness);
        this.#updateWatch();
        reject(signal?.reason);
      };
      const settle = (done: () => void): void => {
        signal?.removeEventListener('abort', onAbort);
        done();
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiters.set(readiness, {
        resolve: () => settle(resolve),
        reject: (reason) => settle(() => reject(reason)),
      });
      this.#updateWatch();
    });
  }

  [Symbol.dispose](): void {
    if (this.#fd < 0) return;
    const fd = this.#fd;
    this.#fd = -1;
    this.#watch.close();
    libc().close(fd);
    for (const waiter of this.#takeWaiters()) waiter.reject(new LinuxError('channel-closed'));
  }

  #wakeAll(): void {
    const waiters = this.#takeWaiters();
    if (this.#fd >= 0) this.#updateWatch();
    for (const waiter of waiters) waiter.resolve();
  }

  #takeWaiters(): Waiter[] {
    const waiters = [...this.#waiters.values()];
    this.#waiters.clear();
    return waiters;
  }

  #updateWatch(): void {
    if (this.#fd >= 0) this.#watch.want(this.#waiters.has('readable'), this.#waiters.has('writable'));
  }
}

function adopt(fd: number): DescriptorChannel {
  try {
    return new DescriptorChannel(fd);
  } catch (error) {
    libc().close(fd);
    throw error;
  }
}

function openSocket(): number {
  return checked('socket', libc().socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

function unixAddress(path: string): Buffer {
  const bytes = Buffer.from(path);
  if (bytes.length === 0 || bytes.length > SOCKET_PATH_BYTES_MAX) {
    throw new LinuxError('syscall-failed', { data: { syscall: 'bind', errno: 'ENAMETOOLONG', path } });
  }
  const address = Buffer.alloc(2 + bytes.length + 1);
  address.writeUInt16LE(AF_UNIX, 0);
  address.set(bytes, 2);
  return address;
}

/** Who opened the other end of a Unix socket of Node's. @throws SyscallError, also once the socket is closed. */
export function readPeerCredentials(socket: Socket): PeerCredentials {
  return credentialsOf(descriptorOf(socket));
}

function credentialsOf(fd: number): PeerCredentials {
  const credentials = Buffer.alloc(12);
  checked('getsockopt', libc().getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials, new Uint32Array([12])));
  return {
    processId: credentials.readInt32LE(0),
    userId: credentials.readUInt32LE(4),
    groupId: credentials.readUInt32LE(8),
  };
}

function removeSocket(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() === true) rmSync(path, { force: true });
}
