import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { after, afterEach, before, describe, test } from 'node:test';
import { until } from '@ambit/mesh/testing';
import { accessPolicy, type Manifest, mutualTlsPolicy, namespace } from '../scenarios/manifests.ts';
import { controllerMetric, logsOf } from '../scenarios/scenario.ts';
import { requireSandbox } from '../world/sandbox.ts';
import { ADDRESS, AdsClient, type AdsResource, type AdsResponse, AUTHORIZATION, versionsOf } from './ads-client.ts';
import { MeshWithMachine } from './mesh-with-machine.ts';

const RICH_POLICY = accessPolicy('rich', 'server', {
  action: 'Allow',
  rules: [
    {
      from: [
        { serviceAccounts: ['client', 'outside/machine'], notNamespaces: ['test-*'] },
        { principals: ['cluster.local/ns/ops/*'], ipBlocks: ['10.10.0.0/16', 'fd10::/32'] },
      ],
      to: [{ ports: [8080, 9000], notIpBlocks: ['10.10.1.99/32'] }],
    },
  ],
});
const DRY_RUN = accessPolicy('observed', null, {
  action: 'Deny',
  dryRun: true,
  rules: [{ from: [{ namespaces: ['*'] }] }],
});

const SHOP_SERVICE: Manifest = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'server', namespace: 'shop', labels: { 'ambit.dev/waypoint': 'gate' } },
  spec: {
    clusterIPs: ['10.20.0.5', 'fd10:20::5'],
    ipFamilies: ['IPv4', 'IPv6'],
    selector: { app: 'server' },
    trafficDistribution: 'PreferClose',
    ports: [
      { name: 'http', port: 80, targetPort: 8080, appProtocol: 'http' },
      { name: 'lines', port: 9, targetPort: 'tcp-lines' },
    ],
  },
};
const VAULT: Manifest = {
  apiVersion: 'ambit.dev/v1alpha1',
  kind: 'ExternalWorkload',
  metadata: { name: 'vault', namespace: 'outside', labels: { app: 'vault', version: 'v7' } },
  spec: {
    addresses: ['10.9.9.8'],
    locality: { region: 'north', zone: 'north-1', subzone: 'rack-3' },
    ready: false,
    weight: 3,
  },
};

const bytes = (...values: readonly number[]): string => Buffer.from(values).toString('base64');
const v6 = (text: string): string => Buffer.from(text, 'hex').toString('base64');

/** What Istio's types must read, field by field; proto3 leaves zeros out. */
const SERVER_VALUE = {
  workload: {
    uid: 'Kubernetes//Pod/shop/server',
    name: 'server',
    namespace: 'shop',
    addresses: [bytes(10, 10, 1, 20), v6('fd100010000100000000000000000020')],
    tunnelProtocol: 'HBONE',
    trustDomain: 'cluster.local',
    serviceAccount: 'server',
    node: 'host-a',
    canonicalName: 'server',
    canonicalRevision: 'latest',
    workloadType: 'POD',
    workloadName: 'server',
    services: {
      'shop/server.shop.svc.cluster.local': {
        ports: [
          { servicePort: 80, targetPort: 8080, appProtocol: 'HTTP11' },
          { servicePort: 9, targetPort: 9000 },
        ],
      },
    },
    authorizationPolicies: ['shop/rich'],
    clusterId: 'Kubernetes',
    locality: {},
  },
};
const SERVICE_VALUE = {
  service: {
    name: 'server',
    namespace: 'shop',
    hostname: 'server.shop.svc.cluster.local',
    addresses: [{ address: bytes(10, 20, 0, 5) }, { address: v6('fd100020000000000000000000000005') }],
    ports: [{ servicePort: 80, targetPort: 8080, appProtocol: 'HTTP11' }, { servicePort: 9 }],
    waypoint: {
      hostname: { namespace: 'shop', hostname: 'gate-ambit-waypoint.shop.svc.cluster.local' },
      hboneMtlsPort: 15008,
    },
    loadBalancing: { routingPreference: ['NETWORK', 'REGION', 'ZONE'], mode: 'FAILOVER' },
    ipFamilies: 'DUAL',
    canonical: true,
  },
};
const VAULT_VALUE = {
  workload: {
    uid: 'Kubernetes/ambit.dev/ExternalWorkload/outside/vault',
    name: 'vault',
    namespace: 'outside',
    addresses: [bytes(10, 9, 9, 8)],
    trustDomain: 'cluster.local',
    serviceAccount: 'default',
    canonicalName: 'vault',
    canonicalRevision: 'v7',
    workloadType: 'POD',
    workloadName: 'vault',
    status: 'UNHEALTHY',
    clusterId: 'Kubernetes',
    locality: { region: 'north', zone: 'north-1', subzone: 'rack-3' },
    capacity: 3,
  },
};
const RICH_VALUE = {
  name: 'rich',
  namespace: 'shop',
  scope: 'WORKLOAD_SELECTOR',
  groups: [
    {
      rules: [
        {
          matches: [
            {
              serviceAccounts: [
                { namespace: 'shop', serviceAccount: 'client' },
                { namespace: 'outside', serviceAccount: 'machine' },
              ],
              notNamespaces: [{ prefix: 'test-' }],
            },
            {
              principals: [{ prefix: 'cluster.local/ns/ops/' }],
              sourceIps: [
                { address: bytes(10, 10, 0, 0), length: 16 },
                { address: v6('fd100000000000000000000000000000'), length: 32 },
              ],
            },
          ],
        },
        {
          matches: [
            { destinationPorts: [8080, 9000], notDestinationIps: [{ address: bytes(10, 10, 1, 99), length: 32 }] },
          ],
        },
      ],
    },
  ],
};
/** Always there, so that a workload can name it the moment it becomes strict. */
const STRICT_VALUE = {
  name: 'ambit_strict',
  namespace: 'ambit-system',
  scope: 'WORKLOAD_SELECTOR',
  action: 'DENY',
  groups: [{ rules: [{ matches: [{ notPrincipals: [{ presence: {} }] }] }] }],
};
const OBSERVED_VALUE = {
  name: 'observed',
  namespace: 'shop',
  scope: 'NAMESPACE',
  action: 'DENY',
  groups: [{ rules: [{ matches: [{ namespaces: [{ presence: {} }] }] }] }],
  dryRun: true,
};

describe("a Go delta discovery client that decodes with Istio's types", { skip: requireSandbox() }, () => {
  let mesh: MeshWithMachine;
  let access: readonly string[];

  before(async () => {
    mesh = await MeshWithMachine.start('interop-ads', [VAULT, SHOP_SERVICE, RICH_POLICY, DRY_RUN]);
    access = mesh.controllerArguments();
  });
  afterEach((t) => {
    if ('passed' in t && !t.passed) console.error(logsOf(mesh.world));
  });
  after(() => mesh[Symbol.asyncDispose]());

  const connect = (as: readonly string[] = access): AdsClient => {
    const client = new AdsClient(mesh.onMachine, as);
    client.open();
    return client;
  };
  const named = (response: AdsResponse, name: string): AdsResource | undefined =>
    response.resources.find((resource) => resource.name === name);
  const namesOf = (response: AdsResponse): readonly string[] => response.resources.map(({ name }) => name).toSorted();

  /** Both types in full, as ztunnel asks for them, accepted. */
  async function subscribeAll(client: AdsClient): Promise<readonly [addresses: AdsResponse, policies: AdsResponse]> {
    client.request(ADDRESS);
    const addresses = await client.answer(ADDRESS);
    client.request(AUTHORIZATION);
    return [addresses, await client.answer(AUTHORIZATION)];
  }

  test('a wildcard subscription gets everything, and every field is what the manifests say', async () => {
    await using client = connect();
    const [addresses, policies] = await subscribeAll(client);
    assert.deepEqual(namesOf(addresses), [
      'Kubernetes//Pod/shop/client',
      'Kubernetes//Pod/shop/server',
      'Kubernetes/ambit.dev/ExternalWorkload/outside/intruder',
      'Kubernetes/ambit.dev/ExternalWorkload/outside/machine',
      'Kubernetes/ambit.dev/ExternalWorkload/outside/vault',
      'shop/server.shop.svc.cluster.local',
    ]);
    assert.deepEqual(named(addresses, 'Kubernetes//Pod/shop/server')?.value, SERVER_VALUE);
    const service = named(addresses, 'shop/server.shop.svc.cluster.local');
    assert.deepEqual([service?.value, service?.extensions], [SERVICE_VALUE, ['ambit.dev/port-names']]);
    assert.deepEqual(named(addresses, VAULT_VALUE.workload.uid)?.value, VAULT_VALUE);
    assert.deepEqual(namesOf(policies), ['ambit-system/ambit_strict', 'shop/observed', 'shop/rich']);
    assert.deepEqual(named(policies, 'ambit-system/ambit_strict')?.value, STRICT_VALUE);
    assert.deepEqual(named(policies, 'shop/rich')?.value, RICH_VALUE);
    assert.deepEqual(named(policies, 'shop/observed')?.value, OBSERVED_VALUE);
    for (const { name, unknown, version } of [...addresses.resources, ...policies.resources]) {
      assert.equal(unknown, 0, `${name} has fields that Istio does not know`);
      assert.notEqual(version, '', name);
    }
  });

  test('on demand: by address, by uid, by service, and names that do not exist', async () => {
    await using client = connect();
    client.request(ADDRESS, { subscribe: ['*'], unsubscribe: ['*'] });
    client.request(ADDRESS, { subscribe: ['/10.10.1.20'] });
    // The workloads of its own node come by themselves, as from Istio's controller; an address brings its workload, perhaps with them.
    const first: string[] = [];
    while (!first.includes('Kubernetes//Pod/shop/server')) first.push(...namesOf(await client.answer(ADDRESS)));
    assert.deepEqual(first.toSorted(), [
      'Kubernetes//Pod/shop/server',
      'Kubernetes/ambit.dev/ExternalWorkload/outside/intruder',
      'Kubernetes/ambit.dev/ExternalWorkload/outside/machine',
    ]);
    client.request(ADDRESS, { subscribe: ['shop/server.shop.svc.cluster.local', VAULT_VALUE.workload.uid] });
    const more = await client.answer(ADDRESS);
    // A service brings its endpoints, as Istio's controller does it.
    assert.deepEqual(namesOf(more), [
      SERVER_VALUE.workload.uid,
      VAULT_VALUE.workload.uid,
      'shop/server.shop.svc.cluster.local',
    ]);
    client.request(ADDRESS, { subscribe: ['/10.10.1.77', 'shop/nothing.shop.svc.cluster.local'] });
    const nothing = await client.answer(ADDRESS);
    assert.deepEqual(
      [nothing.resources, nothing.removed?.toSorted()],
      [[], ['/10.10.1.77', 'shop/nothing.shop.svc.cluster.local']],
    );
    client.request(ADDRESS, { unsubscribe: [VAULT_VALUE.workload.uid] });
    mesh.manifests.write(
      'late.yaml',
      { ...VAULT, metadata: { name: 'late', namespace: 'outside' } },
      namespace('late', 'none'),
    );
    client.request(ADDRESS, { subscribe: ['Kubernetes/ambit.dev/ExternalWorkload/outside/late'] });
    await until('the late one has come', async () => namesOf(await client.answer(ADDRESS)).length > 0);
    mesh.manifests.remove('late.yaml');
    const gone = await client.answer(ADDRESS);
    assert.deepEqual([gone.resources, gone.removed], [[], ['Kubernetes/ambit.dev/ExternalWorkload/outside/late']]);
  });

  test('a change is pushed, a refusal is noted, and the next change still comes', async () => {
    await using client = connect();
    await subscribeAll(client);
    const refused = (): Promise<number> =>
      controllerMetric(mesh.world, 'ambit_xds_answers_total', { type: 'Address', answer: 'refused' });
    const before = await refused();
    const offset = mesh.world.controller.log.length;
    const write = (weight: number): void =>
      mesh.manifests.write('change.yaml', {
        ...VAULT,
        metadata: { name: 'change', namespace: 'outside' },
        spec: { addresses: ['10.9.9.7'], weight },
      });
    const uid = 'Kubernetes/ambit.dev/ExternalWorkload/outside/change';
    write(5);
    assert.deepEqual(namesOf(await client.answer(ADDRESS, 'this one\nis not for me')), [uid]);
    await until('the refusal is counted', async () => (await refused()) === before + 1);
    await until('the refusal is logged', () => mesh.world.controller.log.slice(offset).includes('is not for me'));
    write(6);
    const [changed] = (await client.answer(ADDRESS)).resources;
    assert.equal(Object(changed?.value).workload.capacity, 6);
    mesh.manifests.remove('change.yaml');
    assert.deepEqual((await client.answer(ADDRESS)).removed, [uid]);
  });

  test('a client that comes back is sent what changed and told what is gone, and nothing else', async () => {
    await using client = connect();
    const [addresses, policies] = await subscribeAll(client);
    const held = versionsOf(addresses);

    client.open();
    // An empty response: without one, ztunnel is never ready.
    const versions = { [ADDRESS]: held, [AUTHORIZATION]: versionsOf(policies) };
    for (const [type, ofType] of Object.entries(versions)) {
      client.request(type, { versions: ofType });
      const { resources, removed } = await client.answer(type);
      assert.deepEqual([resources, removed ?? []], [[], []], type);
    }

    client.open();
    client.request(ADDRESS, {
      versions: { ...held, [SERVER_VALUE.workload.uid]: 'older', 'Kubernetes//Pod/shop/long-gone': 'any' },
    });
    const caughtUp = await client.answer(ADDRESS);
    assert.deepEqual(namesOf(caughtUp), [SERVER_VALUE.workload.uid]);
    assert.deepEqual(caughtUp.removed, ['Kubernetes//Pod/shop/long-gone']);
  });

  test('versions outlive the controller: after its restart nothing is sent again', async () => {
    await using client = connect();
    const [addresses] = await subscribeAll(client);
    await mesh.world.controller.stop('SIGTERM');
    assert.match(await client.ended(), /^(?:OK|Unavailable|Cancelled|Canceled)$/);
    mesh.world.controller.start();
    await mesh.world.controllerReady();
    await using again = connect();
    again.request(ADDRESS, { versions: versionsOf(addresses) });
    const { resources, removed } = await again.answer(ADDRESS);
    assert.deepEqual([resources, removed ?? []], [[], []]);
  });

  test('a policy comes before the workload that names it, and goes after', async () => {
    await using client = connect();
    await subscribeAll(client);
    mesh.manifests.write('order.yaml', mutualTlsPolicy('Strict'), accessPolicy('order', 'client', { action: 'Allow' }));
    const policies = await client.answer(AUTHORIZATION);
    assert.ok(namesOf(policies).includes('shop/order'), namesOf(policies).join());
    const workloads = await client.answer(ADDRESS);
    const workload = Object(named(workloads, 'Kubernetes//Pod/shop/client')?.value).workload;
    assert.ok(workload.authorizationPolicies.includes('shop/order'));
    mesh.manifests.remove('order.yaml');
    const freed = await client.answer(ADDRESS);
    assert.ok(namesOf(freed).includes('Kubernetes//Pod/shop/client'));
    assert.ok((await client.answer(AUTHORIZATION)).removed?.includes('shop/order'));
  });

  test("types of Istio's that we do not serve are left unanswered, and do no harm", async () => {
    await using client = connect();
    client.request('envoy.config.cluster.v3.Cluster');
    client.request('istio.networking.nds.v1.NameTable');
    const [addresses] = await subscribeAll(client);
    assert.ok(addresses.resources.length > 0);
  });

  test('half-closing ends the stream in order; without a node certificate there is none', async () => {
    await using client = connect();
    await subscribeAll(client);
    client.halfClose();
    assert.equal(await client.ended(), 'OK');
    const [, address = '', , roots = ''] = access;
    const anonymous = ['-controller', address, '-controller-roots', roots];
    for (const more of [[], ['-token', 'no-token-of-ours']]) {
      await using stranger = connect([...anonymous, ...more]);
      stranger.request(ADDRESS);
      assert.equal(await stranger.ended(), 'Unauthenticated');
    }
  });
});
