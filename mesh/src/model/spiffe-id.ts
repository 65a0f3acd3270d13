import { type Brand, branded } from './brand.ts';
import { ModelError } from './errors.ts';

/**
 * `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`, exactly this shape (protocol.md 1.2).
 * Canonical text, so `===` compares identities.
 */
export type SpiffeId = Brand<string, 'SpiffeId'>;
/** Lower-case host name that names one certificate authority's realm. */
export type TrustDomain = Brand<string, 'TrustDomain'>;

export interface SpiffeIdParts {
  readonly trustDomain: TrustDomain;
  readonly namespace: string;
  readonly serviceAccount: string;
}

export const DEFAULT_TRUST_DOMAIN: TrustDomain = branded('cluster.local');

const TRUST_DOMAIN = /^[a-z0-9._-]{1,255}$/;
const SEGMENT = /^[a-zA-Z0-9._-]{1,253}$/;

/** @throws ModelError `invalid-trust-domain`. */
export function parseTrustDomain(text: string): TrustDomain {
  if (!TRUST_DOMAIN.test(text)) {
    throw new ModelError('invalid-trust-domain', {
      value: text,
      expected: 'lower-case letters, digits, ".", "-", "_"',
    });
  }
  return branded(text);
}

/** @throws ModelError `invalid-spiffe-id` on any other shape. */
export function parseSpiffeId(text: string): SpiffeId {
  partsOf(text);
  return branded(text);
}

/** @throws ModelError `invalid-spiffe-id` when a part could not be told apart once joined. */
export function createSpiffeId(parts: SpiffeIdParts): SpiffeId {
  return parseSpiffeId(`spiffe://${parts.trustDomain}/ns/${parts.namespace}/sa/${parts.serviceAccount}`);
}

export function spiffeIdParts(id: SpiffeId): SpiffeIdParts {
  return partsOf(id);
}

function partsOf(text: string): SpiffeIdParts {
  const fail = (): never => {
    throw new ModelError('invalid-spiffe-id', {
      value: text,
      expected: 'spiffe://<trust domain>/ns/<namespace>/sa/<account>',
    });
  };
  if (text.length > 2048 || !text.startsWith('spiffe://')) return fail();
  const segments = text.slice('spiffe://'.length).split('/');
  const [trustDomain = '', ns, namespace = '', sa, serviceAccount = ''] = segments;
  if (segments.length !== 5 || ns !== 'ns' || sa !== 'sa') return fail();
  if (!TRUST_DOMAIN.test(trustDomain) || !isSegment(namespace) || !isSegment(serviceAccount)) return fail();
  return { trustDomain: branded(trustDomain), namespace, serviceAccount };
}

function isSegment(text: string): boolean {
  return SEGMENT.test(text) && text !== '.' && text !== '..';
}
