import type { HeaderEdits } from './header-edits.ts';
import type { CorsFilter, HeaderValue } from './rule.ts';

/** What of a request says whether it crosses origins; null for headers that are not there. */
export interface CorsFacts {
  readonly method: string;
  readonly origin: string | null;
  /** `Access-Control-Request-Method`. */
  readonly requestMethod: string | null;
  /** `Access-Control-Request-Headers`. */
  readonly requestHeaders: string | null;
}

export type CorsDecision =
  /** Nobody asks: the request goes on as it is. */
  | { readonly kind: 'none' }
  /** A preflight request: answered here, without a body. */
  | { readonly kind: 'preflight'; readonly status: 204; readonly headers: readonly HeaderValue[] }
  /** The request goes on; its response is changed, so that the backend's own idea does not count. */
  | { readonly kind: 'response'; readonly edits: HeaderEdits };

const ALLOW_ORIGIN = 'access-control-allow-origin';
const ALLOW_CREDENTIALS = 'access-control-allow-credentials';
const ALLOW_METHODS = 'access-control-allow-methods';
const ALLOW_HEADERS = 'access-control-allow-headers';
const EXPOSE_HEADERS = 'access-control-expose-headers';
const MAX_AGE = 'access-control-max-age';
/** What caches must tell apart: the answer differs by these. */
const VARY_PREFLIGHT = 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers';

const RESPONSE_HEADERS: ReadonlySet<string> = new Set([ALLOW_ORIGIN, ALLOW_CREDENTIALS, EXPOSE_HEADERS]);
/** What may be sent back: an echo must not become another header. */
const LIST_OF_NAMES = /^[A-Za-z0-9!#$%&'*+\-.^_`|~, \t]{1,4096}$/;
const METHOD = /^[A-Za-z0-9!#$%&'*+\-.^_`|~]{1,64}$/;

/**
 * The CORS filter (Fetch, CORS protocol). An origin that is not allowed gets no CORS headers, which is what makes a browser
 * refuse. `*` is said only to requests without credentials; with them the request's own words are said back.
 */
export function decideCors(filter: CorsFilter, facts: CorsFacts): CorsDecision {
  const { origin } = facts;
  if (origin === null) return { kind: 'none' };
  const allowed = originAllowed(filter, origin);
  if (facts.method === 'OPTIONS' && facts.requestMethod !== null) {
    const headers = allowed ? preflightHeaders(filter, facts, origin) : [];
    return { kind: 'preflight', status: 204, headers: [...headers, { name: 'vary', value: VARY_PREFLIGHT }] };
  }
  const headers = allowed ? commonHeaders(filter, origin) : [];
  return {
    kind: 'response',
    edits: { dropped: RESPONSE_HEADERS, appended: [...headers, { name: 'vary', value: 'Origin' }] },
  };
}

function commonHeaders(filter: CorsFilter, origin: string): HeaderValue[] {
  const anyone = filter.allowOrigins === null && !filter.allowCredentials;
  const headers: HeaderValue[] = [{ name: ALLOW_ORIGIN, value: anyone ? '*' : origin }];
  if (filter.allowCredentials) headers.push({ name: ALLOW_CREDENTIALS, value: 'true' });
  const exposed = filter.exposeHeaders === null ? anything(filter, null) : listed(filter.exposeHeaders);
  if (exposed !== null) headers.push({ name: EXPOSE_HEADERS, value: exposed });
  return headers;
}

function preflightHeaders(filter: CorsFilter, facts: CorsFacts, origin: string): HeaderValue[] {
  const headers = commonHeaders(filter, origin);
  const { requestMethod, requestHeaders } = facts;
  const method = requestMethod !== null && METHOD.test(requestMethod) ? requestMethod : null;
  const methods = filter.allowMethods === null ? anything(filter, method) : listed(filter.allowMethods);
  if (methods !== null) headers.push({ name: ALLOW_METHODS, value: methods });
  if (requestHeaders !== null) {
    const names = LIST_OF_NAMES.test(requestHeaders) ? requestHeaders : null;
    const allowed = filter.allowHeaders === null ? anything(filter, names) : listed(filter.allowHeaders);
    if (allowed !== null) headers.push({ name: ALLOW_HEADERS, value: allowed });
  }
  headers.push({ name: MAX_AGE, value: String(filter.maxAgeSeconds) });
  return headers;
}

/** For a list that is `*`. */
function anything(filter: CorsFilter, asked: string | null): string | null {
  return filter.allowCredentials ? asked : '*';
}

function listed(values: readonly string[]): string | null {
  return values.length === 0 ? null : values.join(', ');
}

function originAllowed(filter: CorsFilter, origin: string): boolean {
  if (filter.allowOrigins === null) return VISIBLE.test(origin);
  const parsed = parseOrigin(origin);
  return parsed !== null && filter.allowOrigins.some((allowed) => originMatches(allowed, parsed));
}

/** Visible characters: what is sent back must not become another header. */
const VISIBLE = /^[!-~]{1,512}$/;

interface Origin {
  readonly scheme: string;
  readonly host: string;
  readonly port: string;
}

function originMatches(allowed: string, origin: Origin): boolean {
  const wanted = parseOrigin(allowed);
  if (wanted === null || wanted.scheme !== origin.scheme || wanted.port !== origin.port) return false;
  if (wanted.host === '*') return true;
  if (!wanted.host.startsWith('*.')) return wanted.host === origin.host;
  const suffix = wanted.host.slice(1);
  return origin.host.length > suffix.length && origin.host.endsWith(suffix);
}

/** Case does not count, and a port that is not said is the scheme's. */
function parseOrigin(text: string): Origin | null {
  const parts = /^(https?):\/\/([^/:@[\]\s]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?$/i.exec(text);
  if (parts === null) return null;
  const scheme = (parts[1] ?? '').toLowerCase();
  return { scheme, host: (parts[2] ?? '').toLowerCase(), port: parts[3] ?? (scheme === 'https' ? '443' : '80') };
}
