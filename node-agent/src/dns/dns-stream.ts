import net, { type Socket } from 'node:net';
import { dialInNetns } from '@ambit/mesh/linux';
import { countForwarded, type DnsRow } from './dns-counts.ts';
import type { DnsForwarder, DnsForwarderOptions } from './dns-forwarder.ts';
import { DNS_LIMITS } from './dns-limits.ts';
import { STREAM_BYTES_MAX, writeDnsFailure } from './dns-message.ts';
import type { DnsResponder } from './dns-responder.ts';
import { framed, MessageFramer } from './message-framer.ts';
import type { Nameserver } from './nameservers.ts';
import type { NameDemand } from '../state/name-demand.ts';
import { whenAsked } from './when-asked.ts';

export interface DnsStreamOptions extends DnsForwarderOptions {
  readonly responder: DnsResponder;
  readonly demand: NameDemand | null;
  /** Always the same one for the same pod. */
  readonly pod: object;
  /** Knows which name server to ask first. */
  readonly forwarder: Pick<DnsForwarder, 'servers' | 'avoid'>;
}

interface Outstanding {
  readonly message: Buffer;
  readonly row: DnsRow;
  readonly startedAtMs: number;
  readonly place: Disposable;
}

/** Per thread: an answer is copied before the turn ends. */
const answer = Buffer.allocUnsafeSlow(STREAM_BYTES_MAX);
const failure = Buffer.allocUnsafeSlow(600);

/**
 * One connection of a client over TCP. What is not the mesh's to answer goes to a name server on one connection, from where whole messages
 * come back as they are, so that a transfer of a zone may be many. Ends when nothing happens for a while.
 */
export class DnsStream implements Disposable {
  readonly #client: Socket;
  readonly #options: DnsStreamOptions;
  readonly #framer = new MessageFramer();
  readonly #outstanding: Outstanding[] = [];
  #upstream: Upstream | null = null;
  /** Questions whose names the controller was asked for. */
  #held = 0;
  #ended = false;
  #closed = false;

  /** Takes over `client`, which was made with `allowHalfOpen`. */
  constructor(client: Socket, options: DnsStreamOptions, onClose: () => void) {
    this.#client = client;
    this.#options = options;
    client.setTimeout(DNS_LIMITS.idleMs, () => this.#giveUp());
    client
      .on('error', () => {})
      .on('data', (chunk: Buffer) => {
        this.#framer.push(chunk);
        this.#serve();
      })
      .on('drain', () => this.#serve())
      .on('end', () => {
        this.#ended = true;
        this.#endWhenDone();
      })
      .once('close', () => {
        this[Symbol.dispose]();
        onClose();
      });
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#upstream?.close();
    for (const one of this.#outstanding.splice(0)) this.#over(one, false);
    this.#client.destroy();
  }

  #serve(): void {
    while (!this.#closed && !this.#isFull()) {
      const message = this.#framer.next();
      if (message === null) break;
      const verdict = this.#options.responder.respond(message, answer, 'tcp');
      if (verdict.kind === 'answer') this.#client.write(framed(answer.subarray(0, verdict.length)));
      else if (verdict.kind === 'forward') this.#forward(Buffer.from(message), verdict.row);
      else if (verdict.kind === 'ask') this.#hold(Buffer.from(message), verdict.names);
    }
    if (this.#closed) return;
    // Who does not read its answers, or asks faster than they come, is not read.
    if (this.#isFull()) this.#client.pause();
    else this.#client.resume();
    this.#upstream?.throttle(this.#client.writableNeedDrain);
    this.#endWhenDone();
  }

  #isFull(): boolean {
    return this.#client.writableNeedDrain || this.#outstanding.length + this.#held >= DNS_LIMITS.outstandingPerStream;
  }

  #hold(message: Buffer, names: readonly string[]): void {
    this.#held++;
    void whenAsked(this.#options, names, this.#options.pod).then(() => {
      this.#held--;
      if (this.#closed) return;
      const verdict = this.#options.responder.respond(message, answer, 'tcp', true);
      if (verdict.kind === 'answer') this.#client.write(framed(answer.subarray(0, verdict.length)));
      else if (verdict.kind === 'forward') this.#forward(message, verdict.row);
      this.#serve();
    });
  }

  #forward(message: Buffer, row: DnsRow): void {
    row.forwarded++;
    const place = this.#options.budget.take();
    if (place === null) {
      countForwarded(row, 0, false);
      this.#fail(message);
      return;
    }
    this.#outstanding.push({ message, row, place, startedAtMs: this.#options.clock.monotonic() });
    this.#upstream ??= this.#connect();
    this.#upstream.send(message);
  }

  #connect(): Upstream {
    return new Upstream(this.#options, {
      onMessage: (message) => this.#pass(message),
      onClose: () => {
        this.#upstream = null;
        for (const one of this.#outstanding.splice(0)) {
          this.#over(one, false);
          this.#fail(one.message);
        }
        if (!this.#closed) this.#serve();
      },
    });
  }

  #pass(message: Buffer): void {
    const id = message.length < 2 ? -1 : message.readUInt16BE(0);
    const at = this.#outstanding.findIndex((one) => one.message.readUInt16BE(0) === id);
    const [over] = at === -1 ? [] : this.#outstanding.splice(at, 1);
    if (over !== undefined) this.#over(over, true);
    this.#client.write(framed(message));
    this.#serve();
  }

  #over({ row, place, startedAtMs }: Outstanding, answered: boolean): void {
    place[Symbol.dispose]();
    countForwarded(row, this.#options.clock.monotonic() - startedAtMs, answered);
  }

  #fail(message: Buffer): void {
    if (this.#closed) return;
    this.#client.write(framed(failure.subarray(0, writeDnsFailure(failure, message, 'server-failure'))));
  }

  #endWhenDone(): void {
    if (this.#ended && this.#outstanding.length + this.#held === 0 && !this.#closed) this.#client.end();
  }

  /** Nothing has come or gone for a while: neither the client nor the name server will say any more. */
  #giveUp(): void {
    for (const one of this.#outstanding.splice(0)) {
      this.#over(one, false);
      this.#fail(one.message);
    }
    this.#upstream?.close();
    this.#client.end(() => this.#client.destroy());
    // One that does not read its answers never hears of the end, and has a place among the connections of its pod.
    this.#client.setTimeout(DNS_LIMITS.idleMs, () => this.#client.destroy());
  }
}

interface UpstreamEvents {
  readonly onMessage: (message: Buffer) => void;
  /** No name server can be reached, or the one there was has ended. */
  readonly onClose: () => void;
}

/** The connection to a name server, to the first that takes it. */
class Upstream {
  readonly #options: DnsStreamOptions;
  readonly #events: UpstreamEvents;
  readonly #servers: Nameserver[];
  /** Until there is a connection. */
  #unsent: Buffer[] = [];
  #socket: Socket | null = null;
  #connected = false;
  #closed = false;

  constructor(options: DnsStreamOptions, events: UpstreamEvents) {
    this.#options = options;
    this.#events = events;
    this.#servers = [...options.forwarder.servers()];
    // Not before whoever made this has it.
    queueMicrotask(() => this.#connectNext());
  }

  send(message: Buffer): void {
    if (this.#connected) this.#socket?.write(framed(message));
    else this.#unsent.push(message);
  }

  throttle(full: boolean): void {
    if (full) this.#socket?.pause();
    else this.#socket?.resume();
  }

  close(): void {
    this.#closed = true;
    this.#socket?.destroy();
  }

  #connectNext(): void {
    if (this.#closed) return;
    const server = this.#servers.shift();
    if (server === undefined) {
      this.#closed = true;
      this.#events.onClose();
      return;
    }
    this.#connected = false;
    try {
      this.#socket = this.#watch(this.#dial(server), server);
    } catch {
      this.#connectNext(); // No route, no family, no descriptor.
    }
  }

  #dial(server: Nameserver): Socket {
    const { netns, packetMark } = this.#options;
    if (server.isOwn) return net.connect({ host: server.ip, port: server.port });
    return dialInNetns(netns, { destination: server, mark: packetMark });
  }

  #watch(socket: Socket, server: Nameserver): Socket {
    const framer = new MessageFramer();
    socket.setTimeout(DNS_LIMITS.nextServerMs, () => {
      this.#options.forwarder.avoid(server);
      socket.destroy();
    });
    return socket
      .on('error', () => {})
      .once('connect', () => {
        // From here on the client's patience counts.
        socket.setTimeout(0);
        this.#connected = true;
        for (const message of this.#unsent.splice(0)) socket.write(framed(message));
      })
      .on('data', (chunk: Buffer) => {
        framer.push(chunk);
        for (let message = framer.next(); message !== null; message = framer.next()) this.#events.onMessage(message);
      })
      .on('end', () => socket.destroy())
      .once('close', () => {
        if (this.#closed) return;
        if (this.#connected) {
          this.#closed = true;
          this.#events.onClose();
        } else {
          this.#connectNext();
        }
      });
  }
}
