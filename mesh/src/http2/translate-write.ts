import type { OutgoingFraming } from '../http1/decide-framing.ts';
import type { RequestHead } from '../http1/head.ts';
import type { HeadWriter } from '../http1/head-writer.ts';
import { Http2RequestHead } from './head.ts';
import type { HeadEncoder } from './head-encoder.ts';
import { reasonOf } from './reasons.ts';
import type { ResponseTranslation } from './translate-message.ts';

// The beginning and the framing of a head that goes on, for either writer. Fields are copied between the two
// (`markEndingFields`, `fieldsOf`), and whatever is to be added is added there.

/**
 * The request line, and of a request of HTTP/2 its Host; and what asks for an upgrade. `websocketKey`: a random Sec-WebSocket-Key for a
 * request of HTTP/2.
 */
export function beginRequest1(
  writer: HeadWriter,
  head: RequestHead,
  kind: 'request' | 'upgrade' | 'websocket',
  websocketKey = '',
): void {
  if (kind === 'websocket') writer.requestLine('GET', head.path);
  else writer.requestLineOf(head);
  if (head instanceof Http2RequestHead) writer.field('Host', head.authority);
  if (kind === 'request') return;
  writer.field('Connection', 'Upgrade');
  if (kind === 'upgrade') return;
  writer.field('Upgrade', 'websocket');
  writer.field('Sec-WebSocket-Key', websocketKey);
}

/** The pseudo-headers. An upgrade is nothing that HTTP/2 has. */
export function beginRequest2(encoder: HeadEncoder, head: RequestHead, kind: 'request' | 'websocket'): void {
  if (kind === 'request') {
    encoder.requestOf(head, head instanceof Http2RequestHead ? head.protocol : '');
    return;
  }
  const { scheme, authority, path } = head;
  encoder.request({ method: 'CONNECT', scheme, authority, path, protocol: 'websocket' });
}

/** The status line, and what grants an upgrade. `websocketAccept`: the Sec-WebSocket-Accept for the key that the client sent. */
export function beginResponse1(writer: HeadWriter, translation: ResponseTranslation, websocketAccept = ''): void {
  const { status } = translation;
  writer.statusLine(status, reasonOf(status));
  if (translation.grants === 'nothing') return;
  writer.field('Connection', 'Upgrade');
  if (translation.grants === 'upgrade') return;
  writer.field('Upgrade', 'websocket');
  writer.field('Sec-WebSocket-Accept', websocketAccept);
}

/** The status. */
export function beginResponse2(encoder: HeadEncoder, translation: ResponseTranslation): void {
  encoder.status(translation.status);
}

/** What frames the body. `length`: what the received head declares. */
export function frame(writer: HeadWriter | HeadEncoder, framing: OutgoingFraming, length: number): void {
  if (framing === 'length' || framing === 'declared') writer.contentLength(length);
  else if (framing === 'empty') writer.contentLength(0);
  else if (framing === 'chunked' && 'chunked' in writer) writer.chunked();
}
