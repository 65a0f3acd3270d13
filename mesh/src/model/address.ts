import ipaddr from 'ipaddr.js';
import { type Brand, branded } from './brand.ts';
import { ModelError } from './errors.ts';

/**
 * An IP address in its one canonical text form: dotted quad, or RFC 5952 lower-case IPv6 without a zone.
 * IPv4-mapped IPv6 is always unwrapped, so one address has one spelling and `===` compares addresses.
 */
export type IpAddress = Brand<string, 'IpAddress'>;

/** A TCP port, 1-65535. */
export type Port = Brand<number, 'Port'>;

export interface SocketAddress {
  readonly ip: IpAddress;
  readonly port: Port;
}

/** Address the application dialled, before redirection (SO_ORIGINAL_DST). Distinct so that it is never mixed with a socket's own address. */
export type OriginalDestination = Brand<SocketAddress, 'OriginalDestination'>;

/** A block of addresses. `bytes` has 4 or 16 bytes, host bits zero. */
export interface Cidr {
  readonly bytes: Uint8Array;
  readonly prefixLength: number;
}

/** @throws ModelError `invalid-address` when `text` is not one IPv4 or IPv6 address. */
export function parseIpAddress(text: string): IpAddress {
  const fast = parseDottedQuad(text);
  if (fast !== null) return fast;
  // The dotted tail of ::ffff:10.0.0.1 obeys the same rules as a dotted quad alone.
  const tail = text.slice(text.lastIndexOf(':') + 1);
  const plainTail = !tail.includes('.') || parseDottedQuad(tail) !== null;
  if (!text.includes(':') || text.includes('%') || !plainTail || !ipaddr.isValid(text)) {
    throw new ModelError('invalid-address', { value: text, expected: 'an IPv4 or IPv6 address' });
  }
  return canonical(ipaddr.process(text));
}

/** `bytes` in network order, 4 or 16 long. @throws ModelError `invalid-address` on any other length. */
export function ipAddressFromBytes(bytes: Uint8Array): IpAddress {
  if (bytes.length === 4) return branded(`${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`);
  if (bytes.length === 16) {
    const v6 = new ipaddr.IPv6([...bytes]);
    return canonical(v6.isIPv4MappedAddress() ? v6.toIPv4Address() : v6);
  }
  throw new ModelError('invalid-address', { value: `${bytes.length} bytes`, expected: '4 or 16 bytes' });
}

/** Network order; 4 bytes for IPv4, 16 for IPv6. */
export function ipAddressToBytes(ip: IpAddress): Uint8Array {
  if (ipFamily(ip) === 6) return Uint8Array.from(ipaddr.parse(ip).toByteArray());
  const bytes = new Uint8Array(4);
  let at = 0;
  for (let i = 0; i < ip.length; i++) {
    const digit = ip.charCodeAt(i) - 48;
    // The canonical form holds digits and dots alone; '.' is 46.
    if (digit < 0) at++;
    else bytes[at] = (bytes[at] ?? 0) * 10 + digit;
  }
  return bytes;
}

export function ipFamily(ip: IpAddress): 4 | 6 {
  return ip.includes(':') ? 6 : 4;
}

/** 127.0.0.0/8 or ::1. */
export function isLoopback(ip: IpAddress): boolean {
  return ip.startsWith('127.') || ip === '::1';
}

/** @throws ModelError `invalid-port` outside 1-65535. */
export function parsePort(value: number | string): Port {
  const port = typeof value === 'number' ? value : /^\d{1,5}$/.test(value) ? Number(value) : Number.NaN;
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    throw new ModelError('invalid-port', { value: String(value), expected: 'a port from 1 to 65535' });
  }
  return branded(port);
}

/** `10.0.0.1:80` or `[::1]:80`. @throws ModelError `invalid-address` | `invalid-port`. */
export function parseSocketAddress(text: string): SocketAddress {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  if (match === null) throw new ModelError('invalid-address', { value: text, expected: 'IP:port or [IPv6]:port' });
  const [, v6, v4, port] = match;
  if (v6 !== undefined && !v6.includes(':')) {
    throw new ModelError('invalid-address', { value: text, expected: 'brackets around an IPv6 address only' });
  }
  const ip = parseIpAddress(v6 ?? v4 ?? '');
  return { ip, port: parsePort(port ?? '') };
}

/** Where to listen. Port 0 picks a free one. */
export interface ListenAddress {
  readonly ip: IpAddress;
  readonly port: number;
}

/** As `parseSocketAddress`, and port 0 too: none to connect to, but one to listen on. @throws ModelError. */
export function parseListenAddress(text: string): ListenAddress {
  if (!text.endsWith(':0')) return parseSocketAddress(text);
  return { ip: parseSocketAddress(`${text.slice(0, -1)}1`).ip, port: 0 };
}

export function formatSocketAddress(address: SocketAddress): string {
  return ipFamily(address.ip) === 6 ? `[${address.ip}]:${address.port}` : `${address.ip}:${address.port}`;
}

/** `10.0.0.0/8`; a bare address is a block of one. Host bits are cleared. @throws ModelError `invalid-cidr`. */
export function parseCidr(text: string): Cidr {
  const slash = text.indexOf('/');
  const addressText = slash === -1 ? text : text.slice(0, slash);
  const lengthText = slash === -1 ? null : text.slice(slash + 1);
  try {
    const bytes = ipAddressToBytes(parseIpAddress(addressText));
    const prefixLength = lengthText === null ? bytes.length * 8 : Number(lengthText);
    if (lengthText !== null && !/^\d{1,3}$/.test(lengthText)) throw new RangeError(lengthText);
    return createCidr(bytes, prefixLength);
  } catch (cause) {
    throw new ModelError('invalid-cidr', { value: text, expected: 'an address block such as 10.0.0.0/8' }, { cause });
  }
}

/** Clears host bits. @throws ModelError `invalid-cidr` when the length does not fit the family. */
export function createCidr(address: Uint8Array, prefixLength: number): Cidr {
  const fits = (address.length === 4 || address.length === 16) && Number.isInteger(prefixLength);
  if (!fits || prefixLength < 0 || prefixLength > address.length * 8) {
    throw new ModelError('invalid-cidr', {
      value: `${address.length} bytes / ${prefixLength}`,
      expected: 'a prefix length within the address family',
    });
  }
  const bytes = Uint8Array.from(address);
  for (let i = 0; i < bytes.length; i++) {
    const keep = Math.min(8, Math.max(0, prefixLength - i * 8));
    bytes[i] = (bytes[i] ?? 0) & (0xff00 >> keep) & 0xff;
  }
  return { bytes, prefixLength };
}

export function formatCidr(cidr: Cidr): string {
  return `${ipAddressFromBytes(cidr.bytes)}/${cidr.prefixLength}`;
}

/** Families never match each other: 0.0.0.0/0 contains no IPv6 address. */
export function cidrContains(cidr: Cidr, ip: IpAddress): boolean {
  return cidrContainsBytes(cidr, ipAddressToBytes(ip));
}

/** `cidrContains` for an address whose bytes are at hand. */
export function cidrContainsBytes(cidr: Cidr, address: Uint8Array): boolean {
  if (address.length !== cidr.bytes.length) return false;
  const whole = cidr.prefixLength >> 3;
  for (let i = 0; i < whole; i++) if (address[i] !== cidr.bytes[i]) return false;
  const rest = cidr.prefixLength & 7;
  if (rest === 0) return true;
  const mask = (0xff00 >> rest) & 0xff;
  return ((address[whole] ?? 0) & mask) === cidr.bytes[whole];
}

function parseDottedQuad(text: string): IpAddress | null {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return null;
  for (let i = 1; i <= 4; i++) {
    const part = match[i] ?? '';
    // A leading zero is octal to some parsers and decimal to others: refuse what peers may read differently.
    if (Number(part) > 255 || (part.length > 1 && part.startsWith('0'))) return null;
  }
  return branded(text);
}

function canonical(address: ipaddr.IPv4 | ipaddr.IPv6): IpAddress {
  return branded(address instanceof ipaddr.IPv6 ? address.toRFC5952String() : address.toString());
}

/** The address alone, of the `address:port` that names the peer of a connection. Empty when there is no port. */
export function hostOfPeer(peer: string): string {
  return peer.slice(0, Math.max(0, peer.lastIndexOf(':')));
}
