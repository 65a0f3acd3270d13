import type { Socket } from 'node:net';
import { systemClock } from '../runtime/clock.ts';

/** Bounds of connections: the first three of those on which nobody has proved yet who calls. */
export interface ConnectionGateLimits {
  readonly unacceptedMax: number;
  readonly perSourceMax: number;
  readonly timeoutMs: number;
  readonly perCallerMax: number;
}

/** Why a connection was closed by the gate. */
export type GateRefusal = 'too-many-unknown-callers' | 'caller-unknown-too-long' | 'gave-way-to-a-newer-one';

interface Unaccepted {
  readonly socket: Socket;
  readonly source: string;
  readonly timer: Disposable;
}

/**
 * Connections from their first byte until a service knows who calls on them: they are few, few of one address, and do not
 * live long. Those that are accepted live as long as they like, but each caller has few: whoever may ask for one certificate
 * could else take the places of all others.
 */
export class ConnectionGate {
  readonly #limits: ConnectionGateLimits;
  readonly #onRefusal: (source: string, reason: GateRefusal) => void;
  /** By `address:port`, oldest first. */
  readonly #unaccepted = new Map<string, Unaccepted>();
  readonly #bySource = new Map<string, Set<string>>();
  /** Of those that are accepted, oldest first. */
  readonly #byCaller = new Map<string, Set<Socket>>();

  constructor(limits: ConnectionGateLimits, onRefusal: (source: string, reason: GateRefusal) => void) {
    this.#limits = limits;
    this.#onRefusal = onRefusal;
  }

  /** A connection has been made, its handshake not. Destroys it, or an older one, when there are too many. */
  opened(socket: Socket): void {
    const key = keyOf(socket);
    const source = socket.remoteAddress ?? '';
    const ofSource = this.#bySource.get(source) ?? new Set<string>();
    const [oldest] = ofSource;
    if (ofSource.size >= this.#limits.perSourceMax && oldest !== undefined) {
      this.#refuse(oldest, 'gave-way-to-a-newer-one');
    }
    if (this.#unaccepted.size >= this.#limits.unacceptedMax) {
      this.#onRefusal(source, 'too-many-unknown-callers');
      socket.destroy();
      return;
    }
    // The port may be used again before its last connection is known to be closed.
    this.#forget(key);
    const timer = systemClock.setTimer(this.#limits.timeoutMs, () => this.#refuse(key, 'caller-unknown-too-long'));
    this.#unaccepted.set(key, { socket, source, timer });
    this.#bySource.set(source, ofSource.add(key));
    socket.once('close', () => {
      // The port may have been used again, by a connection of which the same has been said.
      if (this.#unaccepted.get(key)?.socket === socket) this.#forget(key);
    });
  }

  /** `caller`, whatever names it, has proved itself on the connection that is named `address:port`. */
  accepted(peer: string, caller: string): void {
    const socket = this.#forget(peer)?.socket;
    if (socket === undefined || socket.destroyed) return;
    const ofCaller = this.#byCaller.get(caller) ?? new Set<Socket>();
    const [oldest] = ofCaller;
    if (ofCaller.size >= this.#limits.perCallerMax && oldest !== undefined) {
      ofCaller.delete(oldest);
      this.#onRefusal(oldest.remoteAddress ?? '', 'gave-way-to-a-newer-one');
      oldest.destroy();
    }
    this.#byCaller.set(caller, ofCaller.add(socket));
    socket.once('close', () => {
      ofCaller.delete(socket);
      if (ofCaller.size === 0 && this.#byCaller.get(caller) === ofCaller) this.#byCaller.delete(caller);
    });
  }

  #forget(peer: string): Unaccepted | undefined {
    const known = this.#unaccepted.get(peer);
    if (known === undefined) return undefined;
    known.timer[Symbol.dispose]();
    this.#unaccepted.delete(peer);
    const ofSource = this.#bySource.get(known.source);
    ofSource?.delete(peer);
    if (ofSource?.size === 0) this.#bySource.delete(known.source);
    return known;
  }

  #refuse(key: string, reason: GateRefusal): void {
    const known = this.#forget(key);
    if (known === undefined) return;
    this.#onRefusal(known.source, reason);
    known.socket.destroy();
  }
}

function keyOf({ remoteAddress = '', remotePort = 0 }: Socket): string {
  return `${remoteAddress}:${remotePort}`;
}
