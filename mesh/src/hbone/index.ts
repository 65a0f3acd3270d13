/** HBONE tunnels: HTTP/2 CONNECT over mutual TLS. */
export type { Carrier, CarrierReader, CarrierResult, PayloadTap } from './carrier.ts';
export { CarrierDuplex } from './carrier-duplex.ts';
export type {
  AcceptOptions,
  ConnectOptions,
  HboneEnvironment,
  HbonePool,
  PoolTarget,
  VerifyPeer,
} from './contract.ts';
export { HboneError, type HboneErrorCode } from './errors.ts';
export { HANDSHAKE_LIMITS, HandshakeLimit, type HandshakeLimits } from './handshake-limit.ts';
export { DEFAULT_LIMITS, type HboneLimits } from './limits.ts';
export { type LocalTunnelOptions, type LocalTunnelRequest, openLocalTunnel } from './local-tunnel.ts';
export { DirectReads, readDirectly } from './direct-reads.ts';
export { ReadPace } from './read-pace.ts';
export { type DirectSend, sendDirectly } from './direct-send.ts';
export { acceptBare, BareSocket, hasBareSockets } from './bare-socket.ts';
export { createPlainCarrier } from './plain-carrier.ts';
export { type PlainSocket, resetSocket } from './plain-socket.ts';
export type { BudgetedReader, ReadBudget } from './read-budget.ts';
export { createHbonePool } from './pool.ts';
export { acceptHbone } from './server.ts';
export { connectHbone } from './session.ts';
export { isOwned } from './spliced-socket.ts';
export type {
  HboneConnection,
  HboneSession,
  HeaderList,
  OpenedTunnel,
  TunnelEnd,
  TunnelOpening,
  TunnelRequest,
  TunnelStream,
} from './tunnel.ts';
