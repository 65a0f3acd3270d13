import { arch } from 'node:os';
import { memoryAddress } from './memory-address.ts';
import { checked, libc, MSG_DONTWAIT, type Watch } from './syscalls.ts';

// From the kernel's eventpoll.h.
const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLLIN = 0x1;
const EPOLLPRI = 0x2;
const EPOLLERR = 0x8;
const EPOLLHUP = 0x10;
const EPOLLRDHUP = 0x2000;
const EPOLLET: number = 1 << 31;
const WANTED: number = EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLET;
/** With these one read does not show all: it stops at an urgent byte, and before a FIN or an error that is told of only now. */
const MORE: number = EPOLLPRI | EPOLLERR | EPOLLHUP | EPOLLRDHUP;
/** Told of at a time; what is beyond comes in the next turn of the event loop. */
const EVENTS_MAX = 256;

// struct epoll_event: events, then what we say of the socket; without a gap between them on x86-64 only.
const isPacked: boolean = arch() === 'x64';
const EVENT_BYTES: number = isPacked ? 12 : 16;
const SLOT_AT: number = isPacked ? 4 : 8;

/** Hears what can be read. */
export interface ReadyListener {
  /** Something has arrived at the socket `slot`, it has ended or failed. `isMore`: a read that does not fill its memory may not be the last. */
  onReady(slot: number, isMore: boolean): void;
  /** That was all for now, `count` of them. */
  onReadyEnd(count: number): void;
}

/**
 * Sockets of this thread whose reads are waited for together: each is told of once when something arrives, also if nobody reads it (epoll,
 * edge-triggered). Closing a descriptor takes it out.
 */
export class ReadySockets implements Disposable {
  readonly #calls = libc();
  readonly #fd: number;
  readonly #listener: ReadyListener;
  readonly #watch: Watch;
  readonly #memory = Buffer.allocUnsafeSlow(EVENTS_MAX * EVENT_BYTES);
  readonly #event = Buffer.alloc(EVENT_BYTES);

  constructor(listener: ReadyListener) {
    this.#listener = listener;
    this.#event.writeInt32LE(WANTED, 0);
    this.#fd = checked('epoll_create1', this.#calls.epollCreate(EPOLL_CLOEXEC));
    this.#watch = this.#calls.watch(this.#fd, () => this.#take());
  }

  /** 0, or a negated errno. */
  add(fd: number, slot: number): number {
    this.#event.writeInt32LE(slot, SLOT_AT);
    return this.#calls.epollControl(this.#fd, EPOLL_CTL_ADD, fd, this.#event);
  }

  remove(fd: number): void {
    this.#calls.epollControl(this.#fd, EPOLL_CTL_DEL, fd, this.#event);
  }

  /** Bytes read into `memory` without waiting, 0 at the end, or a negated errno. */
  recv(fd: number, memory: Uint8Array): number {
    return this.#calls.recvAt(fd, memoryAddress(memory), memory.length, MSG_DONTWAIT);
  }

  /** Whether the event loop waits for what is told. */
  want(isWanted: boolean): void {
    this.#watch.want(isWanted, false);
  }

  [Symbol.dispose](): void {
    this.#watch.close();
    this.#calls.close(this.#fd);
  }

  #take(): void {
    const count = this.#calls.epollWait(this.#fd, this.#memory, EVENTS_MAX, 0);
    for (let at = 0; at < count * EVENT_BYTES; at += EVENT_BYTES) {
      const isMore = (this.#memory.readInt32LE(at) & MORE) !== 0;
      this.#listener.onReady(this.#memory.readInt32LE(at + SLOT_AT), isMore);
    }
    if (count > 0) this.#listener.onReadyEnd(count);
  }
}
