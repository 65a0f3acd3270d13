import type { Carrier } from '@ambit/mesh/hbone';
import { ByteRelay } from './byte-relay.ts';
import type { RelayRecord } from './relay-facts.ts';

/** What is carried as bytes, and whether policies still want it. */
export class ByteRelays {
  readonly #relays = new Map<ByteRelay, () => boolean>();

  get size(): number {
    return this.#relays.size;
  }

  get all(): Iterable<ByteRelay> {
    return this.#relays.keys();
  }

  /** Carries what the client says to whom `open` finds. */
  begin(
    client: Carrier,
    record: RelayRecord,
    open: Parameters<ByteRelay['connect']>[0],
    isAllowed: () => boolean,
  ): ByteRelay {
    const relay: ByteRelay = new ByteRelay(client, record, () => this.#relays.delete(relay));
    this.#relays.set(relay, isAllowed);
    void relay.connect(open);
    return relay;
  }

  /** Policies have changed: cuts what they do not want any more. */
  recheck(): void {
    for (const [relay, isAllowed] of [...this.#relays]) if (!isAllowed()) relay.cut('access-denied');
  }

  /** Records what was carried up to now. */
  countBytes(): void {
    for (const relay of this.#relays.keys()) relay.countBytes();
  }

  /** Ends everything at once. */
  destroy(): void {
    for (const relay of [...this.#relays.keys()]) relay.cut('stopped');
  }
}
