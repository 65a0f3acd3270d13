import type { ServerUnaryCall } from '@grpc/grpc-js';

/** Who is at the other end of a call. Nothing here is authorised yet. */
export interface GrpcPeer {
  /** `address:port`, for the log. */
  readonly address: string;
  /** DER of the client's leaf, which chains to the server's client roots; undefined when it showed none. */
  readonly certificate: Buffer | undefined;
  /** The token of an `authorization: Bearer` header. */
  readonly bearerToken: string | undefined;
  /** Header `ambit-pod`: the pod, as `namespace/name`, that a caller says to be for whose node its certificate speaks. */
  readonly pod?: string;
}

type SurfaceCall = Pick<ServerUnaryCall<unknown, unknown>, 'metadata' | 'getPeer' | 'getAuthContext'>;

/** Header of a call by which a process on a node says which pod of the node it is. */
export const POD_HEADER = 'ambit-pod';

const BEARER_PREFIX = 'Bearer ';
/** A namespace, a slash and a name. */
const POD_LENGTH_MAX = 63 + 1 + 253;

export function peerOf(call: SurfaceCall): GrpcPeer {
  const [authorization] = call.metadata.get('authorization');
  const [pod] = call.metadata.get(POD_HEADER);
  const isBearer = typeof authorization === 'string' && authorization.startsWith(BEARER_PREFIX);
  return {
    address: call.getPeer(),
    certificate: call.getAuthContext().sslPeerCertificate?.raw,
    bearerToken: isBearer ? authorization.slice(BEARER_PREFIX.length) : undefined,
    ...(typeof pod === 'string' && pod.length <= POD_LENGTH_MAX ? { pod } : {}),
  };
}
