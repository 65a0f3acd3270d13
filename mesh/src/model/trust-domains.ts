import { createSpiffeId, parseTrustDomain, type SpiffeId, spiffeIdParts, type TrustDomain } from './spiffe-id.ts';

/** Aliases of one mesh: a former name or two of the trust domain, or those of meshes that share the roots. */
const TRUST_DOMAIN_ALIASES_MAX = 16;

/**
 * The own trust domain, and others whose identities count as the same account of the own one. Plain data. Certificates of either
 * have to chain to the own roots: an alias is a further name, not a further authority.
 */
export interface TrustDomains {
  readonly own: TrustDomain;
  /** Never holds `own`. */
  readonly aliases: readonly TrustDomain[];
}

export function createTrustDomains(own: TrustDomain, aliases: readonly TrustDomain[] = []): TrustDomains {
  return { own, aliases: [...new Set(aliases)].filter((alias) => alias !== own) };
}

/** Comma-separated, blanks around them do not count. @throws ModelError or RangeError when one is none, or there are too many. */
export function parseTrustDomainAliases(text: string): readonly TrustDomain[] {
  const aliases = text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
    .map(parseTrustDomain);
  if (aliases.length > TRUST_DOMAIN_ALIASES_MAX) throw new RangeError('too many trust domains');
  return aliases;
}

/** Whether the identity is of the own trust domain or of an alias. */
export function isOfTrustDomains({ own, aliases }: TrustDomains, id: SpiffeId): boolean {
  return isOf(own, id) || aliases.some((alias) => isOf(alias, id));
}

/**
 * Every identity that counts as `id`, `id` first: the same account in each of the trust domains when `id` is of one of them, else
 * `id` alone.
 */
export function identitiesOfSame(domains: TrustDomains, id: SpiffeId): readonly SpiffeId[] {
  if (domains.aliases.length === 0 || !isOfTrustDomains(domains, id)) return [id];
  const parts = spiffeIdParts(id);
  const others = [domains.own, ...domains.aliases].filter((domain) => domain !== parts.trustDomain);
  return [id, ...others.map((trustDomain) => createSpiffeId({ ...parts, trustDomain }))];
}

function isOf(domain: TrustDomain, id: SpiffeId): boolean {
  return id.startsWith(`spiffe://${domain}/`);
}
