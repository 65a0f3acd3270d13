import { ipAddressToBytes, ipFamily, type SocketAddress } from '../model/address.ts';
import type { SpiffeId } from '../model/spiffe-id.ts';

/** TLV type under which the client's SPIFFE ID travels (protocol.md 1.5). */
export const PROXY_TLV_IDENTITY = 0xd0;

const SIGNATURE = Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a);
/** Signature, version and command, family, length. */
const FIXED_BYTES = 16;
const VERSION_2_PROXY = 0x21;
const TCP_OVER_IPV4 = 0x11;
const TCP_OVER_IPV6 = 0x21;

export interface ProxyHeader {
  readonly source: SocketAddress;
  readonly destination: SocketAddress;
  /** Absent for plaintext. */
  readonly sourceIdentity?: SpiffeId;
}

/**
 * The PROXY protocol v2 header that precedes the data of a connection. When one address is IPv6 both are written as
 * IPv6, an IPv4 address in its mapped form: a header has one family.
 */
export function formatProxyHeader({ source, destination, sourceIdentity }: ProxyHeader): Uint8Array {
  const isV4 = ipFamily(source.ip) === 4 && ipFamily(destination.ip) === 4;
  const addressBytes = isV4 ? 4 : 16;
  const identity = new TextEncoder().encode(sourceIdentity ?? '');
  const tlvBytes = identity.length === 0 ? 0 : 3 + identity.length;
  const bodyBytes = addressBytes * 2 + 4 + tlvBytes;

  const header = new Uint8Array(FIXED_BYTES + bodyBytes);
  const view = new DataView(header.buffer);
  header.set(SIGNATURE);
  header[12] = VERSION_2_PROXY;
  header[13] = isV4 ? TCP_OVER_IPV4 : TCP_OVER_IPV6;
  view.setUint16(14, bodyBytes);
  writeAddress(header.subarray(FIXED_BYTES, FIXED_BYTES + addressBytes), source);
  writeAddress(header.subarray(FIXED_BYTES + addressBytes, FIXED_BYTES + addressBytes * 2), destination);
  const ports = FIXED_BYTES + addressBytes * 2;
  view.setUint16(ports, source.port);
  view.setUint16(ports + 2, destination.port);
  if (tlvBytes > 0) {
    header[ports + 4] = PROXY_TLV_IDENTITY;
    view.setUint16(ports + 5, identity.length);
    header.set(identity, ports + 7);
  }
  return header;
}

function writeAddress(into: Uint8Array, { ip }: SocketAddress): void {
  const bytes = ipAddressToBytes(ip);
  if (bytes.length < into.length) into.set([0xff, 0xff], 10);
  into.set(bytes, into.length - bytes.length);
}
