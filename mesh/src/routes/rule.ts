import type { NormalPath } from '../model/normal-path.ts';

// What a rule of a route says, as plain data: what Gateway API objects are parsed into, and what a routing table is
// compiled from. `B` is how a backend is named.

export type TextMatch =
  | { readonly kind: 'exact'; readonly value: string }
  /** RE2; the whole value must match. */
  | { readonly kind: 'regex'; readonly source: string };

export interface NamedMatch {
  /** Of a header in lower case, of a query parameter as it is. */
  readonly name: string;
  readonly value: TextMatch;
}

/** A prefix is one of whole segments and ends without a slash, but for `/`, which every path has. */
export type PathMatch =
  | { readonly kind: 'exact' | 'prefix'; readonly path: NormalPath }
  | { readonly kind: 'regex'; readonly source: string };

/** All of it must hold. */
export interface HttpMatch {
  readonly path: PathMatch;
  readonly headers: readonly NamedMatch[];
  readonly queryParams: readonly NamedMatch[];
  readonly method: string | null;
}

/** Null is any; of `method` both may not be. */
export interface GrpcMatch {
  readonly service: TextMatch | null;
  readonly method: TextMatch | null;
  readonly headers: readonly NamedMatch[];
}

export interface HeaderValue {
  /** In lower case. */
  readonly name: string;
  readonly value: string;
}

/** No name is in more than one of the lists, nor twice in one. */
export interface HeaderModifier {
  readonly set: readonly HeaderValue[];
  readonly add: readonly HeaderValue[];
  readonly remove: readonly string[];
}

export type PathModifier =
  | { readonly kind: 'full'; readonly path: string }
  /** Instead of the prefix that matched; without a slash at the end, and empty for none. */
  | { readonly kind: 'prefix'; readonly prefix: string };

export interface RedirectFilter {
  readonly scheme: 'http' | 'https' | null;
  readonly hostname: string | null;
  readonly path: PathModifier | null;
  readonly port: number | null;
  readonly statusCode: number;
}

export interface RewriteFilter {
  readonly hostname: string | null;
  readonly path: PathModifier | null;
}

/** `numerator` of `denominator` requests. */
export interface MirrorFilter<B> {
  readonly backend: B;
  readonly numerator: number;
  readonly denominator: number;
}

/** A list that is only `*` is null: all of them. */
export interface CorsFilter {
  readonly allowOrigins: readonly string[] | null;
  readonly allowCredentials: boolean;
  readonly allowMethods: readonly string[] | null;
  readonly allowHeaders: readonly string[] | null;
  readonly exposeHeaders: readonly string[] | null;
  readonly maxAgeSeconds: number;
}

export interface RuleFilters<B> {
  readonly requestHeaders: HeaderModifier | null;
  readonly responseHeaders: HeaderModifier | null;
  readonly redirect: RedirectFilter | null;
  readonly rewrite: RewriteFilter | null;
  readonly mirrors: readonly MirrorFilter<B>[];
  readonly cors: CorsFilter | null;
}

export interface WeightedBackend<B> {
  readonly backend: B;
  /** 0 gets nothing. */
  readonly weight: number;
  /** Beside those of the rule. */
  readonly filters: RuleFilters<B>;
}

/** Null: not said. 0: none at all. */
export interface RuleTimeouts {
  readonly requestMs: number | null;
  readonly backendRequestMs: number | null;
}

export interface RetryPolicy {
  readonly codes: readonly number[];
  /** Beside the first one; null: not said. */
  readonly attempts: number | null;
  readonly backoffMs: number | null;
}

export interface SessionPolicy {
  readonly kind: 'cookie' | 'header';
  /** Of the cookie or header; null: not said. */
  readonly name: string | null;
  readonly absoluteTimeoutMs: number | null;
  /** The cookie outlives the client's session. */
  readonly permanent: boolean;
}

/** Why a rule is not in force. What it matches is refused rather than left to a wider rule. */
export interface RuleFault {
  readonly reason: 'UnsupportedValue' | 'IncompatibleFilters';
  /** Names the field. */
  readonly message: string;
}

export interface RouteRule<M, B> {
  readonly name: string | null;
  /** Any of them. */
  readonly matches: readonly M[];
  readonly filters: RuleFilters<B>;
  readonly backends: readonly WeightedBackend<B>[];
  readonly timeouts: RuleTimeouts;
  readonly retry: RetryPolicy | null;
  readonly session: SessionPolicy | null;
  /** Then `matches` are those that could be read, and the rest is as if it were not there. */
  readonly fault: RuleFault | null;
}

export const NO_FILTERS: RuleFilters<never> = {
  requestHeaders: null,
  responseHeaders: null,
  redirect: null,
  rewrite: null,
  mirrors: [],
  cors: null,
};

export const NO_TIMEOUTS: RuleTimeouts = { requestMs: null, backendRequestMs: null };
