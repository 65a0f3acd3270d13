import type { ServiceKey } from '../model/service.ts';

/** A name in a certificate. */
export type SubjectAltName =
  | { readonly kind: 'hostname'; readonly hostname: string }
  | { readonly kind: 'uri'; readonly uri: string };

/** TLS to a server outside of the mesh's own identities: what is asked for, and what is believed. */
export interface BackendTls {
  readonly kind: 'tls';
  /** What the server is asked for, and the name in its certificate unless `altNames` says otherwise. */
  readonly serverName: string;
  /** PEM of the certificates that the server's must chain to; `system`: whatever this machine trusts. */
  readonly roots: { readonly kind: 'pem'; readonly pem: string } | { readonly kind: 'system' };
  /** The certificate has one of them; empty: `serverName`. */
  readonly altNames: readonly SubjectAltName[];
}

/** Why nothing may be sent to a port that TLS was asked for. */
export type SecurityFault = 'NoValidCACertificate' | 'Invalid';

export type PortSecurity = BackendTls | { readonly kind: 'invalid'; readonly reason: SecurityFault };

/** How connections to ports of one Service are secured, as a waypoint is sent it; to other ports they are not. */
export interface BackendSecurity {
  readonly service: ServiceKey;
  /** Each port at most once. Never empty, and none is without ports. */
  readonly secured: readonly { readonly ports: readonly number[]; readonly security: PortSecurity }[];
}

/** Stands in for what is asked of a Service's ports and cannot be read: nothing is sent to any of them. */
export interface ClosedBackend {
  readonly service: ServiceKey;
  readonly secured: 'unknown';
}

const CLOSED: PortSecurity = { kind: 'invalid', reason: 'Invalid' };

/** Null: what is sent there needs no TLS. */
export function securityOf(backend: BackendSecurity | ClosedBackend | undefined, port: number): PortSecurity | null {
  if (backend?.secured === 'unknown') return CLOSED;
  return backend?.secured.find(({ ports }) => ports.includes(port))?.security ?? null;
}
