export { type CaClient, createCaClient, type IssuedCertificate, requestSvid } from './ca-client.ts';
export { ConnectionGate } from './connection-gate.ts';
export { CONTROLLER_SERVER_NAME, type ControllerAccess, type ControllerCredentials } from './controller-access.ts';
export { type AccessKind, hintedTransport, withHint } from './controller-hints.ts';
export { type AccessOptions, openControllerAccess, renewWithRoots } from './controller-upstream.ts';
export { GrpcError, type GrpcErrorCode } from './errors.ts';
export {
  type JoinOptions,
  joinNode,
  loadNodeCredentials,
  type NodeCredentials,
  type NodeIdentity,
  nodeRenewalDelayMs,
  openNodeIdentity,
  renewNode,
} from './node-identity.ts';
export { createNodeIdentityClient, type NodeIdentityClient } from './node-identity-client.ts';
export { createPushTransport } from './push-transport.ts';
export { type GrpcServer, type GrpcServerOptions, type GrpcServerTls, startGrpcServer } from './server.ts';
export { type GrpcPeer, POD_HEADER } from './server-peer.ts';
export { SvidStore, type SvidStoreOptions } from './svid-store.ts';
export { createTokenAccess, watchRoots } from './token-access.ts';
export type { CertificateRequest, DiscoveryServerStream, GrpcServices, ReadRequest } from './services.ts';
