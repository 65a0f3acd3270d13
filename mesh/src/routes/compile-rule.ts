import { composeEdits, editsOf, type HeaderEdits } from './header-edits.ts';
import type {
  CorsFilter,
  MirrorFilter,
  RedirectFilter,
  RetryPolicy,
  RewriteFilter,
  RouteRule,
  RuleFault,
  RuleFilters,
  RuleTimeouts,
  SessionPolicy,
} from './rule.ts';

/** What happens to a request: the filters of its rule and of the backend that was picked as one. */
export interface Effects<B> {
  readonly requestEdits: HeaderEdits;
  readonly responseEdits: HeaderEdits;
  readonly redirect: RedirectFilter | null;
  readonly rewrite: RewriteFilter | null;
  readonly mirrors: readonly MirrorFilter<B>[];
  readonly cors: CorsFilter | null;
}

export interface CompiledBackend<B> {
  readonly backend: B;
  readonly weight: number;
  readonly effects: Effects<B>;
}

/** A rule of a route, ready to be applied. */
export interface CompiledRule<B> {
  /** `namespace/name` of the route. */
  readonly routeKey: string;
  readonly index: number;
  readonly name: string | null;
  /** Of the rule alone. */
  readonly effects: Effects<B>;
  readonly backends: readonly CompiledBackend<B>[];
  readonly weightTotal: number;
  readonly timeouts: RuleTimeouts;
  readonly retry: RetryPolicy | null;
  readonly session: SessionPolicy | null;
  readonly fault: RuleFault | null;
}

export function compileRule<B>(rule: RouteRule<unknown, B>, routeKey: string, index: number): CompiledRule<B> {
  const effects = effectsOf(rule.filters, null);
  return {
    routeKey,
    index,
    name: rule.name,
    effects,
    backends: rule.backends.map(({ backend, weight, filters }) => ({
      backend,
      weight,
      effects: isEmpty(filters) ? effects : effectsOf(rule.filters, filters),
    })),
    weightTotal: rule.backends.reduce((sum, { weight }) => sum + weight, 0),
    timeouts: rule.timeouts,
    retry: rule.retry,
    session: rule.session,
    fault: rule.fault,
  };
}

/** The rule's come first on the way to the backend and last on the way back; what there can be only one of is the backend's. */
function effectsOf<B>(rule: RuleFilters<B>, backend: RuleFilters<B> | null): Effects<B> {
  const ofRule = { request: editsOf(rule.requestHeaders), response: editsOf(rule.responseHeaders) };
  if (backend === null) {
    return {
      requestEdits: ofRule.request,
      responseEdits: ofRule.response,
      redirect: rule.redirect,
      rewrite: rule.rewrite,
      mirrors: rule.mirrors,
      cors: rule.cors,
    };
  }
  return {
    requestEdits: composeEdits(ofRule.request, editsOf(backend.requestHeaders)),
    responseEdits: composeEdits(editsOf(backend.responseHeaders), ofRule.response),
    redirect: backend.redirect ?? rule.redirect,
    rewrite: mergeRewrites(rule.rewrite, backend.rewrite),
    mirrors: [...rule.mirrors, ...backend.mirrors],
    cors: backend.cors ?? rule.cors,
  };
}

function isEmpty({ mirrors, ...single }: RuleFilters<unknown>): boolean {
  return mirrors.length === 0 && Object.values(single).every((filter) => filter === null);
}

function mergeRewrites(rule: RewriteFilter | null, backend: RewriteFilter | null): RewriteFilter | null {
  if (rule === null || backend === null) return backend ?? rule;
  return { hostname: backend.hostname ?? rule.hostname, path: backend.path ?? rule.path };
}
