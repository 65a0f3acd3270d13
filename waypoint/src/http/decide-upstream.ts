import type { AppProtocol } from '@ambit/mesh/model';

/** What a request is sent in: what the port of its server declares, or as the client spoke. */
export function decideUpstream(declared: AppProtocol, clientIsHttp2: boolean): 'http/1.1' | 'http/2' {
  if (declared === 'http2' || declared === 'grpc') return 'http/2';
  return clientIsHttp2 && declared !== 'http1' ? 'http/2' : 'http/1.1';
}
