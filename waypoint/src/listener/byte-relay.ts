import type { Carrier, CarrierReader, CarrierResult } from '@ambit/mesh/hbone';
import { HeldBytes } from '../http/held-bytes.ts';
import type { CutReason, RelayFailure, RelayRecord } from './relay-facts.ts';

/**
 * Joins a client to a server as bytes: half-close, resets and back-pressure go both ways. What the client says before there is a
 * server is held. It is the client's reader; whoever makes it calls `connect`.
 */
export class ByteRelay implements CarrierReader {
  readonly #client: Carrier;
  readonly #held = new HeldBytes();
  readonly #record: RelayRecord;
  readonly #onDone: () => void;
  readonly #abort = new AbortController();
  #server: Carrier | undefined;
  #clientEnded = false;
  #serverEnded = false;
  #done = false;
  #cut: CutReason | null = null;
  /** Handed to either side since it takes no more. */
  #serverOwes = 0;
  #clientOwes = 0;

  /** `onDone` when it is over, and recorded. */
  constructor(client: Carrier, record: RelayRecord, onDone: () => void) {
    this.#client = client;
    this.#record = record;
    this.#onDone = onDone;
  }

  /** Of what either side has sent and the other does not take, as far as it is held here. */
  get heldBytes(): number {
    return this.#held.bytes + this.#serverOwes + this.#clientOwes;
  }

  /** Ends both sides at once, to have what is held of them. */
  destroy(): void {
    this.cut('no-memory');
  }

  /** Ends both sides at once. */
  cut(reason: CutReason): void {
    this.#cut ??= reason;
    this.#client.reset();
  }

  /** Records what was carried up to now. */
  countBytes(): void {
    this.#record.carried(this.#client.bytesReceived, this.#client.bytesSent);
  }

  /** Opens the server, for which the record hears what is tried; a failure ends the client's connection. */
  async connect(open: (signal: AbortSignal, tried: RelayRecord['tried']) => Promise<Carrier>): Promise<void> {
    let server: Carrier;
    let isTried = false;
    try {
      server = await open(this.#abort.signal, (endpoint) => {
        isTried = true;
        this.#record.tried(endpoint);
      });
    } catch {
      this.#finish(isTried ? 'connect' : 'no-endpoint');
      this.#client.reset();
      return;
    }
    if (this.#done) {
      server.read({ onBytes: () => {}, onEnd: () => {}, onClose: () => {} });
      server.reset();
      return;
    }
    this.#server = server;
    this.#record.opened();
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
    const wasCut = this.#isCut(result);
    // Recorded first, as below.
    this.#finish(wasCut ? 'client-gone' : null);
    // Whoever cuts the client's side from here means the server's as well.
    if (wasCut) this.#server?.reset();
  }

  onServerEnd(): void {
    this.#serverEnded = true;
    this.#client.end();
  }

  /** The server's side is gone. */
  onServerClose(result: CarrierResult): void {
    const failure = this.#isCut(result) ? 'upstream-gone' : null;
    // Recorded first: the client's side is cut for it.
    this.#finish(failure);
    if (failure !== null) this.#client.reset();
  }

  /** A side that is gone before both have said all they had has been cut, whoever did it. */
  #isCut({ error }: CarrierResult): boolean {
    return error !== undefined || !this.#clientEnded || !this.#serverEnded;
  }

  #finish(failure: RelayFailure | null): void {
    if (this.#done) return;
    this.#done = true;
    this.#held.clear();
    this.countBytes();
    this.#record.ended(this.#cut ?? failure);
    this.#onDone();
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
