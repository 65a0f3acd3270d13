import { type Json, without } from './fields.ts';
import { GATEWAY, object, serviceSpec } from './objects.ts';
import type { Scenario } from './prove-fields.ts';

const GROUP = 'gateway.networking.k8s.io';
const LISTENER = { name: 'mesh', port: 15_008, protocol: 'HBONE' } as const;
const AT = 'spec.listeners[0]';

/** A Gateway that becomes a waypoint, and what is said of it and made for it. */
function made(name: string, spec: Json, changes: Readonly<Record<string, unknown>>): Scenario {
  const whole = { gatewayClassName: 'ambit-waypoint', listeners: [LISTENER], ...spec };
  return { name, object: object('Gateway', 'gw', whole), statusOf: ['Gateway/shop/gw'], changes };
}

/** A Gateway with this listener, and what is said of a route that wants to be attached to it. */
function attached(
  name: string,
  listener: Json,
  changes: Readonly<Record<string, unknown>>,
  { kind = 'HTTPRoute', route = 'shop/r' }: { kind?: string; route?: `${string}/${string}` } = {},
): Scenario {
  const refs = { parentRefs: [{ name: 'gw', namespace: 'shop' }], rules: [{ backendRefs: [{ name: 'a', port: 80 }] }] };
  return {
    name,
    object: object('Gateway', 'gw', { gatewayClassName: 'ambit', listeners: [{ name: 'x', port: 80, ...listener }] }),
    beside: [object(kind, route, { ...refs, ...(kind === 'HTTPRoute' ? { hostnames: ['a.example'] } : {}) })],
    statusOf: [`${kind}/${route}`],
    changes: Object.fromEntries(Object.entries(changes).map(([path, value]) => [`${AT}.${path}`, value])),
  };
}

const allowed = (namespaces: Json): Json => ({ protocol: 'HTTP', allowedRoutes: { namespaces } });
const FROM = 'allowedRoutes.namespaces';
const byExpression = (expression: Json): Json =>
  allowed({ from: 'Selector', selector: { matchExpressions: [expression] } });
const EXPRESSION = `${FROM}.selector.matchExpressions`;
const elsewhere = { route: 'next/r' } as const;

/** A Service of another namespace that asks for the waypoint of this one, and a route that only a waypoint acts upon. */
const ELSEWHERE_IP = '10.9.0.20';
const ELSEWHERE: readonly Json[] = [
  object('Service', 'next/far', serviceSpec('a', ELSEWHERE_IP), {
    labels: { 'ambit.dev/waypoint': 'wp', 'ambit.dev/waypoint-namespace': 'shop' },
  }),
  object('HTTPRoute', 'next/r', {
    parentRefs: [{ group: '', kind: 'Service', name: 'far' }],
    rules: [{ backendRefs: [{ name: 'b', namespace: 'shop', port: 80 }] }],
  }),
];

export const GATEWAY_SCENARIOS: readonly Scenario[] = [
  made(
    'a waypoint',
    {},
    {
      'spec.gatewayClassName': 'other',
      ...without('spec.listeners'),
      [`${AT}.name`]: 'other',
      [`${AT}.port`]: 80,
      [`${AT}.protocol`]: 'HTTP',
    },
  ),
  made(
    'what is on everything that is made',
    { infrastructure: { labels: { team: 'x' }, annotations: { note: 'y' } } },
    without('spec.infrastructure', 'spec.infrastructure.labels', 'spec.infrastructure.annotations'),
  ),
  made(
    'parameters of what is made',
    { infrastructure: { parametersRef: { group: '', kind: 'ConfigMap', name: 'parameters' } } },
    {
      ...without('spec.infrastructure.parametersRef'),
      'spec.infrastructure.parametersRef.group': 'x.io',
      'spec.infrastructure.parametersRef.kind': 'Secret',
      'spec.infrastructure.parametersRef.name': 'others',
    },
  ),
  made(
    'addresses',
    { addresses: [{ type: 'IPAddress', value: '10.0.0.1' }] },
    {
      ...without('spec.addresses'),
      'spec.addresses[0].type': 'x.io/name',
      'spec.addresses[0].value': '',
    },
  ),
  made(
    'what a waypoint does not act upon',
    { tls: { backend: { clientCertificateRef: { name: 'c' } } } },
    without('spec.tls'),
  ),
  made(
    'listeners of others, which there are none of',
    { allowedListeners: { namespaces: { from: 'All' } } },
    { 'spec.allowedListeners.namespaces.from': 'None' },
  ),
  made('routes without parents', { defaultScope: 'All' }, without('spec.defaultScope')),
  attached('a host', { protocol: 'HTTP', hostname: 'b.example' }, without('hostname')),
  attached(
    'who ends TLS',
    { protocol: 'TLS', tls: { mode: 'Passthrough' } },
    { 'tls.mode': 'Terminate' },
    { kind: 'TCPRoute' },
  ),
  attached(
    'kinds of routes',
    { protocol: 'HTTP', allowedRoutes: { kinds: [{ group: GROUP, kind: 'HTTPRoute' }] } },
    { 'allowedRoutes.kinds[0].group': 'x.io', 'allowedRoutes.kinds[0].kind': 'GRPCRoute' },
  ),
  attached('namespaces of routes', allowed({ from: 'All' }), { [`${FROM}.from`]: 'Same' }, elsewhere),
  attached(
    'labels of namespaces',
    allowed({ from: 'Selector', selector: { matchLabels: { team: 'next' } } }),
    { [`${FROM}.selector.matchLabels.team`]: 'shop', ...without(`${FROM}.selector`) },
    elsewhere,
  ),
  attached(
    'values of labels of namespaces',
    byExpression({ key: 'team', operator: 'In', values: ['next'] }),
    {
      [`${EXPRESSION}[0].key`]: 'other',
      [`${EXPRESSION}[0].operator`]: 'NotIn',
      [`${EXPRESSION}[0].values`]: ['shop'],
    },
    elsewhere,
  ),
  {
    name: 'namespaces that may have the waypoint',
    object: object('Gateway', 'wp', {
      gatewayClassName: 'ambit-waypoint',
      listeners: [{ ...LISTENER, allowedRoutes: { namespaces: { from: 'All' } } }],
    }),
    beside: ELSEWHERE,
    asks: [{ to: ELSEWHERE_IP }],
    changes: without(`${AT}.allowedRoutes`),
  },
  {
    name: 'traffic that the waypoint is for',
    object: GATEWAY,
    asks: [{ to: 'shop/a', port: 'web' }],
    changes: { 'metadata.labels': {} },
  },
];

export const GATEWAY_UNSEEN: Readonly<Record<string, string>> = {
  'spec.tls.backend': 'a waypoint with spec.tls is refused whatever it says',
  'spec.tls.frontend': 'as spec.tls.backend',
  'spec.allowedListeners.namespaces.selector': 'a waypoint is refused for every `from` but None',
  'spec.listeners[].tls.certificateRefs':
    'a listener with tls is refused for a waypoint; elsewhere routes depend on mode alone',
  'spec.listeners[].tls.options': 'as certificateRefs',
};
