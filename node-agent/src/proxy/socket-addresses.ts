import type { Socket } from 'node:net';
import { BareSocket } from '@ambit/mesh/hbone';
import { readOriginalDestination, readOriginalDestinationOfFd, readPeerAddressOfFd } from '@ambit/mesh/linux';
import {
  type IpAddress,
  type OriginalDestination,
  parseIpAddress,
  parsePort,
  type SocketAddress,
} from '@ambit/mesh/model';

const MAPPED_PREFIX = '::ffff:';

/** The peer of an accepted socket, or null when it is gone already. */
export function remoteAddressOf(socket: Socket | BareSocket): SocketAddress | null {
  if (socket instanceof BareSocket) return readPeerAddressOfFd(socket.fd);
  return toSocketAddress(socket.remoteAddress, socket.remotePort);
}

/** Where the peer of an accepted socket dialled before redirection. @throws SyscallError when the socket is gone already. */
export function originalDestinationOf(socket: Socket | BareSocket): OriginalDestination {
  return socket instanceof BareSocket ? readOriginalDestinationOfFd(socket.fd) : readOriginalDestination(socket);
}

/** Our end of an accepted socket, or null when it is gone already. */
export function localAddressOf(socket: Socket): SocketAddress | null {
  return toSocketAddress(socket.localAddress, socket.localPort);
}

function toSocketAddress(ip: string | undefined, port: number | undefined): SocketAddress | null {
  if (ip === undefined || port === undefined || port === 0) return null;
  return { ip: fromKernel(ip), port: parsePort(port) };
}

// Peers repeat. Emptied when full.
const RECENT_COUNT_MAX = 4096;
const recent = new Map<string, IpAddress>();

/** A dual-stack listener shows IPv4 peers in mapped form; link-local ones carry a zone. */
function fromKernel(text: string): IpAddress {
  const known = recent.get(text);
  if (known !== undefined) return known;
  const isMapped = text.startsWith(MAPPED_PREFIX) && text.includes('.');
  const zone = text.indexOf('%');
  const ip = parseIpAddress(isMapped ? text.slice(MAPPED_PREFIX.length) : zone === -1 ? text : text.slice(0, zone));
  if (recent.size >= RECENT_COUNT_MAX) recent.clear();
  recent.set(text, ip);
  return ip;
}
