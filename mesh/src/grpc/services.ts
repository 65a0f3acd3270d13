import type { DiscoveryRequest, DiscoveryResponse } from '../wire/discovery-messages.ts';
import type { GrpcPeer } from './server-peer.ts';

/** The server's end of one delta discovery stream. */
export interface DiscoveryServerStream {
  readonly peer: GrpcPeer;
  /**
   * It is known who calls: to be said before the first request is asked for. `caller` tells callers apart, whatever they ask
   * for; each has a few connections.
   */
  accept(caller: string): void;
  /** Requests in order, one consumer. Ends when the client has half-closed or is gone; throws GrpcError on garbage. */
  readonly requests: AsyncIterable<DiscoveryRequest>;
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal;
  /** Resolves when the response was handed to the network: a slow client slows its sender down. Rejects when it is gone. */
  send(response: DiscoveryResponse): Promise<void>;
}

export interface CertificateRequest {
  readonly csrPem: string;
  readonly validitySeconds: number;
  /** `ImpersonatedIdentity` of the request's metadata, as text from outside; undefined when it is not there. */
  readonly impersonatedIdentity: string | undefined;
}

/**
 * Reads the one request of a call. A caller's first bytes are taken from the network only now: ask once it is known who
 * calls. Also tells the server that it is, so that the connection may stay; `caller` as in `DiscoveryServerStream.accept`.
 * @throws GrpcError when it is too large, late or no such request.
 */
export type ReadRequest<T> = (caller: string) => Promise<T>;

/**
 * What a server answers; methods of services that are absent are unimplemented. A handler that throws GrpcError answers
 * with that status and its constant words, any other error is logged and answered `internal`.
 */
export interface GrpcServices {
  /** Serves one stream; the stream ends, in order, when the promise resolves. */
  readonly discovery?: (stream: DiscoveryServerStream) => Promise<void>;
  readonly certificates?: {
    /** Resolves with PEM texts: leaf, intermediates, and the roots in the last. */
    createCertificate(
      read: ReadRequest<CertificateRequest>,
      peer: GrpcPeer,
      signal: AbortSignal,
    ): Promise<readonly string[]>;
  };
  readonly nodes?: {
    /** The request itself says who calls. Resolves with PEM texts: leaf first, then intermediates. */
    join(request: { readonly token: string; readonly csrPem: string }, peer: GrpcPeer): Promise<readonly string[]>;
    renew(read: ReadRequest<{ readonly csrPem: string }>, peer: GrpcPeer): Promise<readonly string[]>;
  };
}
