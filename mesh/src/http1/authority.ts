import { COLON, DIGIT, HOST_NAME, IPV6_LITERAL } from './characters.ts';

const OPEN_BRACKET = 91;
const CLOSE_BRACKET = 93;
/** RFC 1035: no name is longer, and no address. */
const HOST_MAX_BYTES = 255;
const PORT_DIGITS_MAX = 5;
const PORT_MAX = 65_535;
/** `::`. */
const IPV6_MIN_BYTES = 2;

/**
 * Whether `[start, end)` is a host with an optional port, and nothing beside: no user, no percent-encoding, no empty port.
 * An IPv6 address is only checked for its characters.
 */
export function isAuthority(bytes: Uint8Array, start: number, end: number, port: 'optional' | 'required'): boolean {
  const hostEnd = endOfHost(bytes, start, end);
  if (hostEnd < 0 || hostEnd - start > HOST_MAX_BYTES) return false;
  if (hostEnd === end) return port === 'optional';
  return bytes[hostEnd] === COLON && isPort(bytes, hostEnd + 1, end);
}

/** -1 when there is no host. */
function endOfHost(bytes: Uint8Array, start: number, end: number): number {
  const bracketed = bytes[start] === OPEN_BRACKET && start < end;
  const characters = bracketed ? IPV6_LITERAL : HOST_NAME;
  const first = bracketed ? start + 1 : start;
  let at = first;
  while (at < end && characters[bytes[at] ?? 0] === 1) at += 1;
  if (!bracketed) return at > first ? at : -1;
  return at < end && bytes[at] === CLOSE_BRACKET && at - first >= IPV6_MIN_BYTES ? at + 1 : -1;
}

function isPort(bytes: Uint8Array, start: number, end: number): boolean {
  if (end === start || end - start > PORT_DIGITS_MAX) return false;
  let port = 0;
  for (let at = start; at < end; at += 1) {
    const byte = bytes[at] ?? 0;
    if (DIGIT[byte] !== 1) return false;
    port = port * 10 + byte - 48;
  }
  return port >= 1 && port <= PORT_MAX;
}
