import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Service } from '@ambit/mesh/model';
import { all, MeshWorld, type Json, ours, SHOP } from '../../test/mesh-world.ts';

const PORTS = [{ port: 443, targetPort: 8443, protocol: 'TLS' }];

function external(name: string, spec: Json, meta: Json = {}): ReturnType<typeof ours> {
  return ours('ExternalService', name, { ports: PORTS, ...spec }, meta);
}

function services(world: MeshWorld): readonly Service[] {
  return all(world.mesh.addresses).flatMap((object) => (object.kind === 'service' ? [object.service] : []));
}

const addressesOf = ({ addresses }: Service): readonly string[] =>
  addresses.map(({ ip, cidr }) => (cidr === undefined ? ip : `${ip}/${cidr.prefixLength}`));

test('a host that is resolved is a service with addresses of its own, and a workload with its name', () => {
  const world = new MeshWorld(SHOP, external('api', { hosts: ['api.example.com', 'v2.example.com'] }));
  const [one, two] = services(world);
  assert.deepEqual(
    [one?.key, one?.ports, one?.visibility, one?.canonical, one?.loadBalancing],
    [
      'shop/api.example.com',
      [{ servicePort: 443, targetPort: 8443, appProtocol: 'tls' }],
      'namespace',
      false,
      undefined,
    ],
  );
  assert.equal(new Set([one, two].flatMap((service) => (service === undefined ? [] : addressesOf(service)))).size, 4);
  assert.deepEqual(world.names, [
    'c1/ambit.dev/ExternalService/shop/api/api.example.com',
    'c1/ambit.dev/ExternalService/shop/api/v2.example.com',
    'shop/api.example.com',
    'shop/v2.example.com',
  ]);
  const workload = all(world.mesh.addresses).find(
    (object) => object.kind === 'workload' && object.workload.hostname === 'v2.example.com',
  );
  if (workload?.kind !== 'workload') assert.fail();
  const { addresses, tunnelProtocol, services: backed, network } = workload.workload;
  assert.deepEqual(
    [addresses, tunnelProtocol, [...backed.keys()], network],
    [[], 'none', ['shop/v2.example.com'], 'net'],
  );
});

test('static endpoints, and names to resolve instead, back every host, by weight', () => {
  const hosts = ['a.example.com', 'b.example.com'];
  const endpoints = [{ address: '192.0.2.1', weight: 3 }, { address: '2001:db8::1' }];
  const world = new MeshWorld(
    SHOP,
    external('still', { hosts, resolution: 'Static', addresses: ['192.0.2.80'], endpoints }),
    external('named', { hosts: ['c.example.com'], endpoints: [{ address: 'db-1.example.net' }] }),
  );
  const shown = all(world.mesh.addresses).flatMap((object) =>
    object.kind === 'workload'
      ? [
          [
            ...object.workload.addresses,
            object.workload.hostname,
            object.workload.capacity,
            [...object.workload.services.keys()].join(),
          ].join(' '),
        ]
      : [],
  );
  assert.deepEqual(shown.toSorted(), [
    '192.0.2.1  3 shop/a.example.com,shop/b.example.com',
    '2001:db8::1  1 shop/a.example.com,shop/b.example.com',
    'db-1.example.net 1 shop/c.example.com',
  ]);
  const still = services(world).find(({ hostname }) => hostname === 'a.example.com');
  assert.deepEqual(still === undefined ? [] : addressesOf(still), ['192.0.2.80']);
});

test('what is not resolved passes through by its blocks', () => {
  const spec = { hosts: ['range.example.com'], resolution: 'None', addresses: ['203.0.113.0/24', '2001:db8::7'] };
  const world = new MeshWorld(SHOP, external('range', spec));
  const [service] = services(world);
  assert.deepEqual(
    [service?.loadBalancing?.mode, service === undefined ? [] : addressesOf(service), world.names],
    ['passthrough', ['203.0.113.0/24', '2001:db8::7'], ['shop/range.example.com']],
  );
});

test('hosts of the root namespace are for the whole mesh', () => {
  const world = new MeshWorld(SHOP, external('api', { hosts: ['api.example.com'] }, { namespace: 'ambit-system' }));
  assert.deepEqual(
    services(world).map(({ visibility, key }) => [visibility, key]),
    [['public', 'ambit-system/api.example.com']],
  );
});

test('of two with the same host the older has it, and its addresses stay when the younger goes', () => {
  const created = (day: number): Json => ({ creationTimestamp: `2026-01-0${day}T00:00:00Z` });
  const older = external('z', { hosts: ['api.example.com'], ports: [{ port: 80 }] }, created(1));
  const younger = external('a', { hosts: ['api.example.com', 'other.example.com'] }, created(2));
  const world = new MeshWorld(SHOP, older);
  const before = services(world);
  world.put(younger);
  const [api] = services(world).filter(({ hostname }) => hostname === 'api.example.com');
  assert.deepEqual([api], before);
  assert.deepEqual(
    world.names.filter((name) => name.includes('/api.example.com')),
    ['c1/ambit.dev/ExternalService/shop/z/api.example.com', 'shop/api.example.com'],
  );
  world.remove('ExternalService/shop/z');
  const [now] = services(world).filter(({ hostname }) => hostname === 'api.example.com');
  assert.deepEqual([now?.name, now?.addresses], ['a', before[0]?.addresses]);
  assert.ok(world.names.includes('c1/ambit.dev/ExternalService/shop/a/api.example.com'));
});
