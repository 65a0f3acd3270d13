import type { Looks } from './field-world.ts';
import { type Json, without } from './fields.ts';
import { MACHINE, object } from './objects.ts';
import type { Scenario } from './prove-fields.ts';

const IP = '10.9.0.20';
/** Where nobody answers. */
const AWAY = '127.0.0.31';
const PORT = { name: 'web', port: 80, targetPort: 'web', appProtocol: 'http' } as const;
const ASKS: Looks = { asks: [{ to: IP }] };

function service(spec: Json): Json {
  return object('Service', 'svc', { clusterIP: IP, ports: [PORT], ...spec });
}

function machine(name: string, spec: Json, changes: Json, beside: readonly Json[] = [service({})]): Scenario {
  const whole = {
    addresses: [MACHINE.ip],
    services: ['svc'],
    ports: [{ name: 'web', port: '@machine:web' }],
    ...spec,
  };
  return { name, object: object('ExternalWorkload', 'm', whole), beside, ...ASKS, changes };
}

const FAR = { app: 'two', version: 'v1' } as const;
/** A machine near the waypoint where nobody answers: one that is as near is tried as well. */
const NEAR = object('ExternalWorkload', 'near', {
  addresses: [AWAY],
  services: ['svc'],
  ports: [{ name: 'web', port: 9 }],
  locality: { zone: 'here' },
});

export const EXTERNAL_WORKLOAD_SCENARIOS: readonly Scenario[] = [
  machine(
    'a machine',
    {},
    {
      'spec.addresses': [AWAY],
      'spec.services': ['a'],
      'spec.ports[0].name': 'alt',
      'spec.ports[0].port': '@machine:alt',
    },
  ),
  machine('one that is not ready', { ready: false }, without('spec.ready')),
  machine('one of another network', { network: 'elsewhere' }, without('spec.network')),
  machine('one that is reached by tunnel, if there is somebody', { tunnel: 'HBONE' }, without('spec.tunnel')),
  machine('its node', { nodeName: 'near' }, without('spec.nodeName'), [service({ internalTrafficPolicy: 'Local' })]),
  machine('its region', { locality: { region: 'r', zone: 'here' } }, without('spec.locality.region'), [
    service({ trafficDistribution: 'PreferClose', selector: FAR }),
  ]),
  machine('its zone', { locality: { zone: 'there' } }, { 'spec.locality.zone': 'here' }, [
    service({ trafficDistribution: 'PreferClose' }),
    NEAR,
  ]),
  machine('its part of the zone', { locality: { zone: 'here', subzone: 'x' } }, without('spec.locality.subzone'), [
    service({ trafficDistribution: 'PreferSameNode' }),
    NEAR,
  ]),
  machine('its share', { weight: 9 }, without('spec.weight'), [service({ selector: { app: 'two' } })]),
  {
    name: 'who it is',
    object: object('ExternalWorkload', 'm', { addresses: [MACHINE.ip], serviceAccountName: 'm', tunnel: 'HBONE' }),
    statusOf: ['ExternalWorkload/shop/m'],
    changes: without('spec.serviceAccountName'),
  },
];

function slice(name: string, endpoint: Json, changes: Json, port = '@machine:web'): Scenario {
  const own = object('EndpointSlice', 's', undefined, { labels: { 'kubernetes.io/service-name': 'svc' } });
  const ports = [{ name: 'web', port, protocol: 'TCP' }];
  return {
    name,
    object: { ...own, addressType: 'IPv4', endpoints: [{ addresses: [MACHINE.ip], ...endpoint }], ports },
    beside: [service({})],
    ...ASKS,
    changes,
  };
}

export const ENDPOINT_SLICE_SCENARIOS: readonly Scenario[] = [
  slice(
    'an address',
    {},
    {
      addressType: 'FQDN',
      'endpoints[0].addresses': [AWAY],
      'ports[0].name': 'alt',
      'ports[0].port': '@machine:alt',
      'ports[0].protocol': 'UDP',
    },
  ),
  slice('one that is not ready', { conditions: { ready: false } }, without('endpoints[0].conditions.ready')),
  slice(
    'a pod',
    { addresses: [AWAY], targetRef: { kind: 'Pod', name: 'a', namespace: 'shop' } },
    {
      'endpoints[0].targetRef.kind': 'Node',
      'endpoints[0].targetRef.name': 'b',
      'endpoints[0].targetRef.namespace': 'next',
    },
    '@shop/a:web',
  ),
];
