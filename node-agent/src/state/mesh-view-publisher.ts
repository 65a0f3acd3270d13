import { randomInt } from 'node:crypto';
import type { MeshView, MeshViewUpdate } from '@ambit/mesh/model';
import { SharedViewReader, SharedViewWriter, type ViewPublication } from '@ambit/mesh/view';

const SEED_MAX = 0x1_0000_0000;

/** The mesh view of the process: written here, on the main thread, and read by every data worker in the memory that they share. */
export class MeshViewPublisher {
  readonly #writer = new SharedViewWriter(randomInt(SEED_MAX));
  readonly #reader = new SharedViewReader();
  readonly #publish: (publication: ViewPublication) => Promise<unknown>;

  /** `publish` resolves once every worker has adopted the publication; they must get all, in order. */
  constructor(publish: (publication: ViewPublication) => Promise<unknown>) {
    this.#publish = publish;
  }

  /** As the main thread sees it. */
  get view(): MeshView {
    return this.#reader;
  }

  /** Resolves once the update is in force for every decision of every worker. Rejects when a worker is gone. */
  async apply(update: MeshViewUpdate): Promise<void> {
    const publication = this.#writer.apply(update);
    this.#reader.adopt(publication);
    await this.#publish(publication);
    this.#writer.acknowledge(publication.epoch);
  }
}
