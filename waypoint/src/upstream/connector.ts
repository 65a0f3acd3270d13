import type { Carrier } from '@ambit/mesh/hbone';

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
