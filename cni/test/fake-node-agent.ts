import assert from 'node:assert/strict';
import { connectDescriptorChannel, NetnsHandle } from '@ambit/mesh/linux';
import { until } from '@ambit/mesh/testing';
import { decodePodRequest, encodePodHello, encodePodResponse } from '@ambit/mesh/wire';

/** A pod that starts takes a while on a busy machine. */
const HEARS_MS = 30_000;

/** Acknowledges everything and keeps what it is told; opens no ports. */
export class FakeNodeAgent implements AsyncDisposable {
  readonly heard: string[] = [];
  readonly inodes: bigint[] = [];
  /** What it answers to everything. */
  error = '';
  readonly #stop: AbortController = new AbortController();
  readonly #running: Promise<void>;

  constructor(path: string) {
    this.#running = this.#run(path);
  }

  async #run(path: string): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        using channel = connectDescriptorChannel(path);
        await channel.send(encodePodHello());
        for (let message = await channel.receive(this.#stop.signal); message !== null; ) {
          using descriptor = message.descriptor;
          if (descriptor !== null) this.inodes.push(NetnsHandle.borrow(descriptor.fd).identity.inode);
          const request = decodePodRequest(message.data);
          this.heard.push('uid' in request ? `${request.kind} ${request.uid}` : request.kind);
          await channel.send(encodePodResponse({ error: this.error }));
          message = await channel.receive(this.#stop.signal);
        }
      } catch {
        // The CNI agent is away, or the test is over.
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async hears(...what: readonly string[]): Promise<void> {
    await until(`the agent hears ${what.join(', ')}`, () => this.heard.length >= what.length, HEARS_MS);
    assert.deepEqual(this.heard.splice(0), what);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}
