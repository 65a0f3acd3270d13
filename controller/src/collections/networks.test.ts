import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MeshObject } from '@ambit/mesh/kinds';
import type { Workload } from '@ambit/mesh/model';
import { all, type Json, MeshWorld, object, ours, pod, service, SHOP } from '../../test/mesh-world.ts';

const node = (name: string, network?: string): MeshObject =>
  object('v1', 'Node', name, {}, network === undefined ? {} : { labels: { 'ambit.dev/network': network } });
const gateway = (name: string, addresses: readonly Json[], meta: Json = {}, spec: Json = {}): MeshObject =>
  object(
    'gateway.networking.k8s.io/v1',
    'Gateway',
    name,
    { spec: { gatewayClassName: 'ambit-east-west', listeners: [], addresses, ...spec } },
    { labels: { 'ambit.dev/network': 'east' }, ...meta },
  );
const address = (value: string, type = 'IPAddress'): Json => ({ type, value });
const of = (host: string, account: string): Json => ({ nodeName: host, serviceAccountName: account });

function twoNetworks(...more: readonly MeshObject[]): MeshWorld {
  return new MeshWorld(
    ...[SHOP, node('host-a', 'west'), node('host-b', 'east'), node('host-c')],
    service('web', { selector: { app: 'web' } }),
    pod('web-1', '10.0.1.1', of('host-a', 'web-west')),
    pod('web-2', '10.0.2.1', of('host-b', 'web-east')),
    pod('web-3', '10.0.2.2', of('host-b', 'web-other')),
    pod('plain', '10.0.3.1', of('host-c', 'plain'), { labels: { app: 'plain' } }),
    ...more,
  );
}

const refOf = ({ networkGateway }: Workload): unknown => {
  if (networkGateway === undefined) return null;
  const { destination, hboneMtlsPort } = networkGateway;
  return [destination.kind === 'hostname' && destination.hostname, hboneMtlsPort];
};
const namesOf = (world: MeshWorld): readonly string[] =>
  all(world.mesh.addresses).flatMap((one) => (one.kind === 'workload' ? [one.workload.name] : []));

test('a service has its addresses in every network, as its callers may be anywhere', () => {
  const { addresses } = twoNetworks().service('web');
  assert.deepEqual(
    addresses.map(({ network, ip }) => [network, ip]),
    ['net', 'east', 'west'].map((network) => [network, '10.96.0.1']),
  );
});

test('so has a host outside the mesh', () => {
  const spec = {
    hosts: ['api.example.com'],
    ports: [{ port: 443 }],
    resolution: 'None',
    addresses: ['203.0.113.0/24'],
  };
  const { addresses } = twoNetworks(ours('ExternalService', 'api', spec)).service('api');
  assert.deepEqual(
    addresses.map(({ network, ip, cidr }) => [network, ip, cidr?.prefixLength]),
    ['net', 'east', 'west'].map((network) => [network, '203.0.113.0', 24]),
  );
});

test('workloads of a network name its gateway, and the service who serves it there', () => {
  const world = twoNetworks(gateway('gw', [address('192.0.2.7')]));
  const ref = [{ namespace: 'shop', hostname: 'gw.shop.gateway' }, 15_008];
  assert.deepEqual(
    ['web-1', 'web-2', 'web-3', 'plain'].map((name) => refOf(world.workload(name))),
    [null, ref, ref, null],
  );
  assert.deepEqual(world.service('web').subjectAltNames, [
    'spiffe://cluster.local/ns/shop/sa/web-east',
    'spiffe://cluster.local/ns/shop/sa/web-other',
  ]);
  const { uid, addresses, hostname, network, tunnelProtocol, serviceAccount, networkMode } = world.workload('gw');
  assert.deepEqual(
    { uid, addresses, hostname, network, tunnelProtocol, serviceAccount, networkMode },
    {
      uid: 'c1/gateway.networking.k8s.io/Gateway/shop/gw',
      ...{ addresses: ['192.0.2.7'], hostname: 'gw.shop.gateway', network: 'east', tunnelProtocol: 'hbone' },
      ...{ serviceAccount: 'gw', networkMode: 'host-network' },
    },
  );
  world.remove('Gateway/shop/gw');
  assert.deepEqual([refOf(world.workload('web-2')), world.service('web').subjectAltNames], [null, []]);
  assert.equal(namesOf(world).includes('gw'), false);
});

test('a gateway has the port of its listener, its account from an annotation, and a name where its address is one', () => {
  const listeners = [{ name: 'cross-network', port: 15_010, protocol: 'ambit.dev/HBONE' }];
  const meta = { annotations: { 'ambit.dev/service-account': 'eastwest' } };
  const world = twoNetworks(gateway('gw', [address('gw.east.example', 'Hostname')], meta, { listeners }));
  assert.deepEqual(refOf(world.workload('web-2')), [{ namespace: 'shop', hostname: 'gw.east.example' }, 15_010]);
  const { addresses, hostname, serviceAccount } = world.workload('gw');
  assert.deepEqual([addresses, hostname, serviceAccount], [[], 'gw.east.example', 'eastwest']);
});

test('where a gateway is counts before where it is wanted, and the oldest of several leads', () => {
  const old = { creationTimestamp: '2026-01-01T00:00:00Z', labels: { 'ambit.dev/network': 'east' } };
  const there = gateway('old', [address('192.0.2.8')], old);
  const world = twoNetworks(gateway('a-new', [address('192.0.2.7')], { creationTimestamp: '2026-02-01T00:00:00Z' }));
  world.put({
    ...there,
    ...(there.kind === 'Gateway' ? { addresses: [{ kind: 'hostname', hostname: 'lb.example' }] } : {}),
  } as MeshObject);
  assert.deepEqual(refOf(world.workload('web-2')), [{ namespace: 'shop', hostname: 'lb.example' }, 15_008]);
});

test('a Gateway without address, without network or of another class leads nowhere', () => {
  const world = twoNetworks(
    gateway('nowhere', []),
    gateway('unnamed', [address('192.0.2.7')], { labels: {} }),
    gateway('waypoint', [address('192.0.2.7')], {}, { gatewayClassName: 'ambit-waypoint' }),
  );
  assert.equal(refOf(world.workload('web-2')), null);
  assert.deepEqual(namesOf(world).toSorted(), ['plain', 'web-1', 'web-2', 'web-3']);
});
