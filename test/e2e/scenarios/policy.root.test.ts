import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import { after, afterEach, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { until } from '@ambit/mesh/testing';
import type { MeshWorld } from '../world/mesh-world.ts';
import { requireSandbox } from '../world/sandbox.ts';
import { accessPolicy, type Manifest, ManifestDirectory, mutualTlsPolicy } from './manifests.ts';
import {
  callLine,
  fromCaller,
  type HeldLine,
  holdLine,
  ipOf,
  livesOn,
  logsOf,
  nodeAgentMetric,
  recordOf,
  startMesh,
} from './scenario.ts';

const EXAMPLE = fileURLToPath(new URL('../../../examples/one-account/', import.meta.url));
const BATCH_1 = ['10.10.1.31', 'fd10:10:1::31'] as const;
const BATCH_2 = ['10.10.1.32', 'fd10:10:1::32'] as const;
const LEDGER = ['10.10.2.40', 'fd10:10:2::40'] as const;
const ARCHIVE = ['10.10.2.41', 'fd10:10:2::41'] as const;
const ACCOUNT = 'spiffe://cluster.local/ns/shop/sa/batch';

/** What the access log says of who goes past the waypoint. */
const CLOSED = 'a DENY policy matched: ambit-system/ambit_waypoint_shop_wp';

const fromAddress = (...ipBlocks: readonly string[]): Manifest => ({ rules: [{ from: [{ ipBlocks }] }] });

describe('policy', { skip: requireSandbox() }, () => {
  let manifests: ManifestDirectory;
  let world: MeshWorld;

  before(async () => {
    manifests = new ManifestDirectory('/run/scenario-policy');
    cpSync(EXAMPLE, manifests.path, { recursive: true });
    world = await startMesh(manifests, ['shop/archive', 'shop/batch-1', 'shop/batch-2', 'shop/ledger']);
  });
  afterEach((t) => {
    if ('passed' in t && !t.passed) console.error(logsOf(world));
  });
  after(async () => {
    await world[Symbol.asyncDispose]();
    manifests[Symbol.dispose]();
  });

  const cuts = (): Promise<number> =>
    nodeAgentMetric(world, 'host-b', 'ambit_connections_cut_total', { cause: 'policy-changed' });
  /** Takes a policy of the test out of force again, and waits until that is so. */
  const restore = async (caller: string, ip: string, file: string): Promise<void> => {
    manifests.remove(file);
    await until(`${caller} is admitted again`, async () => (await callLine(world, caller, ip)).ok);
  };
  /** Asserts that `cut` ends by policy, that new connections like it are refused, and that `kept` goes on. */
  const cutsOnly = async (cut: HeldLine, caller: string, kept: HeldLine, ip: string): Promise<void> => {
    assert.equal((await cut.ended).error, 'ECONNRESET');
    assert.equal((await callLine(world, caller, ip)).ok, false);
    await livesOn(world, 'archive', kept);
    assert.equal(await kept.release(), undefined);
  };

  test('by address admits one of two pods of a service account, and each app sees its true peer', async () => {
    for (const family of [0, 1] as const) {
      const served = world.app('ledger').served.length;
      const one = await callLine(world, 'batch-1', LEDGER[family]);
      assert.deepEqual([one.ok, ipOf(one.seenSource)], [true, BATCH_1[family]]);
      const two = await callLine(world, 'batch-2', LEDGER[family]);
      assert.equal(two.ok, false);
      const sources = world
        .app('ledger')
        .served.slice(served)
        .map((event) => ipOf(event.source));
      assert.deepEqual(sources, [BATCH_1[family]]);

      const refusal = await recordOf(world, 'host-a', 'outbound', fromCaller(two));
      assert.equal(refusal.fields.get('src.identity'), ACCOUNT);
      const reason = await recordOf(
        world,
        'host-b',
        'inbound',
        (record) => ipOf(record.fields.get('src.addr')) === BATCH_2[family],
      );
      assert.deepEqual(
        ['src.identity', 'src.workload', 'dst.workload', 'error'].map((field) => reason.fields.get(field)),
        [ACCOUNT, 'batch-2', 'ledger', 'ALLOW policies exist, but none allowed'],
      );
      // What tells them apart at one server tells them apart at another.
      for (const [caller, address] of [
        ['batch-1', BATCH_1],
        ['batch-2', BATCH_2],
      ] as const) {
        const call = await callLine(world, caller, ARCHIVE[family]);
        assert.deepEqual([call.ok, ipOf(call.seenSource)], [true, address[family]]);
      }
    }
  });

  test('added or narrowed re-checks live connections and cuts exactly those it no longer admits', async () => {
    const before = await cuts();
    const cut = await holdLine(world, 'batch-2', ARCHIVE[0]);
    const kept = await holdLine(world, 'batch-1', ARCHIVE[0]);
    manifests.write('deny.yaml', accessPolicy('deny', 'archive', { action: 'Deny', ...fromAddress(...BATCH_2) }));
    await cutsOnly(cut, 'batch-2', kept, ARCHIVE[0]);
    await restore('batch-2', ARCHIVE[0], 'deny.yaml');

    const allow = (...addresses: readonly string[]): void =>
      manifests.write(
        'allow.yaml',
        accessPolicy('allow', 'archive', { action: 'Allow', ...fromAddress(...addresses) }),
      );
    allow(...BATCH_1, ...BATCH_2);
    const cutV6 = await holdLine(world, 'batch-2', ARCHIVE[1]);
    const keptV6 = await holdLine(world, 'batch-1', ARCHIVE[1]);
    allow(...BATCH_1);
    await cutsOnly(cutV6, 'batch-2', keptV6, ARCHIVE[1]);
    await restore('batch-2', ARCHIVE[1], 'allow.yaml');
    assert.equal((await cuts()) - before, 2);
    const record = await recordOf(
      world,
      'host-b',
      'inbound',
      (line) => line.message === 'connection complete' && line.fields.has('error'),
    );
    assert.equal(record.fields.get('error'), 'connection closed due to policy change');
  });

  test('of strict mutual TLS cuts plaintext that was open and refuses more of it, and nothing else', async () => {
    const plaintext = await holdLine(world, 'visitor', ARCHIVE[0]);
    const tunnelled = await holdLine(world, 'batch-1', ARCHIVE[0]);
    manifests.write('strict.yaml', mutualTlsPolicy('Strict'));
    await cutsOnly(plaintext, 'visitor', tunnelled, ARCHIVE[0]);
    assert.equal((await callLine(world, 'visitor', ARCHIVE[1])).ok, false);
    await restore('visitor', ARCHIVE[0], 'strict.yaml');
  });

  test('of a Service behind a waypoint closes the way past it, cuts what was open there, and a label opens it again', async () => {
    const bound = (labels: Manifest): Manifest => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'archive', namespace: 'shop', labels: { 'ambit.dev/waypoint': 'wp', ...labels } },
      spec: { clusterIP: 'None', selector: { app: 'archive' }, ports: [{ name: 'http', port: 8080 }] },
    });
    const gateway: Manifest = {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'Gateway',
      metadata: { name: 'wp', namespace: 'shop' },
      spec: { gatewayClassName: 'ambit-waypoint', listeners: [{ name: 'mesh', port: 15_008, protocol: 'HBONE' }] },
    };
    const policy: Manifest = {
      apiVersion: 'ambit.dev/v1alpha1',
      kind: 'AccessPolicy',
      metadata: { name: 'readers', namespace: 'shop' },
      spec: {
        targetRefs: [{ group: '', kind: 'Service', name: 'archive' }],
        action: 'Allow',
        rules: [{ to: [{ methods: ['GET'] }] }],
      },
    };
    manifests.write('waypoint.yaml', bound({}), gateway);
    const open = await holdLine(world, 'batch-1', ARCHIVE[0]);
    manifests.write('readers.yaml', policy);
    assert.equal((await open.ended).error, 'ECONNRESET');
    assert.equal((await callLine(world, 'batch-1', ARCHIVE[1])).ok, false);
    await recordOf(world, 'host-b', 'inbound', (record) => record.fields.get('error') === CLOSED);
    manifests.write('waypoint.yaml', bound({ 'ambit.dev/waypoint-bypass': 'allow' }), gateway);
    await until('the label opens it', async () => (await callLine(world, 'batch-1', ARCHIVE[0])).ok);
    manifests.remove('readers.yaml');
    manifests.remove('waypoint.yaml');
  });

  test('in dry run changes nothing, and is counted and logged', async () => {
    const counted = (action: string): Promise<number> =>
      nodeAgentMetric(world, 'host-b', 'ambit_policy_dry_run_total', { action });
    const { nodeAgent } = world.processes('host-b');
    const held = await holdLine(world, 'batch-2', ARCHIVE[0]);
    const [deniesBefore, cutsBefore] = [await counted('deny'), await cuts()];
    manifests.write(
      'dry.yaml',
      accessPolicy('dry', 'archive', { action: 'Deny', dryRun: true, ...fromAddress(...BATCH_2) }),
    );
    await until('the dry run decides', async () => {
      assert.equal((await callLine(world, 'batch-2', ARCHIVE[0])).ok, true);
      return (await counted('deny')) > deniesBefore;
    });
    await livesOn(world, 'archive', held);
    assert.equal(await held.release(), undefined);
    assert.equal(await cuts(), cutsBefore);
    const line = await until('the verdict is logged', () =>
      nodeAgent.log.split('\n').find((text) => text.includes('policy in dry run would have decided otherwise')),
    );
    for (const field of ['policy="shop/dry"', 'would="deny"', 'source="10.10.1.32', `destination="10.10.2.41:9000"`]) {
      assert.ok(line.includes(field), `${field} in ${line}`);
    }
    manifests.remove('dry.yaml');
  });
});
