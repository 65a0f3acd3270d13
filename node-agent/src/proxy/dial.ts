import type { Socket } from 'node:net';
import { type DialOptions, dialInNetns, type NetnsHandle, SyscallError } from '@ambit/mesh/linux';
import { type IpAddress, isLoopback } from '@ambit/mesh/model';
import type { Clock } from '@ambit/mesh/runtime';
import type { FailureReason } from './failures.ts';

export interface DialFailure {
  readonly reason: FailureReason;
  readonly detail?: string;
}

export interface Dialing {
  /** Gives up; nothing is called any more. */
  cancel(): void;
}

/**
 * Opens a plaintext connection from inside a pod's namespace. Exactly one of the callbacks is called, later, unless
 * cancelled. The socket is connected, half-open and not read from; it belongs to `onConnected`, which adds its
 * 'error' listener.
 */
export function dialPlain(
  netns: NetnsHandle,
  options: DialOptions & { readonly clock: Clock; readonly timeoutMs: number },
  onConnected: (socket: Socket) => void,
  onFailed: (failure: DialFailure) => void,
): Dialing {
  let socket: Socket;
  let settled = false;
  const fail = (failure: DialFailure): void => {
    if (settled) return;
    settled = true;
    timer?.[Symbol.dispose]();
    socket?.destroy();
    onFailed(failure);
  };
  const onError = (error: Error): void => fail({ reason: 'destination-connect', detail: codeOf(error) });
  let timer: Disposable | null = null;
  try {
    socket = dialInNetns(netns, options).on('error', onError);
  } catch (error) {
    queueMicrotask(() => fail({ reason: 'dial', detail: codeOf(error) }));
    return { cancel: () => void (settled = true) };
  }
  // Not read until somebody takes what arrives; each direction ends on its own.
  socket.pause();
  socket.allowHalfOpen = true;
  // An application in the same namespace is connected by the time this runs, and needs no timer.
  queueMicrotask(() => {
    if (settled) return;
    timer = options.clock.setTimer(options.timeoutMs, () => fail({ reason: 'destination-timeout' }));
  });
  socket.once('connect', () => {
    if (settled) return;
    settled = true;
    timer?.[Symbol.dispose]();
    onConnected(socket);
    // Whoever took the socket listens now. What this function knows would otherwise live as long as the connection.
    if (socket.listenerCount('error') > 1) socket.off('error', onError);
  });
  return {
    cancel: () => {
      if (settled) return;
      settled = true;
      timer?.[Symbol.dispose]();
      socket.destroy();
    },
  };
}

function codeOf(error: unknown): string {
  if (error instanceof SyscallError) return error.errno;
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
}

/** The application sees the true peer, unless it is dialled on loopback or by itself (protocol.md 2.4). */
export function spoofedSource(source: IpAddress, destination: IpAddress): Pick<DialOptions, 'source'> {
  const sameFamily = source.includes(':') === destination.includes(':');
  return source === destination || isLoopback(destination) || !sameFamily ? {} : { source: { ip: source } };
}
