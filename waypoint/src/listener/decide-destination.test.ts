import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMeshViewStore } from '@ambit/mesh/model';
import { buildService, buildWorkload } from '@ambit/mesh/testing';
import { parseAuthority } from '@ambit/mesh/wire';
import { decideDestination, type Destination } from './decide-destination.ts';

const web = buildService({ addresses: ['10.96.0.1', 'far/10.96.0.2'] });
const block = buildService({ name: 'block', addresses: ['10.0.0.0/24'], ports: ['5432'] });
const pod = buildWorkload({ name: 'pod', addresses: ['10.0.0.5'] });
const [shared, sharedElsewhere] = ['shop', 'other'].map((namespace) =>
  buildService({ name: 'api', namespace, hostname: 'api.example', addresses: [], canonical: false }),
);
const store = createMeshViewStore();
store.apply({
  services: [web, block, shared, sharedElsewhere].filter((service) => service !== undefined),
  workloads: [pod],
});

const meant = (authority: string, ownNamespace?: string): Destination =>
  decideDestination(store.view, '', parseAuthority(authority), ownNamespace);
const port80 = (service: unknown): object => ({ kind: 'service', service, port: 80, protocol: 'unknown' });
const unknown = (reason: string): object => ({ kind: 'unknown', reason });

const rows: readonly (readonly [string, string, string | undefined, object])[] = [
  ['a VIP and a port of the service', '10.96.0.1:80', undefined, port80(web)],
  ['the name of a service, as other networks have it', 'web.shop.svc.cluster.local:80', undefined, port80(web)],
  ['a name in capitals', 'WEB.shop.svc.cluster.local:80', undefined, port80(web)],
  ['a name that several have: of the own namespace', 'api.example:80', 'shop', port80(shared)],
  [
    'a name that several have: without an own namespace the first',
    'api.example:80',
    undefined,
    port80(sharedElsewhere),
  ],
  [
    'a name and a port that is none of the service',
    'web.shop.svc.cluster.local:81',
    undefined,
    unknown('unknown-port'),
  ],
  ['a name that nobody has', 'nobody.example:80', 'shop', unknown('unknown-hostname')],
  ['a VIP of another network', '10.96.0.2:80', undefined, unknown('unknown-address')],
  [
    'a workload, also within the block of a service',
    '10.0.0.5:80',
    undefined,
    { kind: 'workload', workload: pod, port: 80 },
  ],
  ['an address within the block of a service', '10.0.0.6:5432', undefined, { ...port80(block), port: 5432 }],
];
for (const [name, authority, ownNamespace, expected] of rows) {
  test(`decideDestination() for ${name}`, () => assert.deepEqual(meant(authority, ownNamespace), expected));
}
