import type { ServerUnaryCall } from '@grpc/grpc-js';

/** Who is at the other end of a call. Nothing here is authorised yet. */
export interface GrpcPeer {
  /** `address:port`, for the log. */
  readonly address: string;
  /** DER of the client's leaf, which chains to the server's client roots; undefined when it showed none. */
  readonly certificate: Buffer | undefined;
  /** The token of an `authorization: Bearer` header. */
  readonly bearerToken: string | undefined;
}

type SurfaceCall = Pick<ServerUnaryCall<unknown, unknown>, 'metadata' | 'getPeer' | 'getAuthContext'>;

const BEARER_PREFIX = 'Bearer ';

export function peerOf(call: SurfaceCall): GrpcPeer {
  const [authorization] = call.metadata.get('authorization');
  const isBearer = typeof authorization === 'string' && authorization.startsWith(BEARER_PREFIX);
  return {
    address: call.getPeer(),
    certificate: call.getAuthContext().sslPeerCertificate?.raw,
    bearerToken: isBearer ? authorization.slice(BEARER_PREFIX.length) : undefined,
  };
}
