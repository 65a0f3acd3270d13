import type { Carrier } from '@ambit/mesh/hbone';

/** Opens connections to one endpoint. */
export interface Connector {
  /** Rejects when there is none; nothing has been sent then. The signal gives up. */
  open(signal: AbortSignal): Promise<Carrier>;
}
