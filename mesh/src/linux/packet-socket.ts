import { closeSync, readFileSync } from 'node:fs';
import {
  AF_PACKET,
  checked,
  EAGAIN,
  libc,
  MSG_TRUNC,
  SO_RCVBUFFORCE,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_RAW,
  SOL_SOCKET,
  type Watch,
} from './syscalls.ts';

const ETH_P_ALL = 3;
const SOCKADDR_LL_BYTES = 20;
/** A frame is at most one GSO segment: 64 KiB and its headers. */
const FRAME_BYTES_MAX = (64 << 10) + 256;
const RECEIVE_BUFFER_BYTES = 64 << 20;
/** Frames read per turn of the event loop, so that a busy link does not starve everything else. */
const FRAMES_PER_TURN = 256;

export interface PacketCapture extends Disposable {
  /** Reads what has arrived and was not delivered yet; call it before looking at what a finished exchange left. */
  drain(): void;
}

/**
 * Delivers every Ethernet frame that crosses `interfaceName` of the calling thread's network namespace, both
 * directions, from now on. `frame` is valid during the call only. Needs CAP_NET_RAW. @throws SyscallError, or a Node
 * file system error when there is no such interface.
 */
export function capturePackets(interfaceName: string, onFrame: (frame: Buffer) => void): PacketCapture {
  const binding = libc();
  // /proc/thread-self/net is the namespace of the calling thread; sysfs may still show another one.
  const index = interfaceIndex(interfaceName, readFileSync('/proc/thread-self/net/igmp', 'latin1'));
  const protocol = (ETH_P_ALL << 8) & 0xffff;
  const fd = checked('socket', binding.socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  let watch: Watch;
  try {
    const size = Buffer.alloc(4);
    size.writeInt32LE(RECEIVE_BUFFER_BYTES);
    // Best effort: a user namespace may not go above the system's limit; frames lost show as missing bytes in a test.
    binding.setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, size, size.length);
    const address = Buffer.alloc(SOCKADDR_LL_BYTES);
    address.writeUInt16LE(AF_PACKET, 0);
    address.writeUInt16LE(protocol, 2);
    address.writeInt32LE(index, 4);
    checked('bind', binding.bind(fd, address, address.length));
    const buffer = Buffer.allocUnsafeSlow(FRAME_BYTES_MAX);
    const drain = (framesMax: number): void => {
      for (let i = 0; i < framesMax; i++) {
        const n = binding.recv(fd, buffer, buffer.length, MSG_TRUNC);
        if (n === -EAGAIN) return;
        onFrame(buffer.subarray(0, Math.min(checked('recv', n), buffer.length)));
      }
    };
    watch = binding.watch(fd, () => drain(FRAMES_PER_TURN));
    watch.want(true, false);
    return {
      drain: () => drain(Number.POSITIVE_INFINITY),
      [Symbol.dispose]() {
        watch.close();
        closeSync(fd);
      },
    };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** /proc/net/igmp lists every interface with its index, also those without addresses: `2\teth0      :     1      V3`. */
function interfaceIndex(name: string, igmp: string): number {
  for (const line of igmp.split('\n')) {
    const [, index, found] = /^(\d+)\s+(\S+?)\s*:/.exec(line) ?? [];
    if (found === name && index !== undefined) return Number(index);
  }
  throw new Error(`no interface ${JSON.stringify(name)} in this network namespace`);
}
