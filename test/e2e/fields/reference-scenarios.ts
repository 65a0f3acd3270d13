import { type Json, without } from './fields.ts';
import { object } from './objects.ts';
import type { Scenario } from './prove-fields.ts';

const DOOR = object('Gateway', 'door', {
  gatewayClassName: 'ambit',
  listeners: [{ name: 'web', port: 80, protocol: 'HTTP' }],
});

function route(parent: Json, backend: Json): Json {
  return object('HTTPRoute', 'r', { parentRefs: [parent], rules: [{ backendRefs: [backend] }] });
}

/** What is said of a route at a Gateway is all that grants are good for: a mesh needs none (GEP-1294). */
export const REFERENCE_GRANT_SCENARIOS: readonly Scenario[] = [
  {
    name: 'who may refer to what',
    object: object('ReferenceGrant', 'next/g', {
      from: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', namespace: 'shop' }],
      to: [{ group: '', kind: 'Service', name: 'a' }],
    }),
    beside: [DOOR, route({ name: 'door' }, { name: 'a', namespace: 'next', port: 80 })],
    statusOf: ['HTTPRoute/shop/r'],
    changes: {
      'spec.from[0].group': 'x.io',
      'spec.from[0].kind': 'GRPCRoute',
      'spec.from[0].namespace': 'next',
      'spec.to[0].group': 'x.io',
      'spec.to[0].kind': 'Secret',
      'spec.to[0].name': 'b',
    },
  },
];

const IMPORT = { group: 'multicluster.x-k8s.io', kind: 'ServiceImport', name: 'a' } as const;
const IMPORT_IP = '10.9.0.20';
const imported = (spec: Json): Json =>
  object('ServiceImport', 'a', { type: 'ClusterSetIP', ips: [IMPORT_IP], ...spec });

export const SERVICE_IMPORT_SCENARIOS: readonly Scenario[] = [
  {
    name: 'a port, and a route there',
    object: imported({ ports: [{ name: 'web', port: 80, protocol: 'TCP' }] }),
    beside: [route({ ...IMPORT, sectionName: 'web' }, { name: 'b', port: 80 })],
    asks: [{ to: IMPORT_IP }],
    changes: {
      'spec.type': 'Headless',
      ...without('spec.ips', 'spec.ports'),
      'spec.ports[0].name': 'alt',
      'spec.ports[0].port': 81,
      'spec.ports[0].protocol': 'UDP',
    },
  },
  {
    name: 'what a port speaks',
    object: imported({ ports: [{ port: 82, appProtocol: 'tcp' }] }),
    asks: [{ to: IMPORT_IP, port: 82, says: 'line' }],
    changes: { 'spec.ports[0].appProtocol': 'http' },
  },
];
