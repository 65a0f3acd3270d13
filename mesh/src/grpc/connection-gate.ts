import type { Socket } from 'node:net';
import { systemClock } from '../runtime/clock.ts';

/** Bounds of connections on which nobody has proved yet who calls. */
export interface ConnectionGateLimits {
  readonly unacceptedMax: number;
  readonly perSourceMax: number;
  readonly timeoutMs: number;
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
 * live long. What is accepted is none of its business any more.
 */
export class ConnectionGate {
  readonly #limits: ConnectionGateLimits;
  readonly #onRefusal: (source: string, reason: GateRefusal) => void;
  /** By `address:port`, oldest first. */
  readonly #unaccepted = new Map<string, Unaccepted>();
  readonly #bySource = new Map<string, Set<string>>();

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
    this.accepted(key);
    const timer = systemClock.setTimer(this.#limits.timeoutMs, () => this.#refuse(key, 'caller-unknown-too-long'));
    this.#unaccepted.set(key, { socket, source, timer });
    this.#bySource.set(source, ofSource.add(key));
    socket.once('close', () => {
      if (this.#unaccepted.get(key)?.socket === socket) this.accepted(key);
    });
  }

  /** Whoever calls on that connection, named `address:port`, is known. */
  accepted(peer: string): void {
    const known = this.#unaccepted.get(peer);
    if (known === undefined) return;
    known.timer[Symbol.dispose]();
    this.#unaccepted.delete(peer);
    const ofSource = this.#bySource.get(known.source);
    ofSource?.delete(peer);
    if (ofSource?.size === 0) this.#bySource.delete(known.source);
  }

  #refuse(key: string, reason: GateRefusal): void {
    const known = this.#unaccepted.get(key);
    if (known === undefined) return;
    this.accepted(key);
    this.#onRefusal(known.source, reason);
    known.socket.destroy();
  }
}

function keyOf({ remoteAddress = '', remotePort = 0 }: Socket): string {
  return `${remoteAddress}:${remotePort}`;
}
