/**
 * HBONE tunnels: HTTP/2 CONNECT over mutual TLS. Functions of the public face: `acceptHbone: AcceptHbone`,
 * `connectHbone: ConnectHbone`, `createHbonePool: CreateHbonePool`.
 */
export type {
  AcceptHbone,
  AcceptOptions,
  ConnectHbone,
  ConnectOptions,
  CreateHbonePool,
  HboneEnvironment,
  HbonePool,
  PoolTarget,
  VerifyPeer,
} from './contract.ts';
export { HboneError, type HboneErrorCode } from './errors.ts';
export { DEFAULT_LIMITS, type HboneLimits } from './limits.ts';
export type {
  HboneConnection,
  HboneSession,
  HeaderList,
  OpenedTunnel,
  TunnelOpening,
  TunnelReader,
  TunnelRequest,
  TunnelResult,
  TunnelStream,
} from './tunnel.ts';
