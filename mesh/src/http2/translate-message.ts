import { equalsLower } from '../http1/characters.ts';
import { decideRequestFraming, decideResponseFraming, type OutgoingFraming } from '../http1/decide-framing.ts';
import { BAD_GATEWAY } from '../http1/errors.ts';
import type { FieldBlock } from '../http1/field-block.ts';
import { FieldId, FORBIDDEN_TRAILERS } from '../http1/field-names.ts';
import type { Framing, MessageHead, RequestHead } from '../http1/head.ts';
import { markHopByHop } from '../http1/hop-by-hop.ts';
import { Http2RequestHead } from './head.ts';

/** What a peer speaks. */
export type Version = 'http/1.0' | 'http/1.1' | 'http/2';

/**
 * How a request goes on. `upgrade`: as it is, from HTTP/1.1 to HTTP/1.1, whatever it asks to be upgraded to. `websocket`: it asks for
 * one, in HTTP/1.1 by GET with Upgrade, in HTTP/2 by an extended CONNECT (RFC 8441). `refuse`: the next hop cannot be asked for this
 * protocol.
 */
export type RequestTranslation =
  | { readonly kind: 'request' | 'upgrade' | 'websocket'; readonly framing: OutgoingFraming }
  | { readonly kind: 'refuse'; readonly status: 501 };

/** What is to be known of the server that a request goes to. */
export interface NextServer {
  readonly version: 'http/1.1' | 'http/2';
  /** Of HTTP/2: it takes extended CONNECT. */
  readonly takesExtendedConnect: boolean;
}

/** What is to be known of the request that a response answers. */
export interface AnsweredRequest {
  /** As the client made it. */
  readonly method: string;
  readonly version: Version;
  readonly kind: 'request' | 'upgrade' | 'websocket';
}

export interface ResponseTranslation {
  readonly status: number;
  readonly framing: OutgoingFraming;
  /** What has been granted, and is to be said in the client's words: from here on bytes go both ways. */
  readonly grants: 'nothing' | 'upgrade' | 'websocket';
  /** The status is ours: neither fields nor body of the server's response go on. */
  readonly replaced: boolean;
}

const WEBSOCKET = 'websocket';
const SWITCHING_PROTOCOLS = 101;
const OK = 200;
/** Servers wait for a body of these unless they are told that there is none (RFC 9110 8.6). */
const BODY_METHODS: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH']);

/** How a request of either protocol is made of a server of either protocol. */
export function translateRequest(head: RequestHead, server: NextServer): RequestTranslation {
  const takesExtended = server.version === 'http/2' && server.takesExtendedConnect;
  if (head instanceof Http2RequestHead) {
    if (head.protocol === '') return { kind: 'request', framing: framingOf(head) };
    if (head.protocol.toLowerCase() === WEBSOCKET && (takesExtended || server.version === 'http/1.1'))
      return { kind: 'websocket', framing: 'tunnel' };
    return takesExtended ? { kind: 'request', framing: 'tunnel' } : { kind: 'refuse', status: 501 };
  }
  if (!head.upgrade) return { kind: 'request', framing: framingOf(head) };
  if (server.version === 'http/1.1') return { kind: 'upgrade', framing: framingOf(head) };
  // HTTP/2 has no upgrades: without one the request is as good as if the server had not wanted it.
  if (!asksForWebsocket(head)) return { kind: 'request', framing: framingOf(head) };
  return takesExtended ? { kind: 'websocket', framing: 'tunnel' } : { kind: 'refuse', status: 501 };
}

/** How a response of either protocol is given to a client of either. */
export function translateResponse(
  response: { readonly status: number; readonly framing: Framing; readonly hasContentLength: boolean },
  request: AnsweredRequest,
): ResponseTranslation {
  const { status, framing } = response;
  if (framing === 'tunnel' && request.kind !== 'request') {
    const granted = request.version === 'http/2' ? OK : SWITCHING_PROTOCOLS;
    return { status: granted, framing: 'tunnel', grants: request.kind, replaced: false };
  }
  // A server of HTTP/1.1 that does not upgrade may well answer 200, which to a client of HTTP/2 would mean that it does.
  if (request.kind === 'websocket' && request.version === 'http/2' && status >= 200 && status < 300)
    return { status: BAD_GATEWAY, framing: 'empty', grants: 'nothing', replaced: true };
  const framed = decideResponseFraming({
    ...response,
    method: request.method,
    // Whatever has no length ends by itself in HTTP/2 too.
    clientVersionMinor: request.version === 'http/1.0' ? 0 : 1,
  });
  return { status, framing: framed, grants: 'nothing', replaced: false };
}

/** Whether a message with this framing is complete with its head. */
export function endsWithHead(framing: OutgoingFraming): boolean {
  return framing === 'none' || framing === 'empty' || framing === 'declared';
}

/** Whether trailers can be sent behind a body with this framing. */
export function passesTrailers(framing: OutgoingFraming, version: Version): boolean {
  return version === 'http/2' ? !endsWithHead(framing) : framing === 'chunked';
}

/**
 * Marks with 1 in `dropped` the fields of a head that do not go on, all others with 0; `dropped` has room for all. Those are what
 * ends at this hop; Host of a request of HTTP/2, whose authority is said anew; and of a WebSocket what the two protocols
 * say differently. Content-Length is dropped by whoever writes, who says the framing himself.
 */
export function markEndingFields(
  head: MessageHead,
  dropped: Uint8Array,
  what: 'request' | 'nothing' | 'upgrade' | 'websocket',
): void {
  markHopByHop(head, dropped, what === 'upgrade' ? 'pass-on' : 'drop');
  for (let index = 0; index < head.count; index += 1) {
    const own =
      (head instanceof Http2RequestHead && head.id(index) === FieldId.host) ||
      (what === 'websocket' && isWebsocketKey(head, index));
    if (own) dropped[index] = 1;
  }
}

/** Marks with 1 in `dropped` what may be no trailer, all others with 0. Says how many are left. */
export function markForbiddenTrailers(trailers: FieldBlock, dropped: Uint8Array): number {
  let left = 0;
  for (let index = 0; index < trailers.count; index += 1) {
    const forbidden = FORBIDDEN_TRAILERS.has(trailers.name(index).toLowerCase());
    dropped[index] = forbidden ? 1 : 0;
    if (!forbidden) left += 1;
  }
  return left;
}

/** A WebSocket is asked for by GET and without body; of several protocols the server would choose one. */
function asksForWebsocket(head: RequestHead): boolean {
  const field = head.find('upgrade');
  const named = equalsLower(head.bytes, head.valueStart(field), head.valueEnd(field), WEBSOCKET);
  return named && head.method === 'GET' && head.framing === 'none' && head.find('upgrade', field + 1) < 0;
}

function framingOf(head: RequestHead): OutgoingFraming {
  if (head.method === 'CONNECT') return 'tunnel';
  const framing = decideRequestFraming(head);
  // HTTP/2 says by the end of the stream that there is no body.
  return framing === 'none' && BODY_METHODS.has(head.method) ? 'empty' : framing;
}

function isWebsocketKey(head: MessageHead, index: number): boolean {
  const { bytes } = head;
  const start = head.nameStart(index);
  const end = head.nameEnd(index);
  return equalsLower(bytes, start, end, 'sec-websocket-key') || equalsLower(bytes, start, end, 'sec-websocket-accept');
}
