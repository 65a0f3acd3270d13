import type { Ask, Looks } from './field-world.ts';
import { type Json, without } from './fields.ts';
import { object } from './objects.ts';
import type { Scenario } from './prove-fields.ts';

const WEB = { targetRefs: [{ group: '', kind: 'Service', name: 'web' }] } as const;
/** A Service whose servers are said to listen on port 9, where nobody does. */
const NINE_IP = '10.9.0.20';
const NINE = object('Service', 'nine', {
  clusterIP: NINE_IP,
  selector: { app: 'web' },
  ports: [{ port: 80, targetPort: 9, appProtocol: 'http' }],
});

function policy(spec: Json, namespace = 'shop'): Json {
  return object('AccessPolicy', `${namespace}/p`, spec);
}

/** A field of an entry of `from`: whom this value lets in, and whom that one. */
function source(field: string, value: unknown, other: unknown): Scenario {
  const callers: readonly Ask[] = [{ caller: 'shop/client' }, { caller: 'next/guest' }];
  return {
    name: `${field} of a caller`,
    object: policy({ ...WEB, action: 'Allow', rules: [{ from: [{ [field]: [value] }] }] }),
    asks: callers,
    changes: { [`spec.rules[0].from[0].${field}`]: [other] },
  };
}

/** A field of an entry of `to`: what is refused. */
function operation(
  field: string,
  value: unknown,
  other: unknown,
  looks: Looks,
  beside: readonly Json[] = [],
): Scenario {
  return {
    name: `${field} of what is called`,
    object: policy({ action: 'Deny', rules: [{ to: [{ [field]: [value] }] }] }),
    beside,
    ...looks,
    changes: { [`spec.rules[0].to[0].${field}`]: [other] },
  };
}

const SOURCES: readonly Scenario[] = [
  source('serviceAccounts', 'client', 'next/guest'),
  source('notServiceAccounts', 'client', 'next/guest'),
  source('principals', 'spiffe://cluster.local/ns/shop/sa/client', '*/sa/guest'),
  source('notPrincipals', 'cluster.local/ns/shop/*', '*/sa/guest'),
  source('namespaces', 'shop', 'next'),
  source('notNamespaces', 'shop', 'next'),
  source('ipBlocks', '127.0.0.0/8', '10.0.0.0/8'),
  source('notIpBlocks', '127.0.0.1', '10.0.0.0/8'),
];

const nine: Looks = { asks: [{ to: NINE_IP }] };
const pod: Looks = { asks: [{ to: 'shop/a', port: 'web' }] };
const OPERATIONS: readonly Scenario[] = [
  operation('ports', 9, 10, nine, [NINE]),
  operation('notPorts', 10, 9, nine, [NINE]),
  operation('ipBlocks', '127.0.0.12', '127.0.0.13', pod),
  operation('notIpBlocks', '127.0.0.13', '127.0.0.12', pod),
  operation('methods', 'GET', 'PUT', { asks: [{}] }),
  operation('notMethods', 'PUT', 'GET', { asks: [{}] }),
  operation('paths', '/a/{any}/c', '/a/*', { asks: [{ path: '/a/b/c' }, { path: '/a/b' }] }),
  operation('notPaths', '/a/**', '/b/**', { asks: [{ path: '/a/b' }] }),
  operation('hosts', '*.shop', '*.next', { asks: [{}] }),
  operation('notHosts', '*.next', '*.shop', { asks: [{}] }),
];

const HEADER = 'spec.rules[0].to[0].headers[0]';
const HEADERS: readonly Scenario[] = [
  {
    name: 'a header',
    object: policy({ action: 'Deny', rules: [{ to: [{ headers: [{ name: 'x-a', values: ['v*'] }] }] }] }),
    asks: [{ headers: { 'x-a': 'v1' } }],
    changes: { [`${HEADER}.name`]: 'x-b', [`${HEADER}.values`]: ['w*'] },
  },
  {
    name: 'a header that says something else',
    object: policy({ action: 'Deny', rules: [{ to: [{ headers: [{ name: 'x-a', notValues: ['w*'] }] }] }] }),
    asks: [{ headers: { 'x-a': 'v1' } }],
    changes: { [`${HEADER}.notValues`]: ['v*'] },
  },
];

const NOBODY = { action: 'Allow', rules: [] } as const;
export const ACCESS_POLICY_SCENARIOS: readonly Scenario[] = [
  {
    name: 'a Service',
    object: policy({ ...WEB, ...NOBODY }),
    asks: [{}],
    changes: {
      'spec.targetRefs[0].group': 'ambit.dev',
      'spec.targetRefs[0].kind': 'Gateway',
      'spec.targetRefs[0].name': 'a',
    },
  },
  {
    name: 'what is attached to one object, and not to all',
    object: policy({ ...WEB, ...NOBODY }),
    asks: [{}, { to: 'shop/a' }],
    changes: without('spec.targetRefs'),
  },
  {
    name: 'a Gateway',
    object: policy({
      targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'wp' }],
      ...NOBODY,
    }),
    asks: [{}],
    changes: { 'spec.targetRefs[0].kind': 'GatewayClass', 'spec.targetRefs[0].name': 'other' },
  },
  {
    name: 'labels',
    object: policy({ selector: { matchLabels: { app: 'web' } }, ...NOBODY }),
    asks: [{}, { to: 'shop/a', port: 'web' }],
    changes: { 'spec.selector.matchLabels': { app: 'a' }, ...without('spec.selector') },
  },
  {
    name: 'what is done',
    object: policy({ ...WEB, action: 'Deny', rules: [{}] }),
    asks: [{}],
    changes: { 'spec.action': 'Allow' },
  },
  {
    name: 'what is only told',
    object: policy({ ...WEB, action: 'Audit', rules: [{}] }),
    asks: [{}],
    log: true,
    changes: { 'spec.action': 'Allow', ...without('spec.rules') },
  },
  {
    name: 'what would be done',
    object: policy({ ...WEB, action: 'Deny', rules: [{}], dryRun: true }),
    asks: [{}],
    log: true,
    changes: without('spec.dryRun'),
  },
  ...SOURCES,
  ...OPERATIONS,
  ...HEADERS,
];

export const ACCESS_POLICY_UNSEEN: Readonly<Record<string, string>> = {
  'spec.targetRefs[].sectionName': 'known by name alone: a policy that has one is refused, as it would hold for more',
};
