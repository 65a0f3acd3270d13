import { type NetnsHandle, runInNetns } from '../linux/netns.ts';
import { SOCKADDR_BYTES_MAX, writeSockaddr } from '../linux/socket-address.ts';
import { AF_INET, AF_INET6, checked, libc, SOCK_CLOEXEC, SOCK_NONBLOCK } from '../linux/syscalls.ts';
import { ipFamily, parseSocketAddress, type SocketAddress } from '../model/address.ts';

const SOCK_DGRAM = 2;
const EPERM = 1;
const ANY = parseSocketAddress('0.0.0.0:1');
/** Protocols by family. */
const PROTOCOLS = { udp: { 4: 17, 6: 17 }, icmp: { 4: 1, 6: 58 } } as const;

/**
 * A datagram socket made inside a network namespace, which those of `node:dgram` cannot be: they are bound on a later turn. `icmp` sends
 * echo requests; the namespace has to allow that (`net.ipv4.ping_group_range`).
 */
export class TestDatagram implements Disposable {
  readonly #fd: number;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  static open(
    netns: NetnsHandle,
    protocol: keyof typeof PROTOCOLS,
    ends: { readonly from?: SocketAddress; readonly to?: SocketAddress },
  ): TestDatagram {
    const { from, to } = ends;
    const family = ipFamily((from ?? to ?? ANY).ip);
    const type = SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    const address = new Uint8Array(SOCKADDR_BYTES_MAX);
    return runInNetns(netns, () => {
      const fd = libc().socket(family === 4 ? AF_INET : AF_INET6, type, PROTOCOLS[protocol][family]);
      const socket = new TestDatagram(checked('socket', fd));
      if (from !== undefined) checked('bind', libc().bind(fd, address, writeSockaddr(address, from.ip, from.port)));
      if (to !== undefined) checked('connect', libc().connect(fd, address, writeSockaddr(address, to.ip, to.port)));
      return socket;
    });
  }

  /** Whether the kernel let it go. */
  send(bytes: Uint8Array): 'sent' | 'refused' {
    const sent = libc().send(this.#fd, bytes, bytes.length, 0);
    if (sent === -EPERM) return 'refused';
    checked('send', sent);
    return 'sent';
  }

  /** Whether something has arrived; takes it. */
  hasArrived(): boolean {
    return libc().recv(this.#fd, new Uint8Array(64), 64, 0) > 0;
  }

  [Symbol.dispose](): void {
    libc().close(this.#fd);
  }
}
