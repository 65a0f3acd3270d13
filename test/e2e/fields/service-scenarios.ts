import type { Looks } from './field-world.ts';
import { type Json, without } from './fields.ts';
import { object } from './objects.ts';
import type { Scenario } from './prove-fields.ts';

const IP = '10.9.0.20';
const OTHER_IP = '10.9.0.21';
const PORT = { name: 'web', port: 80, targetPort: 'web', appProtocol: 'http' } as const;
const SPEC = { clusterIP: IP, selector: { app: 'a' }, ports: [PORT] } as const;
/** What only a waypoint acts upon. */
const ROUTE = object('HTTPRoute', 'r', {
  parentRefs: [{ group: '', kind: 'Service', name: 'svc' }],
  rules: [{ backendRefs: [{ name: 'b', port: 80 }] }],
});
/** A Pod at an address where nobody answers, which is not the same as having no server. */
const AWAY = {
  ...object(
    'Pod',
    'away',
    { nodeName: 'far', containers: [{ ports: [{ name: 'web', containerPort: 9 }] }] },
    {
      labels: { app: 'away' },
    },
  ),
  status: { podIP: '127.0.0.31', conditions: [{ type: 'Ready', status: 'False' }] },
};

function scenario(
  name: string,
  spec: Json,
  changes: Readonly<Record<string, unknown>>,
  looks: Looks & Pick<Scenario, 'beside'> = {},
): Scenario {
  return { name, object: object('Service', 'svc', { ...SPEC, ...spec }), asks: [{ to: IP }], ...looks, changes };
}

/** Of two servers, which take turns unless the annotations are others. */
function balanced(name: string, others: Json): Scenario {
  const annotations = { 'ambit.dev/load-balancer': 'round-robin' };
  return {
    name,
    object: object('Service', 'svc', { ...SPEC, selector: { app: 'two' } }, { annotations }),
    asks: [{ to: IP }, { to: IP }],
    changes: { 'metadata.annotations': others },
  };
}

const line: Looks = { asks: [{ to: IP, says: 'line' }] };
const text = { port: 80, targetPort: 'text' } as const;

export const SERVICE_SCENARIOS: readonly Scenario[] = [
  scenario('whose servers it is for', {}, { 'spec.selector.app': 'b', ...without('spec.selector') }),
  scenario('an address', { type: 'ClusterIP' }, { 'spec.clusterIP': OTHER_IP, 'spec.type': 'ExternalName' }),
  scenario('addresses', { clusterIPs: [IP, 'fd10::20'] }, { 'spec.clusterIPs': [OTHER_IP] }),
  scenario(
    'a port',
    { ports: [{ ...PORT, protocol: 'TCP' }] },
    { 'spec.ports[0].port': 81, 'spec.ports[0].targetPort': 'alt', 'spec.ports[0].protocol': 'UDP' },
  ),
  scenario(
    'what a port speaks',
    { ports: [{ ...text, appProtocol: 'tcp' }] },
    { 'spec.ports[0].appProtocol': 'http' },
    line,
  ),
  scenario(
    'what the name of a port says',
    { ports: [{ ...text, name: 'tcp-db' }] },
    { 'spec.ports[0].name': 'http-db' },
    line,
  ),
  scenario(
    'servers that are not ready',
    { selector: { app: 'away' }, publishNotReadyAddresses: true },
    without('spec.publishNotReadyAddresses'),
    { beside: [AWAY] },
  ),
  scenario(
    'servers of the same node',
    { selector: { app: 'two' }, internalTrafficPolicy: 'Local' },
    without('spec.internalTrafficPolicy'),
  ),
  scenario(
    'servers nearby',
    { selector: { app: 'two' }, trafficDistribution: 'PreferClose' },
    without('spec.trafficDistribution'),
  ),
  balanced('how one of several servers is chosen', { 'ambit.dev/load-balancer': 'random' }),
  balanced('that it is said how one is chosen', {}),
  {
    name: 'the waypoint',
    object: object('Service', 'svc', SPEC, { labels: { 'ambit.dev/waypoint': 'wp' } }),
    beside: [ROUTE],
    asks: [{ to: IP }],
    changes: { 'metadata.labels': { 'ambit.dev/waypoint': 'none' } },
  },
  {
    name: 'the waypoint of the namespace',
    object: object('Namespace', 'shop', undefined, { labels: { 'ambit.dev/waypoint': 'wp' } }),
    beside: [object('Service', 'svc', SPEC), ROUTE],
    asks: [{ to: IP }],
    changes: { 'metadata.labels': {} },
  },
];

export const SERVICE_UNSEEN: Readonly<Record<string, string>> = {
  'spec.ipFamilies': 'for agents that answer names themselves, which Ambit has none of: what counts is clusterIPs',
};
