import type { Socket } from 'node:net';
import { BareSocket } from '@ambit/mesh/hbone';
import {
  descriptorOf,
  readLocalAddressOfFd,
  readOriginalDestinationOfFd,
  readPeerAddressOfFd,
} from '@ambit/mesh/linux';
import type { OriginalDestination, SocketAddress } from '@ambit/mesh/model';

type Accepted = Socket | BareSocket;

/** The peer of an accepted socket, or null when it is gone already. */
export function remoteAddressOf(socket: Accepted): SocketAddress | null {
  return readPeerAddressOfFd(fdOf(socket));
}

/** Our end of an accepted socket, or null when it is gone already. */
export function localAddressOf(socket: Accepted): SocketAddress | null {
  return readLocalAddressOfFd(fdOf(socket));
}

/** Where the peer of an accepted socket dialled before redirection. @throws SyscallError when the socket is gone already. */
export function originalDestinationOf(socket: Accepted): OriginalDestination {
  return readOriginalDestinationOfFd(fdOf(socket));
}

function fdOf(socket: Accepted): number {
  return socket instanceof BareSocket ? socket.fd : descriptorOf(socket);
}
