import type { Carrier } from '@ambit/mesh/hbone';
import type { Clock } from '@ambit/mesh/runtime';

/** What is spoken inside of TLS; null: whatever, and nothing is agreed upon. */
export type InnerProtocol = 'http/1.1' | 'h2' | null;

/** Opens connections to one endpoint. */
export interface Connector {
  /**
   * Rejects when there is none; nothing has been sent then. The signal gives up. Where the server wants TLS, `protocol` is agreed upon
   * with it; without, nothing is.
   */
  open(signal: AbortSignal, protocol?: InnerProtocol): Promise<Carrier>;
}

/** The same connector, which gives up what takes longer than this. */
export function openingWithin(timeoutMs: number, connector: Connector, clock: Clock): Connector {
  return {
    async open(signal, protocol) {
      const deadline = new AbortController();
      using _timer = clock.setTimer(timeoutMs, () => deadline.abort());
      return await connector.open(AbortSignal.any([deadline.signal, signal]), protocol);
    },
  };
}
