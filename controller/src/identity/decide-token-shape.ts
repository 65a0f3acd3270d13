import { isRecord, jsonAt, jsonText } from '../json.ts';
import type { TokenRefusal } from './admit-token-caller.ts';

/** Longest token that is looked at; those of the API server are below 2 kB. */
export const TOKEN_LENGTH_MAX = 8192;

const JWT = /^[\w-]+\.([\w-]+)\.[\w-]+$/;

/** The pod that a token says it is bound to. */
export interface TokenClaims {
  readonly namespace: string;
  readonly podName: string;
  readonly podUid: string;
}

/** What a token says of itself. Nothing of it is verified: no claim makes anybody somebody. */
export type TokenShape =
  | { readonly kind: 'plausible'; readonly expiresAtMs: number; readonly claims: TokenClaims | null }
  | { readonly kind: 'refused'; readonly reason: TokenRefusal };

/**
 * Whether it is worth asking the API server about a token: only one that claims to be for us and not to have expired can be
 * accepted, so that most of what is wrong costs the API server nothing.
 */
export function decideTokenShape(token: string | undefined, audiences: readonly string[], nowMs: number): TokenShape {
  if (token === undefined || token === '') return { kind: 'refused', reason: 'no-token' };
  const payload = token.length > TOKEN_LENGTH_MAX ? undefined : JWT.exec(token)?.[1];
  const claims = payload === undefined ? undefined : parseJson(Buffer.from(payload, 'base64url').toString());
  const expires = jsonAt(claims, 'exp');
  if (!isRecord(claims) || typeof expires !== 'number') return { kind: 'refused', reason: 'token-malformed' };
  const claimed = [claims['aud']].flat();
  if (!audiences.some((audience) => claimed.includes(audience))) {
    return { kind: 'refused', reason: 'token-other-audience' };
  }
  if (expires * 1000 <= nowMs) return { kind: 'refused', reason: 'token-expired' };
  return { kind: 'plausible', expiresAtMs: expires * 1000, claims: podOf(claims) };
}

function podOf(claims: unknown): TokenClaims | null {
  const text = (...path: readonly string[]): string => jsonText(claims, 'kubernetes.io', ...path);
  const [namespace, podName, podUid] = [text('namespace'), text('pod', 'name'), text('pod', 'uid')];
  return namespace === '' || podName === '' || podUid === '' ? null : { namespace, podName, podUid };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
