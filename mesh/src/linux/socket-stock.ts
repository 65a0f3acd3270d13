import { systemClock } from '../runtime/clock.ts';
import { type NetnsHandle, runInNetns } from './netns.ts';
import { AF_INET, AF_INET6, checked, libc, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM } from './syscalls.ts';

// Entering a namespace and leaving it costs as much as making a socket: under load several are made at a time.
const BATCH_MAX = 16;
/** A refill this soon after the last one means load. */
const LOAD_INTERVAL_MS = 50;
/** When load is over what is left in stock is closed, within twice this. */
const IDLE_MS = 500;

/** Unused TCP sockets of one namespace and family, ready to be dialled from. At most `BATCH_MAX` of them. */
class SocketStock implements Disposable {
  readonly #netns: NetnsHandle;
  readonly #family: number;
  readonly #fds: number[] = [];
  #batch = 1;
  #refilledAtMs: number = Number.NEGATIVE_INFINITY;
  #idleTimer: Disposable | null = null;

  constructor(netns: NetnsHandle, family: number) {
    this.#netns = netns;
    this.#family = family;
  }

  /** A descriptor that belongs to the caller. @throws SyscallError. */
  take(): number {
    return this.#fds.pop() ?? this.#refill();
  }

  [Symbol.dispose](): void {
    this.#idleTimer?.[Symbol.dispose]();
    this.#idleTimer = null;
    for (const fd of this.#fds.splice(0)) libc().close(fd);
  }

  #watchForIdleness(): void {
    this.#idleTimer = systemClock.setTimer(IDLE_MS, () => {
      if (systemClock.monotonic() - this.#refilledAtMs < IDLE_MS) this.#watchForIdleness();
      else this[Symbol.dispose]();
    });
  }

  #refill(): number {
    const nowMs = systemClock.monotonic();
    this.#batch = nowMs - this.#refilledAtMs < LOAD_INTERVAL_MS ? Math.min(BATCH_MAX, this.#batch * 2) : 1;
    this.#refilledAtMs = nowMs;
    if (this.#batch > 1 && this.#idleTimer === null) this.#watchForIdleness();
    return runInNetns(this.#netns, () => {
      const first = checked('socket', this.#open());
      for (let i = 1; i < this.#batch; i++) {
        const fd = this.#open();
        // Short of descriptors: who needs the next one will hear of it.
        if (fd < 0) break;
        this.#fds.push(fd);
      }
      return first;
    });
  }

  #open(): number {
    return libc().socket(this.#family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  }
}

interface Stocks extends Disposable {
  readonly ipv4: SocketStock;
  readonly ipv6: SocketStock;
}

// Per thread; the handle closes what is in stock when it is disposed.
const stocks = new WeakMap<NetnsHandle, Stocks>();

/** A new, non-blocking TCP socket of `netns`, which belongs to the caller. @throws SyscallError. */
export function takeTcpSocket(netns: NetnsHandle, family: 4 | 6): number {
  const found = stocks.get(netns) ?? openStocks(netns);
  return family === 6 ? found.ipv6.take() : found.ipv4.take();
}

function openStocks(netns: NetnsHandle): Stocks {
  const ipv4 = new SocketStock(netns, AF_INET);
  const ipv6 = new SocketStock(netns, AF_INET6);
  const opened: Stocks = {
    ipv4,
    ipv6,
    [Symbol.dispose](): void {
      ipv4[Symbol.dispose]();
      ipv6[Symbol.dispose]();
    },
  };
  stocks.set(netns, opened);
  netns.own(opened);
  return opened;
}
