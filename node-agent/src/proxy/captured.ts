import type { Socket } from 'node:net';
import { BareSocket } from '@ambit/mesh/hbone';
import type { OriginalDestination, SocketAddress } from '@ambit/mesh/model';
import type { Backoff } from '@ambit/mesh/runtime';
import type { RequestTap } from '../requests/request-tap.ts';
import type { ConnectionTrace } from './connection-tracer.ts';

/** One captured connection while it has not been handed to a carrier. */
export interface Captured {
  socket: Socket | BareSocket;
  readonly source: SocketAddress;
  readonly destination: OriginalDestination;
  readonly startedMs: number;
  readonly trace: ConnectionTrace | null;
  /** Until it is carried, refused or given up. */
  isOpening: boolean;
  /** Of attempts at a peer that did not listen. */
  backoff?: Backoff;
  /** Set once what the application says first may be read. */
  tap?: RequestTap | null;
}

/** For those who need more of it than a tunnel does. Only while nothing was read of it. */
export function asNodeSocket(captured: Captured): Socket {
  if (captured.socket instanceof BareSocket) captured.socket = captured.socket.toSocket();
  return captured.socket;
}
