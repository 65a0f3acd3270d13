import type { HboneError } from '@ambit/mesh/hbone';
import { peerRefusalOf } from './failures.ts';

const NOT_LISTENING: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ECONNRESET', 'closed']);

/** What the tunnel knows beside the code: the peer's status, why the handshake failed, or the system's error. */
export function detailOf(error: HboneError): string | undefined {
  const { data, cause } = error;
  if (data['status'] !== undefined) return `status ${data['status']}`;
  if (data['reason'] !== undefined) return String(data['reason']);
  if (error.code === 'identity') return peerRefusalOf(error);
  return cause instanceof Error && 'code' in cause ? String(cause.code) : undefined;
}

/**
 * The peer's namespace is there and nothing listens on its port, not yet or not any more: a listener that closes resets what it had
 * not accepted, which is seen as a handshake that is cut off. In none of these was anything asked for.
 */
export function isNotListening(error: HboneError): boolean {
  return (error.code === 'connect' || error.code === 'tls') && NOT_LISTENING.has(detailOf(error) ?? '');
}
