import { createHash, randomBytes } from 'node:crypto';
import type { RequestHead } from '@ambit/mesh/http1';
import { translateRequest } from '@ambit/mesh/http2';

/** What HTTP/1.1 has for the handshake (RFC 6455 4), and HTTP/2 does without (RFC 8441 5). */
export const WEBSOCKET_KEY: string = 'sec-websocket-key';
export const WEBSOCKET_ACCEPT: string = 'sec-websocket-accept';

const OF_ANY_SERVER = { version: 'http/2', takesExtendedConnect: true } as const;
/** RFC 6455 1.3. */
const ACCEPT_SUFFIX = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const KEY_BYTES = 16;

/** Whether a request asks for a WebSocket, in the words of either protocol, and could do so in those of the other. */
export function asksForWebsocket(head: RequestHead): boolean {
  return translateRequest(head, OF_ANY_SERVER).kind === 'websocket';
}

/** For a request of ours. */
export function createWebsocketKey(): string {
  return randomBytes(KEY_BYTES).toString('base64');
}

/** Proves to a client of HTTP/1.1 that its request was understood. */
export function websocketAccept(key: string): string {
  return createHash('sha1').update(`${key}${ACCEPT_SUFFIX}`).digest('base64');
}
