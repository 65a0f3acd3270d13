import { TLSSocket } from 'node:tls';
import type { ByteLink } from './byte-link.ts';

/** RFC 9266: the exporter whose value is the same at both ends of one TLS 1.3 session and at nobody else's. */
const LABEL = 'EXPORTER-Channel-Binding';
const BYTES = 32;
const NO_CONTEXT: Buffer = Buffer.alloc(0);

/**
 * What only the two ends of this very TLS session can compute, as text of one character per byte. It never travels: whoever finds
 * the same at two ends has found the ends of one session, with nobody in between who could read it. Undefined for a link without
 * TLS and for one that is gone.
 */
export function channelBindingOf(link: ByteLink): string | undefined {
  if (!(link instanceof TLSSocket) || link.destroyed) return undefined;
  return link.exportKeyingMaterial(BYTES, LABEL, NO_CONTEXT).toString('latin1');
}
