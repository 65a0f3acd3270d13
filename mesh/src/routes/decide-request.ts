import type { RouteBackend, ServiceBackend } from './backend.ts';
import type { CompiledBackend, CompiledRule, Effects } from './compile-rule.ts';
import { type CorsDecision, decideCors } from './decide-cors.ts';
import { decideMirrors } from './decide-mirrors.ts';
import { decideRedirect } from './decide-redirect.ts';
import { decideRewrite, type Rewritten } from './decide-rewrite.ts';
import { composeEdits, type HeaderEdits, NO_EDITS } from './header-edits.ts';
import { pickBackend } from './pick-backend.ts';
import type { RouteRequest } from './route-request.ts';
import type { RouteTable } from './route-table.ts';
import type { HeaderValue } from './rule.ts';

export interface RequestFacts<R extends RouteRequest = RouteRequest> {
  readonly request: R;
  /** As the client named it, for redirects: without a port, in the case it has. */
  readonly authorityHost: string;
  readonly scheme: 'http' | 'https';
  /** Of the Service, or of the Gateway's listener. */
  readonly listenerPort: number;
}

/** Answered here, without any backend. */
export interface OwnAnswer {
  readonly kind: 'answer';
  readonly reason: 'no-route' | 'faulty-rule' | 'no-backend' | 'invalid-backend' | 'redirect' | 'cors-preflight';
  readonly status: number;
  readonly headers: readonly HeaderValue[];
  /** Null when none matched. */
  readonly rule: CompiledRule<unknown> | null;
}

export interface Forwarding<S extends RuleSession = RuleSession> {
  readonly kind: 'forward';
  readonly rule: CompiledRule<RouteBackend>;
  /** As it was read; null for a rule without sessions. */
  readonly session: S | null;
  readonly backend: ServiceBackend;
  readonly rewritten: Rewritten;
  readonly requestEdits: HeaderEdits;
  readonly responseEdits: HeaderEdits;
  /** What gets a copy. */
  readonly mirrors: readonly ServiceBackend[];
}

export type RequestDecision<S extends RuleSession = RuleSession> = OwnAnswer | Forwarding<S>;

/** Of a rule with sessions, what is known of the request's. */
export interface RuleSession {
  /** The backend to send to instead of one by weight; null to leave it to the weights. */
  readonly backend: CompiledBackend<RouteBackend> | null;
}

export type ReadRuleSession<S extends RuleSession, R extends RouteRequest = RouteRequest> = (
  rule: CompiledRule<RouteBackend>,
  request: R,
) => S | null;

/**
 * What becomes of a request by its routes: the rule that matches, its filters, its backend. `draw` gives numbers in [0, 1). A
 * rule with a fault refuses what it matches. Whether the backend can be reached is not looked at. `readSession` is asked at most
 * once, of the rule that matched.
 */
export function decideRequest<S extends RuleSession, R extends RouteRequest>(
  table: RouteTable<RouteBackend>,
  facts: RequestFacts<R>,
  draw: () => number,
  readSession: ReadRuleSession<S, R> | null = null,
): RequestDecision<S> {
  const match = table.match(facts.request);
  if (match === null) return ownAnswer('no-route', 404, null);
  const { rule, prefix } = match;
  if (rule.fault !== null) return ownAnswer('faulty-rule', 500, rule);
  const ofRule = answerOf(rule.effects, rule, prefix, facts);
  if (ofRule.kind === 'answer') return ofRule;
  const session = rule.session === null ? null : (readSession?.(rule, facts.request) ?? null);
  const picked = session?.backend ?? pickBackend(rule, rule.backends.length === 1 ? 0 : draw());
  if (picked === null) return ownAnswer('no-backend', 500, rule);
  const { backend, effects } = picked;
  if (backend.kind === 'invalid') return ownAnswer('invalid-backend', 500, rule);
  const cors = effects === rule.effects ? ofRule : answerOf(effects, rule, prefix, facts);
  if (cors.kind === 'answer') return cors;
  return {
    kind: 'forward',
    rule,
    session,
    backend,
    rewritten: decideRewrite(effects.rewrite, facts.request.path, prefix),
    requestEdits: effects.requestEdits,
    // Last, so that neither the backend nor a header modifier says otherwise.
    responseEdits: composeEdits(effects.responseEdits, cors.edits),
    mirrors:
      effects.mirrors.length === 0
        ? NO_MIRRORS
        : decideMirrors(effects.mirrors, draw).filter((mirror) => mirror.kind === 'service'),
  };
}

interface GoOn {
  readonly kind: 'go-on';
  readonly edits: HeaderEdits;
}

const GO_ON: GoOn = { kind: 'go-on', edits: NO_EDITS };
const NO_MIRRORS: readonly ServiceBackend[] = [];

/** Filters that answer by themselves; else what CORS does to the response. A preflight request is answered before a redirect. */
function answerOf<B>(
  effects: Effects<B>,
  rule: CompiledRule<B>,
  matched: string,
  facts: RequestFacts,
): OwnAnswer | GoOn {
  const { request } = facts;
  const cors = effects.cors === null ? NO_CORS : decideCors(effects.cors, corsFacts(request));
  if (cors.kind === 'preflight') return ownAnswer('cors-preflight', cors.status, rule, cors.headers);
  const edits = cors.kind === 'response' ? cors.edits : NO_EDITS;
  if (effects.redirect === null) return edits === NO_EDITS ? GO_ON : { kind: 'go-on', edits };
  const { status, location } = decideRedirect(effects.redirect, {
    scheme: facts.scheme,
    host: facts.authorityHost,
    listenerPort: facts.listenerPort,
    path: request.path,
    query: request.query,
    matched,
  });
  const { appended } = composeEdits(effects.responseEdits, edits);
  return ownAnswer('redirect', status, rule, [{ name: 'location', value: location }, ...appended]);
}

const NO_CORS: CorsDecision = { kind: 'none' };

function corsFacts(request: RouteRequest): Parameters<typeof decideCors>[1] {
  return {
    method: request.method,
    origin: request.header('origin'),
    requestMethod: request.header('access-control-request-method'),
    requestHeaders: request.header('access-control-request-headers'),
  };
}

function ownAnswer(
  reason: OwnAnswer['reason'],
  status: number,
  rule: CompiledRule<unknown> | null,
  headers: readonly HeaderValue[] = [],
): OwnAnswer {
  return { kind: 'answer', reason, status, headers, rule };
}
