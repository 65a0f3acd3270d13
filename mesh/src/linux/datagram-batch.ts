import type { DatagramListener } from './datagram-socket.ts';
import { SOCKADDR_BYTES_MAX } from './socket-address.ts';
import { EAGAIN, libc, MSG_DONTWAIT, MSG_NOSIGNAL } from './syscalls.ts';

/** Datagrams read or sent by one system call. */
export const DATAGRAMS_PER_BATCH_MAX = 32;

// struct mmsghdr of 64-bit Linux: a msghdr (address and its length, vectors and their number, control data, flags), then
// the length of the datagram.
const MMSGHDR_BYTES = 64;
const NAME_LENGTH_AT = 8;
const LENGTH_AT = 56;
const IOVEC_BYTES = 16;

/**
 * Buffers to read datagrams with, many at a time, and to answer them: shared by all sockets of a thread, since reading, deciding
 * and answering happen in one turn of the event loop. What `datagram` gives holds until the next `receive`.
 */
export class DatagramBatch {
  readonly #datagramBytesMax: number;
  readonly #received: MessageArray;
  readonly #replies: MessageArray;
  #replyCount = 0;

  /** Datagrams longer than `datagramBytesMax` are cut to it, and replies must not be longer. */
  constructor(datagramBytesMax: number) {
    this.#datagramBytesMax = datagramBytesMax;
    this.#received = new MessageArray(datagramBytesMax);
    this.#replies = new MessageArray(datagramBytesMax);
  }

  /** Reads what waits there: how many, 0 when nothing does. A failure reads as nothing: the next call meets it again. */
  receive({ fd }: DatagramListener): number {
    const { headers, bytes } = this.#received;
    for (let i = 0; i < DATAGRAMS_PER_BATCH_MAX; i++) {
      headers.writeUInt32LE(SOCKADDR_BYTES_MAX, i * MMSGHDR_BYTES + NAME_LENGTH_AT);
    }
    const count = libc().recvmmsg(fd, headers, DATAGRAMS_PER_BATCH_MAX, MSG_DONTWAIT);
    for (let i = 0; i < count; i++) {
      const length = headers.readUInt32LE(i * MMSGHDR_BYTES + LENGTH_AT);
      this.#received.lengths[i] = Math.min(length, bytes);
    }
    return Math.max(0, count);
  }

  datagram(index: number): Buffer {
    return this.#received.payload(index, this.#received.lengths[index] ?? 0);
  }

  /** Who sent it, for `sendDatagram`. */
  sender(index: number): Buffer {
    const length = this.#received.headers.readUInt32LE(index * MMSGHDR_BYTES + NAME_LENGTH_AT);
    return Buffer.from(this.#received.names.subarray(index * SOCKADDR_BYTES_MAX, index * SOCKADDR_BYTES_MAX + length));
  }

  /** Room for the reply to a received datagram; write it, then call `reply`. Holds until the next `flush`. */
  replyBuffer(): Buffer {
    return this.#replies.payload(this.#replyCount, this.#datagramBytesMax);
  }

  /** Puts what was written to `replyBuffer` among the replies, to whoever sent datagram `index`. At most one each. */
  reply(index: number, length: number): void {
    const { headers, vectors, names } = this.#replies;
    const at = this.#replyCount++;
    const from = index * SOCKADDR_BYTES_MAX;
    names.set(this.#received.names.subarray(from, from + SOCKADDR_BYTES_MAX), at * SOCKADDR_BYTES_MAX);
    const nameLength = this.#received.headers.readUInt32LE(index * MMSGHDR_BYTES + NAME_LENGTH_AT);
    headers.writeUInt32LE(nameLength, at * MMSGHDR_BYTES + NAME_LENGTH_AT);
    vectors.writeUInt32LE(length, at * IOVEC_BYTES + 8);
  }

  /** Sends the replies. What the kernel does not take is lost, as datagrams are; those behind it are not. */
  flush({ fd }: DatagramListener): void {
    const { headers } = this.#replies;
    const count = this.#replyCount;
    this.#replyCount = 0;
    for (let at = 0; at < count; ) {
      const rest = headers.subarray(at * MMSGHDR_BYTES);
      const sent = libc().sendmmsg(fd, rest, count - at, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent === -EAGAIN) return;
      // The kernel stops at the first that it does not take, and says why when that is the first of all.
      at += sent > 0 ? sent : 1;
    }
  }
}

/** Sends one datagram from a bound socket to whom `DatagramBatch.sender` named. What the kernel does not take is lost. */
export function sendDatagram({ fd }: DatagramListener, datagram: Uint8Array, to: Uint8Array): void {
  libc().sendto(fd, datagram, datagram.length, MSG_DONTWAIT | MSG_NOSIGNAL, to, to.length);
}

/** Memory of a batch, wired to each other once. */
class MessageArray {
  readonly bytes: number;
  readonly headers: Buffer = Buffer.alloc(DATAGRAMS_PER_BATCH_MAX * MMSGHDR_BYTES);
  readonly vectors: Buffer = Buffer.alloc(DATAGRAMS_PER_BATCH_MAX * IOVEC_BYTES);
  readonly names: Buffer = Buffer.alloc(DATAGRAMS_PER_BATCH_MAX * SOCKADDR_BYTES_MAX);
  readonly lengths: number[] = Array.from({ length: DATAGRAMS_PER_BATCH_MAX }, () => 0);
  readonly #payloads: Buffer;

  constructor(bytes: number) {
    this.bytes = bytes;
    this.#payloads = Buffer.alloc(DATAGRAMS_PER_BATCH_MAX * bytes);
    const { addressOf } = libc();
    const [names, vectors, payloads] = [addressOf(this.names), addressOf(this.vectors), addressOf(this.#payloads)];
    for (let i = 0; i < DATAGRAMS_PER_BATCH_MAX; i++) {
      const header = i * MMSGHDR_BYTES;
      this.headers.writeBigUInt64LE(names + BigInt(i * SOCKADDR_BYTES_MAX), header);
      this.headers.writeUInt32LE(SOCKADDR_BYTES_MAX, header + NAME_LENGTH_AT);
      this.headers.writeBigUInt64LE(vectors + BigInt(i * IOVEC_BYTES), header + 16);
      this.headers.writeBigUInt64LE(1n, header + 24);
      this.vectors.writeBigUInt64LE(payloads + BigInt(i * bytes), i * IOVEC_BYTES);
      this.vectors.writeBigUInt64LE(BigInt(bytes), i * IOVEC_BYTES + 8);
    }
  }

  payload(index: number, length: number): Buffer {
    return this.#payloads.subarray(index * this.bytes, index * this.bytes + length);
  }
}
