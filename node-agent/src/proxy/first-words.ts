import { isOwned, type PlainSocket } from '@ambit/mesh/hbone';
import type { OutboundRoute } from './outbound-route.ts';

/**
 * Whether a connection may go another way than the tunnel that failed. What was read of the application for that goes with the request for
 * the next tunnel, and nowhere else.
 */
export function keepsFirstWords(socket: PlainSocket, { kind }: OutboundRoute): boolean {
  return !isOwned(socket) || kind === 'direct-hbone' || kind === 'waypoint-hbone' || kind === 'refused';
}
