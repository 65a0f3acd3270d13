/** Of a key that tokens are sealed with, and of the secrets that such keys come from. */
export const SESSION_KEY_BYTES = 32;

/** What the waypoints of one Gateway seal and open sessions with. Secrets: not to be logged, nor shown. */
export interface SessionKeys {
  /** `namespace/name` of the Gateway. */
  readonly gateway: string;
  /** The first one seals, all of them open. */
  readonly keys: readonly Uint8Array[];
}
