import { closeSync } from 'node:fs';
import { LinuxError, SyscallError } from './errors.ts';
import {
  EAGAIN,
  EINTR,
  libc,
  MSG_CMSG_CLOEXEC,
  MSG_CTRUNC,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  MSG_TRUNC,
  SCM_RIGHTS,
  SOL_SOCKET,
} from './syscalls.ts';

/** Largest message of a descriptor channel: the limit of the CNI to node agent protocol. */
export const MESSAGE_BYTES_MAX = 1024;

/** A descriptor with one owner: it is closed when disposed, unless `release` handed it on. */
export class OwnedDescriptor implements Disposable {
  #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** The descriptor, still owned here; -1 once released or closed. */
  get fd(): number {
    return this.#fd;
  }

  /** Hands the descriptor to the caller, who closes it. */
  release(): number {
    const fd = this.#fd;
    this.#fd = -1;
    return fd;
  }

  [Symbol.dispose](): void {
    const fd = this.release();
    if (fd >= 0) closeSync(fd);
  }
}

export interface DescriptorMessage {
  readonly data: Buffer;
  /** Belongs to the receiver: dispose or release it. */
  readonly descriptor: OwnedDescriptor | null;
}

// struct msghdr, iovec and cmsghdr of 64-bit Linux.
const MSGHDR_BYTES = 56;
const MSGHDR_CONTROL_LENGTH_AT = 40;
const MSGHDR_FLAGS_AT = 48;
const CMSGHDR_BYTES = 16;
// Room for more descriptors than are allowed: those of a peer that breaks the rule are seen, and closed.
const CONTROL_BYTES = CMSGHDR_BYTES + 4 * 8;

/** Buffers of one channel, wired to each other once. */
export class MessageBuffers {
  readonly #header: Buffer = Buffer.alloc(MSGHDR_BYTES);
  readonly #vector: Buffer = Buffer.alloc(16);
  readonly #control: Buffer = Buffer.alloc(CONTROL_BYTES);
  readonly #payload: Buffer = Buffer.alloc(MESSAGE_BYTES_MAX);

  constructor() {
    const { addressOf } = libc();
    this.#vector.writeBigUInt64LE(addressOf(this.#payload), 0);
    this.#header.writeBigUInt64LE(addressOf(this.#vector), 16);
    this.#header.writeBigUInt64LE(1n, 24);
    this.#header.writeBigUInt64LE(addressOf(this.#control), 32);
  }

  /**
   * One message of a non-blocking sequenced-packet socket; null when none is there yet; `end` when the peer closed. No
   * descriptor survives a failure. @throws SyscallError | LinuxError `message-truncated` | `too-many-descriptors`.
   */
  receive(fd: number): DescriptorMessage | 'end' | null {
    this.#vector.writeBigUInt64LE(BigInt(MESSAGE_BYTES_MAX), 8);
    this.#header.writeBigUInt64LE(BigInt(CONTROL_BYTES), MSGHDR_CONTROL_LENGTH_AT);
    this.#header.writeInt32LE(0, MSGHDR_FLAGS_AT);
    const received = libc().recvmsg(fd, this.#header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (received === -EAGAIN || received === -EINTR) return null;
    if (received < 0) throw new SyscallError('recvmsg', -received);
    // Owned before anything else is looked at.
    using descriptors = new DisposableStack();
    const owned = this.#receivedDescriptors().map((number) => descriptors.use(new OwnedDescriptor(number)));
    const flags = this.#header.readInt32LE(MSGHDR_FLAGS_AT);
    if ((flags & MSG_TRUNC) !== 0)
      throw new LinuxError('message-truncated', { data: { limitBytes: MESSAGE_BYTES_MAX } });
    if (owned.length > 1 || (flags & MSG_CTRUNC) !== 0) {
      throw new LinuxError('too-many-descriptors', { data: { count: owned.length } });
    }
    if (received === 0) return 'end';
    const passed = owned[0];
    const descriptor = passed === undefined ? null : new OwnedDescriptor(passed.release());
    return { data: Buffer.from(this.#payload.subarray(0, received)), descriptor };
  }

  /** False when the socket's buffer is full. `descriptor` stays the caller's. @throws SyscallError | LinuxError. */
  send(fd: number, data: Uint8Array, descriptor: number | null): boolean {
    if (data.length > MESSAGE_BYTES_MAX || data.length === 0) {
      throw new LinuxError('message-too-large', { data: { sizeBytes: data.length, limitBytes: MESSAGE_BYTES_MAX } });
    }
    this.#payload.set(data);
    this.#vector.writeBigUInt64LE(BigInt(data.length), 8);
    const controlBytes = descriptor === null ? 0 : this.#writeControl(descriptor);
    this.#header.writeBigUInt64LE(BigInt(controlBytes), MSGHDR_CONTROL_LENGTH_AT);
    const sent = libc().sendmsg(fd, this.#header, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent === -EAGAIN || sent === -EINTR) return false;
    if (sent < 0) throw new SyscallError('sendmsg', -sent);
    return true;
  }

  #writeControl(descriptor: number): number {
    this.#control.writeBigUInt64LE(BigInt(CMSGHDR_BYTES + 4), 0);
    this.#control.writeInt32LE(SOL_SOCKET, 8);
    this.#control.writeInt32LE(SCM_RIGHTS, 12);
    this.#control.writeInt32LE(descriptor, CMSGHDR_BYTES);
    // CMSG_SPACE: the length with its padding to eight bytes.
    return CMSGHDR_BYTES + 8;
  }

  #receivedDescriptors(): number[] {
    const end = Number(this.#header.readBigUInt64LE(MSGHDR_CONTROL_LENGTH_AT));
    const found: number[] = [];
    let at = 0;
    while (at + CMSGHDR_BYTES <= end) {
      const length = Number(this.#control.readBigUInt64LE(at));
      if (length < CMSGHDR_BYTES || at + length > end) break;
      const isRights =
        this.#control.readInt32LE(at + 8) === SOL_SOCKET && this.#control.readInt32LE(at + 12) === SCM_RIGHTS;
      for (let i = at + CMSGHDR_BYTES; isRights && i + 4 <= at + length; i += 4)
        found.push(this.#control.readInt32LE(i));
      at += (length + 7) & ~7;
    }
    return found;
  }
}
