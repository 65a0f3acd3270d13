import { once } from 'node:events';
import net, { type Socket } from 'node:net';
import tls from 'node:tls';
import { createHbonePool, HboneError } from '@ambit/mesh/hbone';
import { environment, listen, type TestCa } from '@ambit/mesh/testing';
import type { Svid } from '@ambit/mesh/tls';
import { ask, type Protocol, type Question, type Reply } from '../../../waypoint/test/peers.ts';
import { waypointAt } from '../../../waypoint/test/plane.ts';

/** Where somebody wants to go: the address that it dials, and who it is, as `<namespace>/<service account>`. */
export interface Way {
  readonly authority: string;
  readonly caller: string;
}

/** A connection of which nothing came. `status` is what the tunnel was refused with; without it the waypoint cut it. */
export interface Refusal {
  readonly refused: number | 'cut';
}

const LINE = 'hello';

/** What applications and their node agents do: dial, and are carried to the waypoint as who they are. */
export class Callers implements AsyncDisposable {
  readonly #ca: TestCa;
  readonly #waypointPort: () => number;
  readonly #stack = new AsyncDisposableStack();
  readonly #pool = this.#stack.use(createHbonePool<string>(environment));
  readonly #certificates = new Map<string, Svid>();
  readonly #fronts = new Map<string, Promise<number>>();
  readonly #refusals = new Map<string, number>();

  constructor(ca: TestCa, waypointPort: () => number) {
    this.#ca = ca;
    this.#waypointPort = waypointPort;
  }

  async request(protocol: Protocol, way: Way, question: Question): Promise<Reply | Refusal> {
    return this.#dial(way, (port) => ask(protocol, port, question));
  }

  /** What is said to a line. */
  async say(way: Way): Promise<string | Refusal> {
    return this.#dial(way, async (port) => {
      const socket = net.connect({ host: '127.0.0.1', port });
      return await lineOf(socket);
    });
  }

  /** What is said to a line in TLS, to a server that is asked for by name. */
  async saySecretly(way: Way, servername: string): Promise<string | Refusal> {
    return this.#dial(way, async (port) => {
      const options = { host: '127.0.0.1', port, servername, rejectUnauthorized: false };
      return await lineOf(tls.connect(options));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  async #dial<T>(way: Way, talk: (port: number) => Promise<T>): Promise<T | Refusal> {
    const key = `${way.caller} ${way.authority}`;
    const port = await this.#front(key, way);
    this.#refusals.delete(key);
    try {
      return await talk(port);
    } catch {
      return { refused: this.#refusals.get(key) ?? 'cut' };
    }
  }

  /** A port of this host that leads where the way does. */
  #front(key: string, way: Way): Promise<number> {
    const known = this.#fronts.get(key);
    if (known !== undefined) return known;
    const opening = listen((socket) => void this.#carry(key, way, socket)).then(
      (listener) => this.#stack.use(listener).port,
    );
    this.#fronts.set(key, opening);
    return opening;
  }

  async #carry(key: string, { authority, caller }: Way, socket: Socket): Promise<void> {
    try {
      const target = waypointAt(this.#waypointPort(), this.#certificateOf(caller));
      const { stream } = await this.#pool.openTunnel(target, { authority, headers: [] });
      stream.splice(socket, () => {});
    } catch (error) {
      if (error instanceof HboneError) this.#refusals.set(key, Number(error.data['status']));
      socket.resetAndDestroy();
    }
  }

  #certificateOf(caller: string): Svid {
    const known = this.#certificates.get(caller);
    if (known !== undefined) return known;
    const [namespace, account] = caller.split('/');
    const issued = this.#ca.issue(`spiffe://cluster.local/ns/${namespace}/sa/${account}`);
    this.#certificates.set(caller, issued);
    return issued;
  }
}

/** Says a line, and hears one. @throws Error when the connection ends before. */
async function lineOf(socket: Socket): Promise<string> {
  socket.write(`${LINE}\r\n`);
  try {
    const ended = once(socket, 'close').then(() => Promise.reject(new Error('closed')));
    ended.catch(() => {});
    const [chunk] = await Promise.race([once(socket, 'data'), ended]);
    return String(chunk).trim();
  } finally {
    socket.on('error', () => {}).destroy();
  }
}
