import type { Carrier, CarrierReader, CarrierResult } from '@ambit/mesh/hbone';
import { HeldBytes } from '../http/held-bytes.ts';

/** How a relayed connection ended. Counts are from the client's view: what it sent, what it received. */
export interface RelayResult {
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly failed: boolean;
}

/**
 * Joins a client to a server as bytes: half-close, resets and back-pressure go both ways. What the client says before there is a
 * server is held. It is the client's reader; whoever makes it calls `connect`.
 */
export class ByteRelay implements CarrierReader {
  readonly #client: Carrier;
  readonly #held = new HeldBytes();
  readonly #onDone: (result: RelayResult) => void;
  readonly #abort = new AbortController();
  #server: Carrier | undefined;
  #clientEnded = false;
  #serverEnded = false;
  #done = false;
  /** Handed to either side since it takes no more. */
  #serverOwes = 0;
  #clientOwes = 0;

  constructor(client: Carrier, onDone: (result: RelayResult) => void) {
    this.#client = client;
    this.#onDone = onDone;
  }

  /** Of what either side has sent and the other does not take, as far as it is held here. */
  get heldBytes(): number {
    return this.#held.bytes + this.#serverOwes + this.#clientOwes;
  }

  /** Ends both sides at once. */
  destroy(): void {
    this.#client.reset();
  }

  /** Opens the server; a failure ends the client's connection. */
  async connect(open: (signal: AbortSignal) => Promise<Carrier>): Promise<void> {
    let server: Carrier;
    try {
      server = await open(this.#abort.signal);
    } catch {
      this.#finish(true);
      this.#client.reset();
      return;
    }
    if (this.#done) {
      server.read({ onBytes: () => {}, onEnd: () => {}, onClose: () => {} });
      server.reset();
      return;
    }
    this.#server = server;
    server.read(new ServerSide(this, this.#client));
    for (let held = this.#held.peek(); held !== undefined; held = this.#held.peek()) {
      server.write(held.memory, held.start, held.end);
      this.#held.drop(held.end);
    }
    if (this.#clientEnded) server.end();
    this.#client.resume();
  }

  onBytes(memory: Buffer, start: number, end: number): void {
    if (this.#server === undefined) {
      this.#held.push(memory, start, end);
      this.#client.pause();
    } else if (!this.#server.write(memory, start, end)) {
      this.#serverOwes += end - start;
      this.#client.pause();
    }
  }

  onEnd(): void {
    this.#clientEnded = true;
    this.#server?.end();
  }

  onDrain(): void {
    this.#clientOwes = 0;
    this.#server?.resume();
  }

  onClientBusy(bytes: number): void {
    this.#clientOwes += bytes;
    this.#server?.pause();
  }

  onServerDrain(): void {
    this.#serverOwes = 0;
    this.#client.resume();
  }

  onClose(result: CarrierResult): void {
    this.#abort.abort();
    // Whoever cuts the client's side from here means the server's as well.
    if (result.error !== undefined || !this.#clientEnded || !this.#serverEnded) this.#server?.reset();
    this.#finish(result.error !== undefined);
  }

  onServerEnd(): void {
    this.#serverEnded = true;
    this.#client.end();
  }

  /** The server's side is gone. */
  onServerClose(result: CarrierResult): void {
    if (result.error !== undefined) this.#client.reset();
    this.#finish(result.error !== undefined);
  }

  #finish(failed: boolean): void {
    if (this.#done) return;
    this.#done = true;
    this.#held.clear();
    const { bytesReceived, bytesSent } = this.#client;
    this.#onDone({ bytesReceived: bytesSent, bytesSent: bytesReceived, failed });
  }
}

class ServerSide implements CarrierReader {
  readonly #relay: ByteRelay;
  readonly #client: Carrier;

  constructor(relay: ByteRelay, client: Carrier) {
    this.#relay = relay;
    this.#client = client;
  }

  onBytes(memory: Buffer, start: number, end: number): void {
    if (!this.#client.write(memory, start, end)) this.#relay.onClientBusy(end - start);
  }

  onEnd(): void {
    this.#relay.onServerEnd();
  }

  onDrain(): void {
    this.#relay.onServerDrain();
  }

  onClose(result: CarrierResult): void {
    this.#relay.onServerClose(result);
  }
}
