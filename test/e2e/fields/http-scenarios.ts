import type { Looks } from './field-world.ts';
import { type Json, without } from './fields.ts';
import { created, object } from './objects.ts';
import type { Scenario } from './prove-fields.ts';

/** A scenario of either kind. */
interface RouteScenario extends Omit<Scenario, 'object'> {
  readonly spec: Json;
  readonly metadata?: Json;
}

type RouteKind = 'HTTPRoute' | 'GRPCRoute';

const PARENTS = [{ group: '', kind: 'Service', name: 'web' }] as const;
const A = { name: 'a', port: 80 } as const;
const B = { name: 'b', port: 80 } as const;
/** What no version of this knows where a type is asked for. */
const NO_TYPE = 'NoType';

/** A route with one rule, whose fields `changes` names from the rule on. */
function ruleScenario(
  name: string,
  rule: Json,
  changes: Readonly<Record<string, unknown>>,
  looks: Partial<Looks> = {},
): RouteScenario {
  const ofSpec = Object.entries(changes).map(([path, value]) => [`spec.rules[0].${path}`, value] as const);
  const spec = { parentRefs: PARENTS, rules: [{ backendRefs: [A], ...rule }] };
  return { name, spec, asks: [{}], ...looks, changes: Object.fromEntries(ofSpec) };
}

const HEADER_EDITS = {
  set: [{ name: 'x-old', value: 'set' }],
  add: [{ name: 'x-new', value: 'add' }],
  remove: ['x-gone'],
};
const HEADERS_SENT = { headers: { 'x-old': 'old', 'x-gone': 'gone' } };

/** Every field of a header modifier at `filters[0].<field>`. */
function editChanges(field: string): Readonly<Record<string, unknown>> {
  const at = `filters[0].${field}`;
  return {
    ...without('filters', `${at}.set`, `${at}.add`, `${at}.remove`),
    'filters[0].type': NO_TYPE,
    [`${at}.set[0].name`]: 'x-other',
    [`${at}.set[0].value`]: 'other',
    [`${at}.add[0].name`]: 'x-other',
    [`${at}.add[0].value`]: 'other',
  };
}

const SESSION = { sessionName: 'x-cart', absoluteTimeout: '1h' } as const;
const ofSession = (field: string): string => `sessionPersistence.${field}`;
const mirrorTo = (backendRef: Json, share: Json = {}): Json => ({
  filters: [{ type: 'RequestMirror', requestMirror: { backendRef, ...share } }],
});
const MIRROR = 'filters[0].requestMirror';
const copies: Partial<Looks> = { copies: true };

const COMMON: readonly RouteScenario[] = [
  {
    name: 'parents',
    spec: { parentRefs: [{ ...PARENTS[0], namespace: 'shop', port: 80 }], rules: [{ backendRefs: [A] }] },
    asks: [{}, { port: 81 }],
    changes: {
      ...without('spec.parentRefs', 'spec.parentRefs[0].group', 'spec.parentRefs[0].kind', 'spec.parentRefs[0].port'),
      'spec.parentRefs[0].name': 'b',
      'spec.parentRefs[0].namespace': 'next',
    },
  },
  {
    name: 'the name of a port',
    spec: { parentRefs: [{ ...PARENTS[0], sectionName: 'web' }], rules: [{ backendRefs: [A] }] },
    asks: [{}, { port: 81 }],
    changes: without('spec.parentRefs[0].sectionName'),
  },
  {
    name: 'rules',
    spec: { parentRefs: PARENTS, rules: [{ backendRefs: [A] }] },
    asks: [{}],
    changes: without('spec.rules'),
  },
  ruleScenario(
    'a header',
    { matches: [{ headers: [{ type: 'RegularExpression', name: 'x-a', value: 'v.' }] }] },
    {
      ...without('matches[0].headers', 'matches[0].headers[0].type'),
      'matches[0].headers[0].name': 'x-b',
      'matches[0].headers[0].value': 'w.',
    },
    { asks: [{ headers: { 'x-a': 'v1' } }, {}] },
  ),
  ruleScenario('a backend', {}, { ...without('backendRefs'), 'backendRefs[0].name': 'b', 'backendRefs[0].port': 81 }),
  ruleScenario(
    'a backend elsewhere',
    { backendRefs: [{ ...A, namespace: 'next' }] },
    without('backendRefs[0].namespace'),
  ),
  ruleScenario('weights', { backendRefs: [A, { ...B, weight: 9 }] }, without('backendRefs[1].weight')),
  ruleScenario(
    'a version of a Service',
    { backendRefs: [{ group: 'ambit.dev', kind: 'ServiceVersion', name: 'a.v1', port: 80 }] },
    without('backendRefs[0].group', 'backendRefs[0].kind'),
  ),
  ruleScenario(
    'filters of a backend',
    { backendRefs: [{ ...A, filters: [{ type: 'RequestHeaderModifier', requestHeaderModifier: HEADER_EDITS }] }] },
    without('backendRefs[0].filters'),
    { asks: [HEADERS_SENT] },
  ),
  ruleScenario(
    'fields of the request',
    { filters: [{ type: 'RequestHeaderModifier', requestHeaderModifier: HEADER_EDITS }] },
    editChanges('requestHeaderModifier'),
    { asks: [HEADERS_SENT] },
  ),
  ruleScenario(
    'fields of the answer',
    { filters: [{ type: 'ResponseHeaderModifier', responseHeaderModifier: HEADER_EDITS }] },
    editChanges('responseHeaderModifier'),
  ),
  ruleScenario(
    'a session by cookie',
    { sessionPersistence: { ...SESSION, type: 'Cookie', cookieConfig: { lifetimeType: 'Permanent' } } },
    {
      ...without('sessionPersistence', ...['sessionName', 'cookieConfig', 'cookieConfig.lifetimeType'].map(ofSession)),
      [ofSession('absoluteTimeout')]: '30m',
      [ofSession('type')]: NO_TYPE,
    },
  ),
  ruleScenario(
    'a session by header',
    { sessionPersistence: { ...SESSION, type: 'Header' } },
    without(...['sessionName', 'type'].map(ofSession)),
  ),
  ruleScenario(
    'a mirror',
    mirrorTo(B),
    { [`${MIRROR}.backendRef.name`]: 'a', [`${MIRROR}.backendRef.port`]: 81 },
    copies,
  ),
  ruleScenario(
    'a mirror elsewhere',
    mirrorTo({ ...A, namespace: 'next' }),
    without(`${MIRROR}.backendRef.namespace`),
    copies,
  ),
  ruleScenario(
    'a version as mirror',
    mirrorTo({ group: 'ambit.dev', kind: 'ServiceVersion', name: 'b.v1', port: 80 }),
    without(`${MIRROR}.backendRef.group`, `${MIRROR}.backendRef.kind`),
    copies,
  ),
  ruleScenario('no mirror at 0 %', mirrorTo(B, { percent: 0 }), without(`${MIRROR}.percent`), copies),
  ruleScenario(
    'a mirror of one of one',
    mirrorTo(B, { fraction: { numerator: 1, denominator: 1 } }),
    { [`${MIRROR}.fraction.numerator`]: 0, ...without(`${MIRROR}.fraction.denominator`) },
    copies,
  ),
];

const PREFIX = { matches: [{ path: { value: '/old' } }] } as const;
const redirect = (requestRedirect: Json): Json => ({
  backendRefs: [],
  ...PREFIX,
  filters: [{ type: 'RequestRedirect', requestRedirect }],
});
const rewrite = (urlRewrite: Json): Json => ({ ...PREFIX, filters: [{ type: 'URLRewrite', urlRewrite }] });
const REDIRECT = 'filters[0].requestRedirect';
const REWRITE = 'filters[0].urlRewrite';
const old: Partial<Looks> = { asks: [{ path: '/old/page' }] };
const WHOLE = { type: 'ReplaceFullPath', replaceFullPath: '/new' } as const;
const PART = { type: 'ReplacePrefixMatch', replacePrefixMatch: '/new' } as const;

/** Both kinds of replacement of a path, at `filters[0].<field>.path`. */
function pathScenarios(name: string, at: string, rule: (settings: Json) => Json): readonly RouteScenario[] {
  return [
    ruleScenario(
      `${name}: the whole path`,
      rule({ path: WHOLE }),
      { [`${at}.path.type`]: NO_TYPE, [`${at}.path.replaceFullPath`]: '/other', ...without(`${at}.path`) },
      old,
    ),
    ruleScenario(`${name}: a prefix`, rule({ path: PART }), { [`${at}.path.replacePrefixMatch`]: '/other' }, old),
  ];
}

const CORS = {
  allowOrigins: ['https://a.example'],
  allowCredentials: true,
  allowMethods: ['PUT'],
  allowHeaders: ['x-a'],
  exposeHeaders: ['x-old'],
  maxAge: 60,
} as const;
const ORIGIN = { origin: 'https://a.example' } as const;

const HTTP: readonly RouteScenario[] = [
  ruleScenario(
    'a path',
    { matches: [{ path: { type: 'Exact', value: '/a' } }] },
    without('matches', 'matches[0].path', 'matches[0].path.type', 'matches[0].path.value'),
    { asks: [{ path: '/a' }, { path: '/a/b' }, { path: '/' }] },
  ),
  ruleScenario('a method', { matches: [{ method: 'PUT' }] }, without('matches[0].method')),
  ruleScenario(
    'a parameter',
    { matches: [{ queryParams: [{ type: 'RegularExpression', name: 'a', value: 'v.' }] }] },
    {
      ...without('matches[0].queryParams', 'matches[0].queryParams[0].type'),
      'matches[0].queryParams[0].name': 'b',
      'matches[0].queryParams[0].value': 'w.',
    },
    { asks: [{ path: '/?a=v1' }, {}] },
  ),
  ruleScenario(
    'a redirect',
    redirect({ scheme: 'https', hostname: 'new.example', port: 8443, statusCode: 301 }),
    without('filters', ...['scheme', 'hostname', 'port', 'statusCode'].map((field) => `${REDIRECT}.${field}`)),
    old,
  ),
  ...pathScenarios('a redirect', REDIRECT, redirect),
  ruleScenario('a rewrite', rewrite({ hostname: 'new.example' }), without(`${REWRITE}.hostname`), old),
  ...pathScenarios('a rewrite', REWRITE, rewrite),
  ruleScenario(
    'other origins',
    { filters: [{ type: 'CORS', cors: CORS }] },
    without('filters', ...Object.keys(CORS).map((field) => `filters[0].cors.${field}`)),
    {
      asks: [
        { headers: ORIGIN },
        {
          method: 'OPTIONS',
          headers: { ...ORIGIN, 'access-control-request-method': 'PUT', 'access-control-request-headers': 'x-a' },
        },
      ],
    },
  ),
  ruleScenario('a time limit', { timeouts: { request: '40ms' } }, without('timeouts', 'timeouts.request'), {
    asks: [{ path: '/slow' }],
  }),
  ruleScenario(
    'a time limit of attempts',
    { timeouts: { backendRequest: '40ms' } },
    without('timeouts.backendRequest'),
    {
      asks: [{ path: '/slow' }],
    },
  ),
  ruleScenario(
    'retries',
    { retry: { codes: [503], attempts: 3, backoff: '1ms' } },
    without('retry', 'retry.codes', 'retry.attempts'),
    { asks: [{ path: '/flaky/3' }] },
  ),
  ruleScenario(
    'waits before retries',
    { retry: { codes: [503], attempts: 1, backoff: '200ms' } },
    without('retry.backoff'),
    {
      asks: [{ path: '/flaky/1' }],
      waits: true,
    },
  ),
];

const METHOD = { type: 'RegularExpression', service: 'pkg[.]S.*', method: 'C.*' } as const;
const GRPC: readonly RouteScenario[] = [
  ruleScenario(
    'a method',
    { matches: [{ method: METHOD }] },
    without('matches', ...['', '.type', '.service', '.method'].map((field) => `matches[0].method${field}`)),
    { asks: [{}, { path: '/pkg.Svc/Other' }, { path: '/pkg.Other/Call' }] },
  ),
];

/** What only the status tells, or is told beside other objects. */
function otherScenarios(kind: RouteKind): readonly RouteScenario[] {
  const gateway = object('Gateway', 'door', {
    gatewayClassName: 'ambit',
    listeners: [{ name: 'web', port: 80, protocol: 'HTTP', hostname: 'a.example' }],
  });
  const statusOf = [`${kind}/shop/r`] as const;
  return [
    {
      name: 'hosts, at a Gateway',
      beside: [gateway],
      spec: { parentRefs: [{ name: 'door' }], hostnames: ['b.example'], rules: [{ backendRefs: [A] }] },
      statusOf,
      changes: without('spec.hostnames'),
    },
    {
      name: 'the name of a rule that is dropped',
      spec: {
        parentRefs: PARENTS,
        rules: [{ name: 'new', filters: [{ type: NO_TYPE }] }, { backendRefs: [A] }],
      },
      statusOf,
      changes: without('spec.rules[0].name'),
    },
    {
      name: 'which of two is older',
      metadata: created(1),
      beside: [object(kind, 'other', { parentRefs: PARENTS, rules: [{ backendRefs: [B] }] }, created(2))],
      spec: { parentRefs: PARENTS, rules: [{ backendRefs: [A] }] },
      asks: [{}],
      changes: { 'metadata.creationTimestamp': created(3).creationTimestamp },
    },
  ];
}

function scenariosOf(kind: RouteKind, scenarios: readonly RouteScenario[]): readonly Scenario[] {
  return [...scenarios, ...otherScenarios(kind)].map(({ spec, metadata, ...rest }) => ({
    ...rest,
    object: object(kind, 'r', spec, metadata),
  }));
}

export const HTTP_ROUTE_SCENARIOS: readonly Scenario[] = scenariosOf('HTTPRoute', [...COMMON, ...HTTP]);
export const GRPC_ROUTE_SCENARIOS: readonly Scenario[] = scenariosOf('GRPCRoute', [...COMMON, ...GRPC]);

const UNSEEN = {
  'spec.useDefaultGateways': 'a mesh has no default Gateway',
  'spec.rules[].filters[].externalAuth': 'not known to this version: the rule is not in force',
  'spec.rules[].filters[].extensionRef': 'not known to this version: the rule is not in force',
} as const;

/** Fields that change nothing that anybody sees, each with the reason. */
export const HTTP_ROUTE_UNSEEN: Readonly<Record<string, string>> = UNSEEN;
export const GRPC_ROUTE_UNSEEN: Readonly<Record<string, string>> = {
  ...UNSEEN,
  'spec.rules[].filters[].requestRedirect': 'not of gRPC',
  'spec.rules[].filters[].urlRewrite': 'not of gRPC',
  'spec.rules[].filters[].cors': 'not of gRPC',
};
