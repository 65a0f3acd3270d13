/** First probe on an idle plaintext connection that leaves the node (protocol.md 1.7). Tunnels have PINGs of their own. */
export const KEEPALIVE_MS = 180_000;
