import type { IpAddress, Port } from './address.ts';

interface ProbeBase {
  readonly port: Port;
  /** How long whoever probes waits for the answer. */
  readonly timeoutMs: number;
}

export interface HttpProbe extends ProbeBase {
  readonly kind: 'http';
  /** Path and query as they stand in the request line; see `probeTarget`. */
  readonly target: string;
  /** HTTPS; the certificate is not verified. */
  readonly secure: boolean;
  /** Names in lower case, in order; may repeat. */
  readonly headers: readonly { readonly name: string; readonly value: string }[];
}

export interface GrpcProbe extends ProbeBase {
  readonly kind: 'grpc';
  /** Of the health check request; often empty. */
  readonly service: string;
}

export interface TcpProbe extends ProbeBase {
  readonly kind: 'tcp';
}

/** How a pod declares that its health is asked from the outside: by connecting to one of its ports. */
export type Probe = HttpProbe | GrpcProbe | TcpProbe;

/** What the node of a pod must know to let its kubelet probe the pod and nobody do anything else. */
export interface PodProbes {
  /** Addresses the kubelet may connect from. */
  readonly nodeAddresses: readonly IpAddress[];
  readonly probes: readonly Probe[];
}

/** What may stand unescaped in a request line. */
const PLAIN = /^[!$&'()*+,\-./0-9:;=?@A-Z_[\]a-z~]$/;
const ESCAPE = /^%[0-9A-Fa-f]{2}$/;

/** A scheme and an authority, which a kubelet puts its own in place of. */
const ORIGIN = /^(?:[A-Za-z][A-Za-z0-9+.-]*:)?\/\/[^/?#]*/;

/**
 * The request target for a declared path, as a kubelet makes it: absolute, without origin and fragment, every character escaped that a
 * request line cannot hold.
 */
export function probeTarget(path: string): string {
  const [withoutFragment = ''] = path.replace(ORIGIN, '').split('#', 1);
  let target = withoutFragment.startsWith('/') ? '' : '/';
  const characters = Array.from(withoutFragment);
  for (const [at, character] of characters.entries()) {
    const isEscape = character === '%' && ESCAPE.test(characters.slice(at, at + 3).join(''));
    target += PLAIN.test(character) || isEscape ? character : escapeBytes(character);
  }
  return target;
}

/** Whether two request targets ask for the same, however their paths are escaped. */
export function isSameTarget(a: string, b: string): boolean {
  return a === b || unescaped(a) === unescaped(b);
}

function escapeBytes(character: string): string {
  const bytes = new TextEncoder().encode(character);
  return Array.from(bytes, (byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('');
}

function unescaped(target: string): string {
  const query = target.indexOf('?');
  const path = query === -1 ? target : target.slice(0, query);
  try {
    return decodeURIComponent(path) + (query === -1 ? '' : `\u0000${target.slice(query)}`);
  } catch {
    // Escapes that are no UTF-8.
    return target;
  }
}
