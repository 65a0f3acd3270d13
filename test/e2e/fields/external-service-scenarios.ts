import { without } from './fields.ts';
import { object } from './objects.ts';
import type { Scenario } from './prove-fields.ts';

const NAMED = { hosts: ['api.example.com'], ports: [{ port: 443, targetPort: 8443, protocol: 'TLS' }] };

/** What agents are told of it. */
export const EXTERNAL_SERVICE_SCENARIOS: readonly Scenario[] = [
  {
    name: 'a host that is resolved',
    object: object('ExternalService', 'e', NAMED),
    statusOf: ['ExternalService/shop/e'],
    changes: {
      'spec.hosts': ['v2.example.com'],
      'spec.ports[0].port': 80,
      'spec.ports[0].targetPort': 9443,
      'spec.ports[0].protocol': 'HTTP',
    },
  },
  {
    name: 'where it is',
    object: object('ExternalService', 'e', {
      ...NAMED,
      resolution: 'Static',
      addresses: ['192.0.2.80'],
      endpoints: [{ address: '192.0.2.1', weight: 3 }],
    }),
    statusOf: ['ExternalService/shop/e'],
    changes: {
      'spec.endpoints[0].address': '192.0.2.2',
      ...without('spec.endpoints[0].weight', 'spec.addresses'),
    },
  },
  {
    name: 'whether it is resolved',
    object: object('ExternalService', 'e', { ...NAMED, resolution: 'DNS', addresses: ['192.0.2.80'] }),
    statusOf: ['ExternalService/shop/e'],
    changes: { 'spec.resolution': 'None' },
  },
];
