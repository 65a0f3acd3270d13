import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMeshViewStore, type MeshView, parseIpAddress } from '@ambit/mesh/model';
import { buildService, buildWorkload, type ServiceOptions, type WorkloadOptions } from '@ambit/mesh/testing';
import { decideDnsAnswer, type DnsDecision, type DnsRecordType } from './decide-dns-answer.ts';

interface World {
  readonly services?: readonly ServiceOptions[];
  readonly workloads?: readonly WorkloadOptions[];
  readonly namespace?: string;
  readonly network?: string;
  readonly preferred?: string;
  readonly clusterDomain?: string;
}

function viewOf({ services = [], workloads = [] }: World): MeshView {
  const store = createMeshViewStore();
  store.apply({ services: services.map(buildService), workloads: workloads.map(buildWorkload) });
  return store.view;
}

const forward: DnsDecision = { kind: 'forward' };

function found(
  addresses: readonly string[],
  alias: string | null = null,
  order: 'given' | 'equal' = 'given',
): DnsDecision {
  return { kind: 'addresses', alias, addresses: addresses.map(parseIpAddress), order };
}

const web: ServiceOptions = { name: 'web', namespace: 'shop', addresses: ['10.96.0.1', 'fd96::1'] };
const full = 'web.shop.svc.cluster.local';
const elsewhere: World = { services: [web], namespace: 'bank' };
const external: ServiceOptions = {
  name: 'api',
  namespace: 'shop',
  hostname: 'api.example.com',
  addresses: ['240.0.0.1'],
};
const wildcard: ServiceOptions = {
  name: 'any',
  namespace: 'shop',
  hostname: '*.example.com',
  addresses: ['240.0.0.9'],
};
const headless: ServiceOptions = { name: 'db', namespace: 'shop', addresses: [] };
const headlessKey = 'shop/db.shop.svc.cluster.local';
const backs = { [headlessKey]: ['5432'] };
const pods: readonly WorkloadOptions[] = [
  { name: 'db-0', addresses: ['10.0.0.5', 'fd00::5'], services: backs },
  { name: 'db-1', addresses: ['10.0.0.6', 'fd00::6', '10.0.1.6'], services: backs },
  { name: 'db-2', addresses: ['10.0.0.7'], services: backs, status: 'unhealthy' },
  { name: 'db-3', addresses: ['10.0.0.8'], services: backs, network: 'far' },
  { name: 'other', addresses: ['10.0.0.9'] },
];
const database: World = { services: [headless], workloads: pods };

const rows: readonly (readonly [why: string, World, name: string, DnsRecordType, DnsDecision])[] = [
  ['a full name', { services: [web] }, full, 'A', found(['10.96.0.1'])],
  ['a full name, IPv6', { services: [web] }, full, 'AAAA', found(['fd96::1'])],
  ['a name from another namespace', elsewhere, full, 'A', found(['10.96.0.1'])],
  ['a short name means the own namespace', { services: [web] }, 'web', 'A', found(['10.96.0.1'])],
  ['a short name means no other namespace', elsewhere, 'web', 'A', forward],
  ['service.namespace', elsewhere, 'web.shop', 'A', found(['10.96.0.1'])],
  ['service.namespace.svc', elsewhere, 'web.shop.svc', 'A', found(['10.96.0.1'])],
  ['a short name with a search domain', elsewhere, 'web.shop.svc.cluster.local', 'A', found(['10.96.0.1'])],
  [
    'a name that a resolver completed once too often',
    elsewhere,
    'web.shop.bank.svc.cluster.local',
    'A',
    found(['10.96.0.1'], 'web.shop'),
  ],
  ['a full name that was completed', elsewhere, `${full}.bank.svc.cluster.local`, 'A', found(['10.96.0.1'], full)],
  ['a full name under svc', elsewhere, `${full}.svc.cluster.local`, 'A', found(['10.96.0.1'], full)],
  ['a full name under the domain', elsewhere, `${full}.cluster.local`, 'A', found(['10.96.0.1'], full)],
  ['another cluster domain', { services: [web], clusterDomain: 'corp' }, 'web', 'A', forward],
  [
    'another cluster domain, and its services',
    { services: [{ ...web, hostname: 'web.shop.svc.corp' }], clusterDomain: 'corp' },
    'web',
    'A',
    found(['10.96.0.1']),
  ],
  ['an unknown name', { services: [web] }, 'example.com', 'A', forward],
  ['the root', { services: [web] }, '', 'A', forward],
  ['a known name without the family', { services: [external] }, 'api.example.com', 'AAAA', found([])],
  ['an external name', { services: [external] }, 'api.example.com', 'A', found(['240.0.0.1'])],
  [
    'an external name that was completed',
    { services: [external] },
    'api.example.com.shop.svc.cluster.local',
    'A',
    found(['240.0.0.1'], 'api.example.com'),
  ],
  [
    'an external name that was completed, without the family: no alias that leads nowhere',
    { services: [external] },
    'api.example.com.shop.svc.cluster.local',
    'AAAA',
    found([]),
  ],
  [
    'an external name without addresses',
    { services: [{ ...external, addresses: [] }] },
    'api.example.com',
    'A',
    forward,
  ],
  [
    'an external name with a block alone',
    { services: [{ ...external, addresses: ['240.0.0.0/24'] }] },
    'api.example.com',
    'A',
    forward,
  ],
  ['a wildcard', { services: [wildcard] }, 'www.example.com', 'A', found(['240.0.0.9'])],
  ['a wildcard over several labels', { services: [wildcard] }, 'a.b.example.com', 'A', found(['240.0.0.9'])],
  ['a wildcard does not cover its domain', { services: [wildcard] }, 'example.com', 'A', forward],
  ['a name comes before a wildcard', { services: [wildcard, external] }, 'api.example.com', 'A', found(['240.0.0.1'])],
  [
    'a nearer wildcard comes first',
    { services: [wildcard, { ...wildcard, hostname: '*.eu.example.com', addresses: ['240.0.0.8'] }] },
    'www.eu.example.com',
    'A',
    found(['240.0.0.8']),
  ],
  [
    'a wildcard answers under the name that was asked for',
    { services: [wildcard] },
    'www.example.com.shop.svc.cluster.local',
    'A',
    found(['240.0.0.9']),
  ],
  [
    'endpoints of a headless service: healthy, of the network, one each',
    database,
    'db',
    'A',
    found(['10.0.0.5', '10.0.0.6'], null, 'equal'),
  ],
  ['endpoints of a headless service, IPv6', database, 'db', 'AAAA', found(['fd00::5', 'fd00::6'], null, 'equal')],
  [
    'endpoints of a headless service of one family',
    { services: [{ ...headless, ipFamilies: 'ipv4-only' }], workloads: pods },
    'db',
    'AAAA',
    found([], null, 'equal'),
  ],
  [
    'endpoints that are not ready, where they are to be published',
    {
      services: [
        { ...headless, loadBalancing: { mode: 'unspecified', routingPreference: [], healthPolicy: 'allow-all' } },
      ],
      workloads: pods,
    },
    'db',
    'A',
    found(['10.0.0.5', '10.0.0.6', '10.0.0.7'], null, 'equal'),
  ],
  ['a headless service without endpoints', { services: [headless] }, 'db', 'A', forward],
  ['a pod of a headless service', database, 'db-0.db', 'A', forward],
  [
    'addresses of the network alone',
    { services: [{ ...web, addresses: ['far/10.96.0.1', '10.96.0.2'] }] },
    'web',
    'A',
    found(['10.96.0.2']),
  ],
  ['a service of another network', { services: [{ ...web, addresses: ['far/10.96.0.1'] }] }, 'web', 'A', found([])],
  [
    'what its namespace alone may see, seen from there',
    { services: [{ ...external, visibility: 'namespace' }] },
    'api.example.com',
    'A',
    found(['240.0.0.1']),
  ],
  [
    'what its namespace alone may see, seen from elsewhere',
    { services: [{ ...external, visibility: 'namespace' }], namespace: 'bank' },
    'api.example.com',
    'A',
    forward,
  ],
  [
    'the own namespace before the preferred',
    {
      services: [external, { ...external, namespace: 'bank', addresses: ['240.0.0.2'] }],
      namespace: 'shop',
      preferred: 'bank',
    },
    'api.example.com',
    'A',
    found(['240.0.0.1']),
  ],
  [
    'the preferred namespace before a canonical one',
    {
      services: [external, { ...external, namespace: 'bank', addresses: ['240.0.0.2'], canonical: false }],
      namespace: 'x',
      preferred: 'bank',
    },
    'api.example.com',
    'A',
    found(['240.0.0.2']),
  ],
  [
    'a canonical one before the first',
    {
      services: [
        { ...external, canonical: false },
        { ...external, namespace: 'zoo', addresses: ['240.0.0.3'] },
      ],
      namespace: 'x',
    },
    'api.example.com',
    'A',
    found(['240.0.0.3']),
  ],
  [
    'the first of equals',
    { services: [external, { ...external, namespace: 'bank', addresses: ['240.0.0.2'] }], namespace: 'x' },
    'api.example.com',
    'A',
    found(['240.0.0.2']),
  ],
  [
    'a port by its number',
    { services: [web] },
    '_80._tcp.web',
    'SRV',
    { kind: 'port', target: full, port: 80, addresses: ['10.96.0.1', 'fd96::1'].map(parseIpAddress) },
  ],
  [
    'a port of a wildcard',
    { services: [wildcard] },
    '_80._tcp.www.example.com',
    'SRV',
    { kind: 'port', target: 'www.example.com', port: 80, addresses: [parseIpAddress('240.0.0.9')] },
  ],
  [
    'a port by its name',
    { services: [{ ...web, ports: ['80:8080', '443:8443'], portNames: new Map([['https', 443]]) }] },
    '_https._tcp.web.shop.svc.cluster.local',
    'SRV',
    { kind: 'port', target: full, port: 443, addresses: ['10.96.0.1', 'fd96::1'].map(parseIpAddress) },
  ],
  [
    'a name that another port has',
    { services: [{ ...web, portNames: new Map([['https', 443]]) }] },
    '_http._tcp.web',
    'SRV',
    forward,
  ],
  [
    'a name of a port that the service does not have',
    { services: [{ ...web, portNames: new Map([['https', 443]]) }] },
    '_https._tcp.web',
    'SRV',
    forward,
  ],
  ['a port the service does not have', { services: [web] }, '_81._tcp.web', 'SRV', forward],
  ['a port of a protocol the mesh does not carry', { services: [web] }, '_80._udp.web', 'SRV', forward],
  ['every port', { services: [web] }, full, 'SRV', forward],
  ['a port of a headless service', database, '_5432._tcp.db', 'SRV', forward],
  ['a port of an unknown name', { services: [web] }, '_80._tcp.example.com', 'SRV', forward],
];

for (const [why, world, name, type, expected] of rows) {
  test(`decideDnsAnswer() ${type} of ${name === '' ? '.' : name}: ${why}`, () => {
    const { namespace = 'shop', network = '', preferred = '', clusterDomain = 'cluster.local' } = world;
    const naming = { clusterDomain, preferredNamespace: preferred };
    assert.deepEqual(decideDnsAnswer(viewOf(world), { name, type }, { namespace, network }, naming), expected);
  });
}
