import { type DiscoveryServerStream, GrpcError } from '@ambit/mesh/grpc';
import { ADDRESS_TYPE_URL, type DiscoveryRequest, type DiscoveryResponse } from '@ambit/mesh/wire';

/** The server's end of a stream without a network: requests are put in, responses are taken out when the test allows. */
export class MemoryStream implements DiscoveryServerStream {
  readonly peer: DiscoveryServerStream['peer'];
  readonly sent: DiscoveryResponse[] = [];
  readonly #gone = new AbortController();
  readonly #waiting: DiscoveryRequest[] = [];
  #wake: (() => void) | null = null;
  #ended = false;
  /** Resolves sends; replaced by a pending promise to play a slow network. */
  network: Promise<void> = Promise.resolve();

  readonly requests: AsyncIterable<DiscoveryRequest> = this.#read();

  constructor(address = '10.0.0.1:5000') {
    this.peer = { address, certificate: undefined, bearerToken: undefined };
  }

  accept(): void {}

  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  async send(response: DiscoveryResponse): Promise<void> {
    this.sent.push(response);
    await this.network;
  }

  ask(fields: Partial<DiscoveryRequest> = {}): void {
    const base = {
      typeUrl: ADDRESS_TYPE_URL,
      subscribe: [],
      unsubscribe: [],
      initialResourceVersions: new Map(),
      responseNonce: '',
    };
    this.#waiting.push({ ...base, ...fields });
    this.#wake?.();
  }

  /** Acknowledges the last response. */
  acknowledge(fields: Partial<DiscoveryRequest> = {}): void {
    const last = this.sent.at(-1);
    this.ask({ typeUrl: last?.typeUrl ?? '', responseNonce: last?.nonce ?? '', ...fields });
  }

  halfClose(): void {
    this.#ended = true;
    this.#wake?.();
  }

  breakOff(): void {
    this.#gone.abort(new GrpcError('cancelled'));
    this.halfClose();
  }

  async *#read(): AsyncGenerator<DiscoveryRequest, void, void> {
    for (;;) {
      const next = this.#waiting.shift();
      if (next !== undefined) yield next;
      else if (this.#ended) return;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}
