import type { CompiledRule } from './compile-rule.ts';
import type { HeaderValue, SessionPolicy } from './rule.ts';
import type { SessionSeal } from './session-seal.ts';

/** Where a session's requests go. */
export interface SessionTarget {
  /** Which backend of the rule, by a name that stays when weights and order change. */
  readonly backend: string;
  /** Which endpoint of it, by a name that no later one gets when this one is gone. */
  readonly endpoint: string;
}

export type Session =
  /** The client has none. */
  | { readonly kind: 'none' }
  | {
      readonly kind: 'bound';
      readonly target: SessionTarget;
      readonly beganMs: number;
      /** What the client brought. */
      readonly token: string;
      /** That would be made anew in the same way. */
      readonly isCurrent: boolean;
    }
  /** It has one that does not count: made up, of another rule, or too old. A new one begins. */
  | { readonly kind: 'refused'; readonly reason: 'unreadable' | 'expired' };

export type SessionRule = Pick<CompiledRule<unknown>, 'routeKey' | 'index' | 'name'>;

const NO_SESSION: Session = { kind: 'none' };
const UNREADABLE: Session = { kind: 'refused', reason: 'unreadable' };
const EXPIRED: Session = { kind: 'refused', reason: 'expired' };
const HEADER_NAME_DEFAULT = 'x-ambit-session';
const COOKIE_NAME_PREFIX = 'ambit-session-';
/** Cookies of one name, from several paths; more are nobody's. */
const COOKIES_TRIED_MAX = 4;
const TOKEN_VERSION = 1;
/** For whatever path the client asks next: what a path is rewritten to before it comes here nobody knows. */
const COOKIE_PATH = '/';

/** The name of the cookie or header: what the policy says, else one that no other rule has. */
export function sessionName(policy: SessionPolicy, rule: SessionRule): string {
  if (policy.name !== null) return policy.kind === 'header' ? policy.name.toLowerCase() : policy.name;
  return policy.kind === 'header' ? HEADER_NAME_DEFAULT : `${COOKIE_NAME_PREFIX}${hashOf(contextOf(rule))}`;
}

/** The header of requests that has the session, in lower case. */
export function sessionHeader(policy: SessionPolicy, rule: SessionRule): string {
  return policy.kind === 'header' ? sessionName(policy, rule) : 'cookie';
}

/** The session of a request. `value` is that of the request's `sessionHeader`; its lines may be joined by `, `. */
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
  /** The client came by TLS of its own. */
  readonly secure: boolean;
  readonly nowMs: number;
}

/**
 * What the response says of the session: the cookie that begins it, or moves it when its endpoint is gone, or has it sealed with
 * the present key; null when the client's cookie goes on as it is. A header is said every time, in place of what the server says.
 */
export function decideSessionAnswer(answer: SessionAnswer, seal: SessionSeal): HeaderValue | null {
  const { policy, rule, session, target, secure, nowMs } = answer;
  const name = sessionName(policy, rule);
  if (session.kind === 'bound' && session.isCurrent && isSame(session.target, target)) {
    return policy.kind === 'header' ? { name, value: session.token } : null;
  }
  const beganMs = session.kind === 'bound' ? session.beganMs : nowMs;
  const text = JSON.stringify([TOKEN_VERSION, target.backend, target.endpoint, beganMs]);
  const token = seal.seal(text, contextOf(rule));
  if (policy.kind === 'header') return { name, value: token };
  const attributes = [`Path=${COOKIE_PATH}`, 'HttpOnly', 'SameSite=Strict'];
  if (secure) attributes.push('Secure');
  if (policy.permanent && policy.absoluteTimeoutMs !== null) {
    attributes.push(`Max-Age=${Math.max(0, Math.ceil((beganMs + policy.absoluteTimeoutMs - nowMs) / 1000))}`);
  }
  return { name: 'set-cookie', value: `${name}=${token}; ${attributes.join('; ')}` };
}

function isSame(a: SessionTarget, b: SessionTarget): boolean {
  return a.backend === b.backend && a.endpoint === b.endpoint;
}

function openToken(token: string, policy: SessionPolicy, rule: SessionRule, seal: SessionSeal, nowMs: number): Session {
  const opened = seal.open(token, contextOf(rule));
  const content = opened === null ? null : parseContent(opened.text);
  if (opened === null || content === null) return UNREADABLE;
  const { target, beganMs } = content;
  const isOld = policy.absoluteTimeoutMs !== null && nowMs - beganMs >= policy.absoluteTimeoutMs;
  return isOld ? EXPIRED : { kind: 'bound', target, beganMs, token, isCurrent: opened.isCurrent };
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

/** Neither `;` nor `,` is in a cookie's name, nor in the value of one of ours. */
function cookiesNamed(header: string, name: string): readonly string[] {
  const found: string[] = [];
  const start = `${name}=`;
  for (let at = header.indexOf(start); at >= 0 && found.length < COOKIES_TRIED_MAX; ) {
    const end = endOfCookie(header, at);
    if (beginsCookie(header, at)) found.push(header.slice(at + start.length, end).trimEnd());
    at = header.indexOf(start, end);
  }
  return found;
}

function beginsCookie(header: string, at: number): boolean {
  let before = at - 1;
  while (before >= 0 && (header[before] === ' ' || header[before] === '\t')) before -= 1;
  return before < 0 || header[before] === ';' || header[before] === ',';
}

function endOfCookie(header: string, at: number): number {
  for (let index = at; index < header.length; index += 1) {
    if (header[index] === ';' || header[index] === ',') return index;
  }
  return header.length;
}

/** FNV-1a: names, not secrets. */
function hashOf(text: string): string {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, '0');
}
