import { formatSocketAddress, parseIpAddress, parsePort, type Port, type SocketAddress } from '../model/address.ts';
import { WireError } from './errors.ts';
import { readModel } from './field-reader.ts';
import { LIMITS } from './limits.ts';

/** Whom a CONNECT asks for (protocol.md 1.4). Host names are lower-case. */
export type Authority =
  | { readonly kind: 'address'; readonly address: SocketAddress }
  | { readonly kind: 'hostname'; readonly hostname: string; readonly port: Port };

const PATH = ':authority';
const AUTHORITY = /^(?:\[([0-9a-fA-F:.]+)\]|([^[\]:]+)):([1-9]\d{0,4})$/;
const LABEL = '[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?';
/** A last label of digits alone would be read as an IPv4 address by some peers. */
const HOSTNAME = new RegExp(`^(?!(?:.*\\.)?\\d+$)${LABEL}(?:\\.${LABEL})*$`);

/**
 * `10.0.0.1:80`, `[fd00::1]:80` or `web.shop.svc.cluster.local:80`.
 * @throws WireError `invalid-field`, or `over-limit` when it is longer than any of these can be.
 */
export function parseAuthority(text: string): Authority {
  if (text.length > LIMITS.authorityLength) {
    throw new WireError('over-limit', { path: PATH, reason: `more than ${LIMITS.authorityLength} characters` });
  }
  const match = AUTHORITY.exec(text);
  if (match === null) return refuse('not host:port');
  const [, bracketed, host = '', portText = ''] = match;
  const port = readModel(PATH, () => parsePort(portText));
  if (bracketed !== undefined) {
    const ip = readModel(PATH, () => parseIpAddress(bracketed));
    if (!bracketed.includes(':')) return refuse('brackets around what is no IPv6 address');
    return { kind: 'address', address: { ip, port } };
  }
  if (/^[\d.]+$/.test(host)) {
    return { kind: 'address', address: { ip: readModel(PATH, () => parseIpAddress(host)), port } };
  }
  const hostname = host.toLowerCase();
  if (hostname.length > 253 || !HOSTNAME.test(hostname)) return refuse('neither an address nor a host name');
  return { kind: 'hostname', hostname, port };
}

export function formatAuthority(authority: Authority): string {
  return authority.kind === 'address'
    ? formatSocketAddress(authority.address)
    : `${authority.hostname}:${authority.port}`;
}

function refuse(reason: string): never {
  throw new WireError('invalid-field', { path: PATH, reason });
}
