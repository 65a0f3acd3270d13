import type { DiscoveryRequest, DiscoveryResponse } from '../wire/discovery-messages.ts';
import type { GrpcPeer } from './server-peer.ts';

/** The server's end of one delta discovery stream. */
export interface DiscoveryServerStream {
  readonly peer: GrpcPeer;
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
 * calls. Also tells the server that it is, so that the connection may stay.
 * @throws GrpcError when it is too large, late or no such request.
 */
export type ReadRequest<T> = () => Promise<T>;

/**
 * What a server answers; methods of services that are absent are unimplemented. A handler that throws GrpcError answers
 * with that status and its constant words, any other error is logged and answered `internal`.
 */
export interface GrpcServices {
  /**
   * Serves one stream; the stream ends, in order, when the promise resolves. To iterate its requests says, as ReadRequest
   * does, that the caller is known.
   */
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
