import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { until } from '@ambit/mesh/testing';
import { PeerProgram, SAYS_MS } from '../interop/peer-program.ts';
import type { GatewayProgramOptions } from '../world/apps/gateway-program.ts';
import type { AppResult } from '../world/apps/app-protocol.ts';
import type { MeshWorld } from '../world/mesh-world.ts';
import { requireSandbox } from '../world/sandbox.ts';
import {
  accessPolicy,
  httpRoute,
  type Manifest,
  ManifestDirectory,
  namespace,
  pod,
  service,
  waypoint,
} from './manifests.ts';
import { CALL_MS, fromCaller, logsOf, nodeAgentMetric, recordOf, startMesh } from './scenario.ts';

// One network per host. What is in `east` is called from `west` through the gateway on host-b alone, whose program is a test's: the mesh runs none.

const CLIENT = { name: 'client', host: 'host-a', number: 10 } as const;
const NEIGHBOUR = { name: 'neighbour', host: 'host-b', number: 11 } as const;
const V1 = { name: 'v1', host: 'host-b', number: 21 } as const;
const V2 = { name: 'v2', host: 'host-b', number: 22 } as const;
const WEB = '10.20.0.1';
const SHIELDED = '10.20.0.4';
const GATEWAY_PORT = 15_018;
const hostname = (name: string): string => `${name}.shop.svc.cluster.local`;
const identity = (account: string): string => `spiffe://cluster.local/ns/shop/sa/${account}`;

function node(name: string, network: string): Manifest {
  return { apiVersion: 'v1', kind: 'Node', metadata: { name, labels: { 'ambit.dev/network': network } } };
}

function gateway(address: string): Manifest {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    metadata: { name: 'east-gateway', namespace: 'shop', labels: { 'ambit.dev/network': 'east' } },
    spec: {
      gatewayClassName: 'ambit-east-west',
      addresses: [{ type: 'IPAddress', value: address }],
      listeners: [{ name: 'cross-network', port: GATEWAY_PORT, protocol: 'ambit.dev/HBONE' }],
    },
  };
}

describe('two networks', { skip: requireSandbox() }, () => {
  let manifests: ManifestDirectory;
  let world: MeshWorld;
  let relay: PeerProgram;
  const stack = new AsyncDisposableStack();

  before(async () => {
    manifests = stack.use(new ManifestDirectory('/run/scenario-networks'));
    manifests.write('world.yaml', node('host-a', 'west'), node('host-b', 'east'), namespace('shop', 'ambient'));
    manifests.write(
      'pods.yaml',
      ...[CLIENT, NEIGHBOUR, V1, V2].map(pod),
      // The gateway's account, on the node that asks for its certificate.
      pod({ name: 'east-gateway', host: 'host-b', number: 0, hostAddress: '10.9.0.2' }),
      ...waypoint('wp', { host: 'host-b', number: 30 }),
    );
    manifests.write(
      'services.yaml',
      service('web', 1, 'v1'),
      service('shielded', 4, 'v1', 'wp'),
      service('v2', 5, 'v2'),
    );
    const rule = {
      matches: [{ headers: [{ name: 'x-canary', value: 'yes' }] }],
      backendRefs: [{ name: 'v2', port: 80 }],
    };
    manifests.write(
      'route.yaml',
      httpRoute('canary', 'shielded', [rule, { backendRefs: [{ name: 'web', port: 80 }] }]),
    );
    world = stack.use(
      await startMesh(manifests, ['shop/client', 'shop/neighbour', 'shop/v1', 'shop/v2'], {
        variables: { waypoint: { AMBIT_NETWORK: 'east' } },
      }),
    );
    relay = stack.use(await startGateway());
  });
  afterEach((t) => {
    if ('passed' in t && !t.passed) console.error(logsOf(world), relay.lines, relay.complaint);
  });
  after(() => stack.disposeAsync());

  async function startGateway(): Promise<PeerProgram> {
    const options: GatewayProgramOptions = {
      ...{ node: 'host-b', stateDirectory: '/run/ambit/host-b/node-agent', controller: world.controllerAddress },
      ...{ identity: identity('east-gateway'), port: GATEWAY_PORT },
      routes: { [`${hostname('web')}:80`]: '10.10.2.21:15008', [`${hostname('shielded')}:80`]: '10.10.2.30:15008' },
    };
    const program = fileURLToPath(new URL('../world/apps/gateway-program.ts', import.meta.url));
    const started = new PeerProgram(
      (command, args, more) => world.network.spawnOnHost('host-b', command, args, more),
      process.execPath,
      ['--conditions=source', program, JSON.stringify(options)],
    );
    await until('the gateway listens', () => started.lines.includes('listening') || fail(started.complaint), SAYS_MS);
    return started;
  }

  const call = (caller: string, ip: string, headers: Readonly<Record<string, string>> = {}): Promise<AppResult> =>
    world.app(caller).run({ op: 'http', ip, port: 80, path: '/', headers, timeoutMs: CALL_MS });

  test('nothing is called from one in the other while no gateway is known', async () => {
    assert.equal((await call('client', WEB)).ok, false);
    assert.equal((await call('neighbour', WEB)).ok, true);
    const refused = { direction: 'outbound', reason: 'no-network-gateway' };
    assert.equal(await nodeAgentMetric(world, 'host-a', 'ambit_connections_refused_total', refused), 1);
  });

  test('a Gateway leads to a pod, end to end as the pods themselves', async () => {
    manifests.write('gateway.yaml', gateway('10.9.0.2'));
    const result = await until('the gateway is known', async () => {
      const answer = await call('client', WEB);
      return answer.ok ? answer : undefined;
    });
    assert.equal(result.servedBy, 'v1');
    const outbound = await recordOf(world, 'host-a', 'outbound', fromCaller(result));
    assert.equal(outbound.fields.get('dst.addr'), `10.9.0.2:${GATEWAY_PORT}`);
    assert.equal(outbound.fields.get('dst.hbone_addr'), `${hostname('web')}:80`);
    assert.equal(outbound.fields.get('dst.identity'), identity('v1'));
    const inbound = await recordOf(
      world,
      'host-b',
      'inbound',
      ({ fields }) => fields.get('src.identity') === identity('client'),
    );
    assert.equal(inbound.fields.get('src.workload'), 'client');
    assert.ok(relay.lines.includes(`${hostname('web')}:80 ${identity('client')}`));
  });

  test('and to a waypoint, which is asked by the name of the service and routes as ever', async () => {
    assert.equal((await call('client', SHIELDED)).servedBy, 'v1');
    assert.equal((await call('client', SHIELDED, { 'x-canary': 'yes' })).servedBy, 'v2');
    assert.ok(relay.lines.includes(`${hostname('shielded')}:80 ${identity('client')}`));
    assert.equal((await call('neighbour', SHIELDED, { 'x-canary': 'yes' })).servedBy, 'v2');
  });

  test('policy at the far end is about the caller', async () => {
    const from = [{ principals: ['cluster.local/ns/shop/sa/neighbour'] }];
    manifests.write('policy.yaml', accessPolicy('callers', 'v1', { action: 'Allow', rules: [{ from }] }));
    await until('the client is refused', async () => !(await call('client', WEB)).ok);
    assert.equal((await call('neighbour', WEB)).ok, true);
    manifests.remove('policy.yaml');
    await until('the client is let in again', async () => (await call('client', WEB)).ok);
  });
});

function fail(complaint: string): false {
  if (complaint !== '') throw new Error(complaint);
  return false;
}
