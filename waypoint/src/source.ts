import type { Svid } from '@ambit/mesh/tls';
import type { PlainPort } from './worker/worker-protocol.ts';

/** Where configuration and the certificate come from: a controller, or a file. */
export interface Source {
  /**
   * Resolves once the workers have a first configuration and a certificate, and so may listen; answers the plaintext ports
   * they are to have. Rejects when that cannot come to be.
   */
  readonly configured: Promise<readonly PlainPort[]>;
  /** Whether changes would come. */
  readonly connected: boolean;
  /** The certificate in force. */
  svid(): Svid | undefined;
  /** Further facts for `/config_dump`, without secrets. */
  status(): Record<string, unknown>;
}
