import type { CompiledRule } from './compile-rule.ts';
import type { HeaderValue, SessionPolicy } from './rule.ts';
import type { SessionSeal } from './session-seal.ts';

/** Where a session's requests go. */
export interface SessionTarget {
  /** Which backend of the rule, by a name that stays when weights and order change. */
  readonly backend: string;
  /** Which endpoint of it. */
  readonly endpoint: string;
}

export type Session =
  /** The client has none. */
  | { readonly kind: 'none' }
  | { readonly kind: 'bound'; readonly target: SessionTarget; readonly beganMs: number }
  /** It has one that does not count: made up, of another rule, or too old. A new one begins. */
  | { readonly kind: 'refused'; readonly reason: 'unreadable' | 'expired' };

type SessionRule = Pick<CompiledRule<unknown>, 'routeKey' | 'index' | 'name'>;

const NO_SESSION: Session = { kind: 'none' };
const HEADER_NAME_DEFAULT = 'x-ambit-session';
const COOKIE_NAME_PREFIX = 'ambit-session-';
/** Cookies of one name, from several paths; more are nobody's. */
const COOKIES_TRIED_MAX = 4;
const TOKEN_VERSION = 1;

/** The name of the cookie or header: what the policy says, else one that no other rule has. */
export function sessionName(policy: SessionPolicy, rule: SessionRule): string {
  if (policy.name !== null) return policy.kind === 'header' ? policy.name.toLowerCase() : policy.name;
  return policy.kind === 'header' ? HEADER_NAME_DEFAULT : `${COOKIE_NAME_PREFIX}${hashOf(contextOf(rule))}`;
}

/**
 * The session of a request. `value` is that of the request's header `cookie`, or of the policy's header; several lines of
 * cookies are joined by `; `.
 */
export function readSession(
  policy: SessionPolicy,
  rule: SessionRule,
  value: string | null,
  seal: SessionSeal,
  nowMs: number,
): Session {
  if (value === null) return NO_SESSION;
  const tokens = policy.kind === 'header' ? [value.trim()] : cookiesNamed(value, sessionName(policy, rule));
  let session = NO_SESSION;
  for (const token of tokens) {
    session = openToken(token, policy, rule, seal, nowMs);
    if (session.kind === 'bound') return session;
  }
  return session;
}

export interface SessionAnswer {
  readonly policy: SessionPolicy;
  readonly rule: SessionRule;
  /** As `readSession` gave it. */
  readonly session: Session;
  /** Where the request went. */
  readonly target: SessionTarget;
  /** The path that the rule matched by: the cookie is for what is below. */
  readonly matched: string;
  /** The client came by TLS of its own. */
  readonly secure: boolean;
  readonly nowMs: number;
}

/** The header of the response that begins a session, or moves it when its endpoint is gone; null when it goes on as it is. */
export function decideSessionAnswer(answer: SessionAnswer, seal: SessionSeal): HeaderValue | null {
  const { policy, rule, session, target, matched, secure, nowMs } = answer;
  const isSame =
    session.kind === 'bound' &&
    session.target.backend === target.backend &&
    session.target.endpoint === target.endpoint;
  if (isSame) return null;
  const beganMs = session.kind === 'bound' ? session.beganMs : nowMs;
  const text = JSON.stringify([TOKEN_VERSION, target.backend, target.endpoint, beganMs]);
  const token = seal.seal(text, contextOf(rule));
  const name = sessionName(policy, rule);
  if (policy.kind === 'header') return { name, value: token };
  const attributes = [`Path=${cookiePath(matched)}`, 'HttpOnly', 'SameSite=Strict'];
  if (secure) attributes.push('Secure');
  if (policy.permanent && policy.absoluteTimeoutMs !== null) {
    attributes.push(`Max-Age=${Math.max(0, Math.ceil((beganMs + policy.absoluteTimeoutMs - nowMs) / 1000))}`);
  }
  return { name: 'set-cookie', value: `${name}=${token}; ${attributes.join('; ')}` };
}

function openToken(token: string, policy: SessionPolicy, rule: SessionRule, seal: SessionSeal, nowMs: number): Session {
  const text = seal.open(token, contextOf(rule));
  const content = text === null ? null : parseContent(text);
  if (content === null) return { kind: 'refused', reason: 'unreadable' };
  const { target, beganMs } = content;
  const isOld = policy.absoluteTimeoutMs !== null && nowMs - beganMs >= policy.absoluteTimeoutMs;
  return isOld ? { kind: 'refused', reason: 'expired' } : { kind: 'bound', target, beganMs };
}

/** Only a seal's own text comes here; a later version of it may hold something else. */
function parseContent(text: string): { readonly target: SessionTarget; readonly beganMs: number } | null {
  const content: unknown = JSON.parse(text);
  if (!Array.isArray(content)) return null;
  const [version, backend, endpoint, beganMs]: readonly unknown[] = content;
  if (version !== TOKEN_VERSION || typeof backend !== 'string' || typeof endpoint !== 'string') return null;
  return typeof beganMs === 'number' ? { target: { backend, endpoint }, beganMs } : null;
}

/** A token counts for the rule that made it. One without a name is known by its place in the route. */
function contextOf(rule: SessionRule): string {
  return `${rule.routeKey}/${rule.name ?? rule.index}`;
}

function cookiesNamed(header: string, name: string): readonly string[] {
  return header
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
    .slice(0, COOKIES_TRIED_MAX)
    .map((pair) => pair.slice(name.length + 1));
}

/** A semicolon would begin another attribute: then the cookie is for what is above it. */
function cookiePath(matched: string): string {
  const end = matched.indexOf(';');
  return end === -1 ? matched : matched.slice(0, Math.max(1, matched.lastIndexOf('/', end)));
}

/** FNV-1a: names, not secrets. */
function hashOf(text: string): string {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, '0');
}
