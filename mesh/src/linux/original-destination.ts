import type net from 'node:net';
import type { OriginalDestination, SocketAddress } from '../model/address.ts';
import { LinuxError, SyscallError } from './errors.ts';
import { descriptorOf } from './node-internals.ts';
import { readSockaddr, SOCKADDR_BYTES_MAX } from './socket-address.ts';
import { IP6T_SO_ORIGINAL_DST, libc, SOL_IP, SOL_IPV6, SO_ORIGINAL_DST } from './syscalls.ts';

const address = Buffer.allocUnsafeSlow(SOCKADDR_BYTES_MAX);
const length = new Uint32Array(1);

/**
 * Where the peer of an accepted socket dialled before redirection; the socket's own address when it was not
 * redirected. @throws SyscallError when the socket is gone already.
 */
export function readOriginalDestination(socket: net.Socket): OriginalDestination {
  return readOriginalDestinationOfFd(descriptorOf(socket));
}

/** The same for a descriptor, which stays the caller's. */
export function readOriginalDestinationOfFd(fd: number): OriginalDestination {
  const binding = libc();
  // IPv4 first: it is also right for IPv4 connections to a dual-stack listener, and fails for true IPv6 ones.
  length[0] = SOCKADDR_BYTES_MAX;
  let result = binding.getsockopt(fd, SOL_IP, SO_ORIGINAL_DST, address, length);
  if (result < 0) {
    length[0] = SOCKADDR_BYTES_MAX;
    result = binding.getsockopt(fd, SOL_IPV6, IP6T_SO_ORIGINAL_DST, address, length);
  }
  if (result < 0) {
    // Not tracked: nothing redirected it.
    length[0] = SOCKADDR_BYTES_MAX;
    result = binding.getsockname(fd, address, length);
    if (result < 0) throw new SyscallError('getsockname', -result);
  }
  const found = readSockaddr(address);
  if (found === null)
    throw new LinuxError('syscall-failed', { data: { syscall: 'getsockname', family: address[0] ?? 0 } });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the place that makes an address an original destination
  return found as OriginalDestination;
}

/** The peer of a connected socket, or null when it is gone already. The descriptor stays the caller's. */
export function readPeerAddressOfFd(fd: number): SocketAddress | null {
  length[0] = SOCKADDR_BYTES_MAX;
  return libc().getpeername(fd, address, length) < 0 ? null : readSockaddr(address);
}

/** Its own end, likewise. */
export function readLocalAddressOfFd(fd: number): SocketAddress | null {
  length[0] = SOCKADDR_BYTES_MAX;
  return libc().getsockname(fd, address, length) < 0 ? null : readSockaddr(address);
}
