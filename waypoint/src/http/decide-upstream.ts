import type { AppProtocol } from '@ambit/mesh/model';

/** Of a request, as far as it matters to what it is sent in. */
export interface ClientProtocol {
  readonly isHttp2: boolean;
  readonly isGrpc: boolean;
}

/**
 * What a request is sent in: what the port of its server declares, or as the client spoke. In TLS it is HTTP/1.1, which every server
 * takes, but for gRPC.
 */
export function decideUpstream(declared: AppProtocol, { isHttp2, isGrpc }: ClientProtocol): 'http/1.1' | 'http/2' {
  if (declared === 'http2' || declared === 'grpc') return 'http/2';
  if (declared === 'tls') return isGrpc ? 'http/2' : 'http/1.1';
  return isHttp2 && declared !== 'http1' ? 'http/2' : 'http/1.1';
}
