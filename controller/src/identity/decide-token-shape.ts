import { isRecord, jsonAt } from '../json.ts';
import type { TokenRefusal } from './admit-token-caller.ts';

/** Longest token that is looked at; those of the API server are below 2 kB. */
export const TOKEN_LENGTH_MAX = 8192;

const JWT = /^[\w-]+\.([\w-]+)\.[\w-]+$/;

/** What a token says of itself. Nothing of it is verified. */
export type TokenShape =
  | { readonly kind: 'plausible'; readonly expiresAtMs: number }
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
  return { kind: 'plausible', expiresAtMs: expires * 1000 };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
