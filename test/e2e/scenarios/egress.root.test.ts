import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { until } from '@ambit/mesh/testing';
import { AppHandle } from '../world/apps/app-handle.ts';
import type { MeshWorld } from '../world/mesh-world.ts';
import { requireSandbox } from '../world/sandbox.ts';
import { egressPolicy, LINE_PORT, ManifestDirectory, namespace, NODES, pod } from './manifests.ts';
import { callLine, fromCaller, holdLine, logsOf, nodeAgentMetric, recordOf, startMesh } from './scenario.ts';

const CALLER = { name: 'caller', host: 'host-a', number: 11, mode: 'ambient' } as const;
const FREE = { name: 'free', host: 'host-a', number: 12, mode: 'none' } as const;
const SERVER = { name: 'server', host: 'host-b', number: 21, mode: 'ambient' } as const;
const SERVER_IP = '10.10.2.21';

describe('egress', { skip: requireSandbox() }, () => {
  let manifests: ManifestDirectory;
  let world: MeshWorld;
  /** Somebody on the network of a host, whom the mesh does not know. */
  let outside: AppHandle;
  let outsideIp: string;

  before(async () => {
    manifests = new ManifestDirectory('/run/scenario-egress');
    manifests.write('nodes.yaml', ...NODES);
    manifests.write('shop.yaml', namespace('shop', 'ambient'), pod(CALLER), pod(FREE), pod(SERVER));
    world = await startMesh(manifests, ['shop/caller', 'shop/server']);
    outsideIp = world.network.linkAddress('host-b');
    outside = await AppHandle.start({ name: 'outside', linePort: LINE_PORT }, (command, args) =>
      world.network.spawnOnHost('host-b', command, args, { stdio: ['pipe', 'pipe', 'inherit'] }),
    );
  });
  afterEach((t) => {
    if ('passed' in t && !t.passed) console.error(logsOf(world));
  });
  after(async () => {
    await outside[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
    manifests[Symbol.dispose]();
  });

  const reaches = async (caller: string, ip: string): Promise<boolean> => (await callLine(world, caller, ip)).ok;
  const lock = (...allow: readonly object[]): void =>
    manifests.write('egress.yaml', egressPolicy('shop', { unknownDestinations: 'Refuse', allow }));

  test('that is locked refuses what the mesh does not know, cuts what is open there, and nothing else', async () => {
    assert.ok(await reaches('caller', outsideIp));
    const held = await holdLine(world, 'caller', outsideIp);
    const inside = await holdLine(world, 'caller', SERVER_IP);
    lock();
    assert.equal((await held.ended).error, 'ECONNRESET');
    const refused = await callLine(world, 'caller', outsideIp);
    assert.equal(refused.ok, false);
    const record = await recordOf(world, 'host-a', 'outbound', fromCaller(refused));
    assert.equal(
      record.fields.get('error'),
      'the destination is outside the mesh, and the egress of the workload is locked',
    );
    const labels = { direction: 'outbound', reason: 'egress-locked' };
    assert.ok((await nodeAgentMetric(world, 'host-a', 'ambit_connections_refused_total', labels)) > 0);
    assert.ok(await reaches('caller', SERVER_IP));
    assert.equal(inside.hasEnded, false);
    await inside.release();
    // Nobody captures it.
    assert.ok(await reaches('free', outsideIp));
  });

  test('that is locked lets out what the policy allows, on those ports', async () => {
    lock({ cidrs: [`${outsideIp}/32`], ports: [LINE_PORT] });
    await until('the address is allowed', () => reaches('caller', outsideIp));
    lock({ cidrs: [`${outsideIp}/32`], ports: [LINE_PORT + 1] });
    await until('the port is not', async () => !(await reaches('caller', outsideIp)));
    manifests.remove('egress.yaml');
    await until('everything is allowed again', () => reaches('caller', outsideIp));
  });

  test('of the mesh holds for namespaces without a policy of their own', async () => {
    manifests.write('mesh.yaml', egressPolicy('ambit-system', { unknownDestinations: 'Refuse' }));
    await until('it is locked', async () => !(await reaches('caller', outsideIp)));
    manifests.write('egress.yaml', egressPolicy('shop', { unknownDestinations: 'Allow' }));
    await until('its own policy opens it', () => reaches('caller', outsideIp));
    manifests.remove('mesh.yaml');
    manifests.remove('egress.yaml');
    assert.ok(await reaches('caller', outsideIp));
  });

  test('that is locked lets out what an ExternalService names, by its own address and port', async () => {
    lock();
    await until('it is locked', async () => !(await reaches('caller', outsideIp)));
    const vip = '192.0.2.80';
    const external = (ports: readonly object[]): void =>
      manifests.write('external.yaml', {
        apiVersion: 'ambit.dev/v1alpha1',
        kind: 'ExternalService',
        metadata: { name: 'outside', namespace: 'shop' },
        spec: {
          hosts: ['outside.example.com'],
          ports,
          resolution: 'Static',
          addresses: [vip],
          endpoints: [{ address: outsideIp }],
        },
      });
    external([{ port: LINE_PORT }]);
    await until('its address is called', () => reaches('caller', vip));
    const held = await holdLine(world, 'caller', vip);
    assert.ok(await reaches('caller', outsideIp), 'as the place that it is');
    external([{ port: LINE_PORT + 1 }]);
    await until('another port is not', async () => !(await reaches('caller', outsideIp)));
    manifests.remove('external.yaml');
    assert.equal((await held.ended).error, 'ECONNRESET');
    manifests.remove('egress.yaml');
  });

  test('that an annotation leaves alone passes the node agent by while the pod runs, and locked egress not', async () => {
    const outbound = (): Promise<number> =>
      nodeAgentMetric(world, 'host-a', 'istio_tcp_connections_opened_total', { reporter: 'source' });
    await until('everything is allowed', () => reaches('caller', outsideIp));
    const annotations = { 'ambit.dev/exclude-outbound-cidrs': `${outsideIp}/32` };
    const { metadata, ...rest } = pod(CALLER) as { metadata: object };
    manifests.write(
      'shop.yaml',
      namespace('shop', 'ambient'),
      { ...rest, metadata: { ...metadata, annotations } },
      pod(FREE),
      pod(SERVER),
    );
    await until('the agent sees no more of it', async () => {
      const before = await outbound();
      assert.ok(await reaches('caller', outsideIp));
      return (await outbound()) === before;
    });
    assert.ok(await reaches('caller', SERVER_IP));
    lock();
    await until('the rules of the pod refuse it', async () => !(await reaches('caller', outsideIp)));
    lock({ cidrs: [outsideIp] });
    await until('the rules of the pod let it out', () => reaches('caller', outsideIp));
  });
});
