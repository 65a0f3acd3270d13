export type { Netfilter } from './netfilter.ts';
export { nftables } from './nftables.ts';
export {
  buildRemoval,
  buildRuleset,
  DEFAULT_PACKET_MARK,
  DEFAULT_REDIRECT_OPTIONS,
  HBONE_PORT,
  INBOUND_PLAINTEXT_PORT,
  OUTBOUND_PORT,
  type RedirectOptions,
} from './ruleset.ts';
