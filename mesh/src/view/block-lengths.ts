import type { Service } from '../model/service.ts';
import type { BlockLength } from './shared-view.ts';

/** Which lengths blocks of services have, so that a look-up asks for those alone. */
export class BlockLengths {
  readonly #counts = new Map<string, { readonly length: BlockLength; count: number }>();
  #isNew = false;

  add({ addresses }: Service): void {
    for (const { network, cidr } of addresses) {
      if (cidr === undefined) continue;
      const length = { network, addressBytes: cidr.bytes.length, prefixLength: cidr.prefixLength };
      const known = this.#counts.get(keyOf(length));
      if (known !== undefined) {
        known.count++;
        continue;
      }
      this.#counts.set(keyOf(length), { length, count: 1 });
      this.#isNew = true;
    }
  }

  /** `service` as it was added. */
  remove({ addresses }: Service): void {
    for (const { network, cidr } of addresses) {
      if (cidr === undefined) continue;
      const key = keyOf({ network, addressBytes: cidr.bytes.length, prefixLength: cidr.prefixLength });
      const known = this.#counts.get(key);
      if (known === undefined || --known.count > 0) continue;
      this.#counts.delete(key);
      this.#isNew = true;
    }
  }

  /** The longest first, if they are others than at the last call. */
  takeNew(): readonly BlockLength[] | undefined {
    if (!this.#isNew) return undefined;
    this.#isNew = false;
    return [...this.#counts.values()].map(({ length }) => length).sort((a, b) => b.prefixLength - a.prefixLength);
  }
}

function keyOf({ network, addressBytes, prefixLength }: BlockLength): string {
  return `${addressBytes}/${prefixLength} ${network}`;
}
