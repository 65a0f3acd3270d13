import type { Socket } from 'node:net';
import { BareSocket, hasBareSockets, type PlainSocket } from '@ambit/mesh/hbone';
import {
  type DialOptions,
  dialInNetns,
  dialInside,
  type InsideDial,
  type NetnsHandle,
  SyscallError,
} from '@ambit/mesh/linux';
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
  options: TimedDial,
  onConnected: (socket: Socket) => void,
  onFailed: (failure: DialFailure) => void,
): Dialing {
  return follow(() => dialInNetns(netns, options), options, onConnected, onFailed);
}

/** As `dialPlain`, to an application in the namespace: a bare socket where Node has what it takes and the kernel has connected it at once. */
export function dialInsideBare(
  netns: NetnsHandle,
  options: TimedDial,
  onConnected: (socket: PlainSocket) => void,
  onFailed: (failure: DialFailure) => void,
): Dialing {
  if (!hasBareSockets()) return dialPlain(netns, { ...options, inside: true }, onConnected, onFailed);
  let dial: InsideDial;
  try {
    dial = dialInside(netns, options);
  } catch (error) {
    return failLater(error, onFailed);
  }
  return new BareDialing(dial, netns, options, onConnected, onFailed);
}

export interface TimedDial extends DialOptions {
  readonly clock: Clock;
  readonly timeoutMs: number;
}

class BareDialing implements Dialing {
  readonly #dial: InsideDial;
  readonly #group: object;
  readonly #options: TimedDial;
  readonly #onConnected: (socket: PlainSocket) => void;
  readonly #onFailed: (failure: DialFailure) => void;
  #cancelled = false;
  /** When the kernel has to be waited for after all. */
  #waiting: Dialing | null = null;

  constructor(
    dial: InsideDial,
    group: object,
    options: TimedDial,
    onConnected: (socket: PlainSocket) => void,
    onFailed: (failure: DialFailure) => void,
  ) {
    this.#dial = dial;
    this.#group = group;
    this.#options = options;
    this.#onConnected = onConnected;
    this.#onFailed = onFailed;
    queueMicrotask(() => this.#settle());
  }

  cancel(): void {
    this.#cancelled = true;
    this.#waiting?.cancel();
    this.#dial[Symbol.dispose]();
  }

  #settle(): void {
    if (this.#cancelled) return;
    const dial = this.#dial;
    const outcome = dial.outcome();
    if (outcome !== 'waiting' && outcome !== null) {
      dial[Symbol.dispose]();
      this.#onFailed({ reason: 'destination-connect', detail: outcome.errno });
      return;
    }
    const handle = outcome === null ? dial.takeHandle() : undefined;
    if (handle !== undefined) this.#onConnected(new BareSocket(handle, this.#group));
    else this.#waiting = follow(() => dial.takeSocket(), this.#options, this.#onConnected, this.#onFailed);
  }
}

/** Waits for a socket that connects; `begin` makes it. */
function follow(
  begin: () => Socket,
  options: Pick<TimedDial, 'clock' | 'timeoutMs'>,
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
    socket = begin().on('error', onError);
  } catch (error) {
    return failLater(error, onFailed);
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

function failLater(error: unknown, onFailed: (failure: DialFailure) => void): Dialing {
  let cancelled = false;
  queueMicrotask(() => {
    if (!cancelled) onFailed({ reason: 'dial', detail: codeOf(error) });
  });
  return { cancel: () => void (cancelled = true) };
}

function codeOf(error: unknown): string {
  if (error instanceof SyscallError) return error.errno;
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
}
