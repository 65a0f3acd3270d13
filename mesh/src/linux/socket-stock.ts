import { type NetnsHandle, runInNetns } from './netns.ts';
import { AF_INET, AF_INET6, checked, libc, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM } from './syscalls.ts';

// Entering a namespace and leaving it costs as much as making a socket: under load several are made at a time.
const BATCH_MAX = 16;
/** A refill this soon after the last one means load. */
const LOAD_INTERVAL_MS = 50;

/** Unused TCP sockets of one namespace and family, ready to be dialled from. At most `BATCH_MAX` of them. */
class SocketStock implements Disposable {
  readonly #netns: NetnsHandle;
  readonly #family: number;
  readonly #fds: number[] = [];
  #batch = 1;
  #refilledAtMs: number = Number.NEGATIVE_INFINITY;

  constructor(netns: NetnsHandle, family: number) {
    this.#netns = netns;
    this.#family = family;
  }

  /** A descriptor that belongs to the caller. @throws SyscallError. */
  take(): number {
    return this.#fds.pop() ?? this.#refill();
  }

  [Symbol.dispose](): void {
    for (const fd of this.#fds.splice(0)) libc().close(fd);
  }

  #refill(): number {
    const nowMs = performance.now();
    this.#batch = nowMs - this.#refilledAtMs < LOAD_INTERVAL_MS ? Math.min(BATCH_MAX, this.#batch * 2) : 1;
    this.#refilledAtMs = nowMs;
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
