import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseServiceKey } from '../model/service.ts';
import { aMatch, aRequest, aRule, normalPath } from '../testing/route-builder.ts';
import type { RouteBackend } from './backend.ts';
import { decideRequest, type RequestDecision, type ReadRuleSession, type RuleSession } from './decide-request.ts';
import { compileHttpRoutes } from './route-table.ts';
import { type CorsFilter, type HttpMatch, NO_FILTERS, type RouteRule, type RuleFilters } from './rule.ts';

type Rule = RouteRule<HttpMatch, RouteBackend>;

const service = (name: string): RouteBackend => ({
  kind: 'service',
  service: parseServiceKey(`shop/${name}`),
  port: 80,
  version: null,
});
const LOST: RouteBackend = { kind: 'invalid', reason: 'BackendNotFound' };
const to = (backend: RouteBackend, weight = 1, filters: RuleFilters<RouteBackend> = NO_FILTERS) => ({
  backend,
  weight,
  filters,
});
const header = (name: string, value: string) => ({ set: [{ name, value }], add: [], remove: [] });
const CORS: CorsFilter = {
  allowOrigins: null,
  allowCredentials: false,
  allowMethods: null,
  allowHeaders: null,
  exposeHeaders: [],
  maxAgeSeconds: 5,
};

function decide(
  rules: readonly Partial<Rule>[],
  request = aRequest('/a/b?q'),
  draw = 0,
  session: ReadRuleSession<RuleSession> | null = null,
): RequestDecision {
  const built = rules.map((rule) => aRule<HttpMatch, RouteBackend>({ matches: [aMatch()], ...rule }));
  const table = compileHttpRoutes([{ namespace: 'shop', name: 'r', createdMs: 0, hostnames: [], rules: built }]);
  const facts = { request, authorityHost: request.host, scheme: 'http', listenerPort: 80 } as const;
  return decideRequest(table, facts, () => draw, session);
}

/** In one line: what is answered, or where it goes and how it is changed. */
function told(decision: RequestDecision): string {
  const headers = (list: readonly { readonly name: string; readonly value: string }[]): string =>
    list.map(({ name, value }) => ` ${name}=${value}`).join('');
  if (decision.kind === 'answer') return `${decision.status} ${decision.reason}${headers(decision.headers)}`;
  const { backend, rewritten, requestEdits, responseEdits, mirrors } = decision;
  const copies = mirrors.map((mirror) => ` +${mirror.service}`).join('');
  return `${backend.service} ${rewritten.host ?? ''}${rewritten.path}${headers(requestEdits.appended)} <-${headers(responseEdits.appended)}${copies}`;
}

test('decideRequest() answers what has no backend to go to', () => {
  const redirect = { scheme: null, hostname: 'b.example', path: null, port: null, statusCode: 301 };
  const preflight = aRequest('/', {
    method: 'OPTIONS',
    headers: { origin: 'https://a', 'access-control-request-method': 'PUT' },
  });
  const table: readonly (readonly [what: string, decision: RequestDecision, expected: string])[] = [
    ['no rule', decide([]), '404 no-route'],
    ['no backends', decide([{}]), '500 no-backend'],
    ['only weight 0', decide([{ backends: [to(service('web'), 0)] }]), '500 no-backend'],
    [
      'a fault keeps what it matches from wider rules',
      decide([
        {
          fault: { reason: 'UnsupportedValue', message: 'm' },
          matches: [aMatch({ path: { kind: 'prefix', path: normalPath('/a') } })],
        },
        { backends: [to(service('web'))] },
      ]),
      '500 faulty-rule',
    ],
    ['an invalid backend', decide([{ backends: [to(LOST)] }]), '500 invalid-backend'],
    ['its share', decide([{ backends: [to(service('web')), to(LOST)] }], undefined, 0.5), '500 invalid-backend'],
    [
      'a redirect, with headers for its response',
      decide([{ filters: { ...NO_FILTERS, redirect, responseHeaders: header('x', '1') } }]),
      '301 redirect location=http://b.example/a/b?q x=1',
    ],
    [
      'a preflight request, also where the rest is redirected',
      decide([{ filters: { ...NO_FILTERS, redirect, cors: CORS } }], preflight),
      '204 cors-preflight access-control-allow-origin=* access-control-allow-methods=* access-control-max-age=5 vary=Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
    ],
    [
      'a redirect of the backend that is picked',
      decide([{ backends: [to(service('web'), 1, { ...NO_FILTERS, redirect })] }]),
      '301 redirect location=http://b.example/a/b?q',
    ],
  ];
  for (const [what, decision, expected] of table) assert.equal(told(decision), expected, what);
});

test('decideRequest() sends the rest to a backend, changed as its filters say', () => {
  const withOrigin = aRequest('/a/b', { headers: { origin: 'https://a' } });
  const mirrors = [service('m1'), LOST, service('m2')].map((backend) => ({ backend, numerator: 1, denominator: 1 }));
  const matches = [aMatch({ path: { kind: 'prefix', path: normalPath('/a') } })];
  const canary: readonly Partial<Rule>[] = [{ backends: [to(service('v1'), 99), to(service('v2'), 1)] }];
  const session: Partial<Rule> = {
    ...canary[0],
    session: { kind: 'cookie', name: null, absoluteTimeoutMs: null, permanent: false },
  };
  const table: readonly (readonly [what: string, decision: RequestDecision, expected: string])[] = [
    ['as it is', decide([{ backends: [to(service('web'))] }]), 'shop/web /a/b <-'],
    ['most', decide(canary, undefined, 0.98), 'shop/v1 /a/b <-'],
    ['the canary', decide(canary, undefined, 0.99), 'shop/v2 /a/b <-'],
    [
      'a session wins over weights',
      decide([session], undefined, 0, ({ backends }) => ({ backend: backends[1] ?? null })),
      'shop/v2 /a/b <-',
    ],
    ['one that is bound nowhere', decide([session], undefined, 0, () => ({ backend: null })), 'shop/v1 /a/b <-'],
    ['no session without a policy', decide(canary, undefined, 0, () => assert.fail('not asked')), 'shop/v1 /a/b <-'],
    [
      'everything at once',
      decide(
        [
          {
            matches,
            filters: {
              requestHeaders: header('a', '1'),
              responseHeaders: header('b', '2'),
              redirect: null,
              rewrite: { hostname: 'new', path: { kind: 'prefix', prefix: '/c' } },
              mirrors,
              cors: CORS,
            },
            backends: [to(service('web'), 1, { ...NO_FILTERS, requestHeaders: header('d', '4') })],
          },
        ],
        withOrigin,
      ),
      'shop/web new/c/b a=1 d=4 <- b=2 access-control-allow-origin=* vary=Origin +shop/m1 +shop/m2',
    ],
  ];
  for (const [what, decision, expected] of table) assert.equal(told(decision), expected, what);
});
