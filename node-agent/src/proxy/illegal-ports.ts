/** Ports of the agent's own listeners inside every captured pod (protocol.md 1.1). Nothing is ever forwarded to them. */
export const OUTBOUND_PORT = 15001;
export const INBOUND_PLAINTEXT_PORT = 15006;
export const HBONE_PORT = 15008;

/** A connection that resolves to one of these would come back to us for ever. */
export function isIllegalPort(port: number): boolean {
  return port === OUTBOUND_PORT || port === INBOUND_PLAINTEXT_PORT || port === HBONE_PORT;
}
