import { closeSync, openSync } from 'node:fs';
import { type DescriptorChannel, type DescriptorListener, listenForDescriptorChannels } from '@ambit/mesh/linux';
import { decodePodHello, decodePodResponse, encodePodRequest, type PodNames, type PodRequest } from '@ambit/mesh/wire';

/** The CNI agent's end of the protocol, driven by hand: one connection at a time, no retries. */
export class FakeCni implements AsyncDisposable {
  readonly path: string;
  #listener: DescriptorListener;
  #channel: DescriptorChannel | null = null;

  constructor(path: string) {
    this.path = path;
    this.#listener = listenForDescriptorChannels(path);
  }

  /** Takes the next connection of an agent, up to its hello. */
  async accept(): Promise<void> {
    this.#channel?.[Symbol.dispose]();
    this.#channel = await this.#listener.accept(AbortSignal.timeout(10_000));
    const hello = await this.#channel.receive(AbortSignal.timeout(5000));
    decodePodHello(hello?.data ?? Buffer.alloc(0));
  }

  /** Sends one request and gives the error of its acknowledgement, empty when all is well. */
  async send(request: PodRequest, netnsPath: string | null = null): Promise<string> {
    if (this.#channel === null) throw new Error('no agent is connected');
    const fd = netnsPath === null ? null : openSync(netnsPath, 'r');
    try {
      await this.#channel.send(encodePodRequest(request), fd);
    } finally {
      if (fd !== null) closeSync(fd);
    }
    const answer = await this.#channel.receive(AbortSignal.timeout(15_000));
    return decodePodResponse(answer?.data ?? Buffer.alloc(0)).error;
  }

  add(uid: string, pod: PodNames, netnsPath: string): Promise<string> {
    return this.send({ kind: 'add', uid, pod }, netnsPath);
  }

  /** Closes the connection, as a CNI agent that ends does. */
  hangUp(): void {
    this.#channel?.[Symbol.dispose]();
    this.#channel = null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.hangUp();
    this.#listener[Symbol.dispose]();
  }
}
