import {
  type IpAddress,
  ipAddressFromBytes,
  ipAddressToBytes,
  parsePort,
  type SocketAddress,
} from '../model/address.ts';
import { AF_INET, AF_INET6 } from './syscalls.ts';

/** Room for the largest address used here, sockaddr_in6, rounded up. */
export const SOCKADDR_BYTES_MAX = 32;

const SOCKADDR_IN_BYTES = 16;
const SOCKADDR_IN6_BYTES = 28;

// Peers and destinations repeat: text of recent IPv4 addresses by their number. Emptied when full.
const RECENT_ADDRESS_COUNT_MAX = 4096;
const recentAddresses = new Map<number, IpAddress>();

/** Writes a sockaddr into `out` and returns its length. Port 0 leaves the choice to the kernel. */
export function writeSockaddr(out: Uint8Array, ip: IpAddress, port: number): number {
  const family = ip.includes(':') ? AF_INET6 : AF_INET;
  out[0] = family;
  out[1] = 0;
  out[2] = port >> 8;
  out[3] = port & 0xff;
  if (family === AF_INET) {
    writeDottedQuad(out, 4, ip);
    out.fill(0, 8, SOCKADDR_IN_BYTES);
    return SOCKADDR_IN_BYTES;
  }
  out.fill(0, 4, SOCKADDR_IN6_BYTES);
  out.set(ipAddressToBytes(ip), 8);
  return SOCKADDR_IN6_BYTES;
}

/** Reads a sockaddr of IPv4 or IPv6 (mapped addresses unwrapped), or null when it is of another family or has no port. */
export function readSockaddr(bytes: Uint8Array): SocketAddress | null {
  const family = (bytes[0] ?? 0) | ((bytes[1] ?? 0) << 8);
  const port = ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0);
  if (port === 0) return null;
  if (family === AF_INET) return { ip: dottedQuad(bytes, 4), port: parsePort(port) };
  if (family !== AF_INET6) return null;
  const mapped = bytes[18] === 0xff && bytes[19] === 0xff && isZero(bytes, 8, 18);
  const ip = mapped ? dottedQuad(bytes, 20) : ipAddressFromBytes(bytes.subarray(8, 24));
  return { ip, port: parsePort(port) };
}

function dottedQuad(bytes: Uint8Array, at: number): IpAddress {
  const a = bytes[at] ?? 0;
  const b = bytes[at + 1] ?? 0;
  const c = bytes[at + 2] ?? 0;
  const d = bytes[at + 3] ?? 0;
  const number = (a << 24) | (b << 16) | (c << 8) | d;
  const known = recentAddresses.get(number);
  if (known !== undefined) return known;
  if (recentAddresses.size >= RECENT_ADDRESS_COUNT_MAX) recentAddresses.clear();
  const ip = ipAddressFromBytes(bytes.subarray(at, at + 4));
  recentAddresses.set(number, ip);
  return ip;
}

// `ip` is canonical already: four decimal numbers between dots.
function writeDottedQuad(out: Uint8Array, at: number, ip: IpAddress): void {
  let value = 0;
  let index = at;
  for (let i = 0; i < ip.length; i++) {
    const code = ip.charCodeAt(i);
    if (code === 0x2e) {
      out[index++] = value;
      value = 0;
    } else {
      value = value * 10 + code - 0x30;
    }
  }
  out[index] = value;
}

function isZero(bytes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (bytes[i] !== 0) return false;
  return true;
}
