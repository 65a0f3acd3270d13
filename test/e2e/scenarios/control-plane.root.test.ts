import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { formatJoinToken, parseJoinToken } from '@ambit/mesh/tls';
import { until } from '@ambit/mesh/testing';
import type { MeshWorld } from '../world/mesh-world.ts';
import { requireSandbox } from '../world/sandbox.ts';
import type { WorldProcess } from '../world/world-process.ts';
import { accessPolicy, addressesOf, type Manifest, ManifestDirectory, namespace, NODES, pod } from './manifests.ts';
import { callLine, controllerMetric, holdLine, livesOn, logsOf, nodeAgentMetric, startMesh } from './scenario.ts';

const CLIENT = { name: 'client', host: 'host-a', number: 10 } as const;
const OTHER = { name: 'other', host: 'host-a', number: 11 } as const;
const SERVER = { name: 'server', host: 'host-b', number: 20 } as const;
const [server] = addressesOf(SERVER);
const ALL = ['shop/client', 'shop/other', 'shop/server'];

/** Callers of `server`, of these accounts only. */
const callers = (...serviceAccounts: readonly string[]): Manifest =>
  accessPolicy('callers', 'server', { action: 'Allow', rules: [{ from: [{ serviceAccounts }] }] });

describe('joining and configuring a mesh', { skip: requireSandbox() }, () => {
  let manifests: ManifestDirectory;
  let world: MeshWorld;

  before(async () => {
    manifests = new ManifestDirectory('/run/scenario-control-plane');
    manifests.write('world.yaml', ...NODES, namespace('shop', 'ambient'), ...[CLIENT, OTHER, SERVER].map(pod));
    manifests.write('policy.yaml', callers('client', 'other'));
    world = await startMesh(manifests, ALL);
  });
  afterEach((t) => {
    if ('passed' in t && !t.passed) console.error(logsOf(world));
  });
  after(async () => {
    await world[Symbol.asyncDispose]();
    manifests[Symbol.dispose]();
  });

  /** Lines of the controller's log with both texts, from `offset` on. */
  const controllerSays = (offset: number, ...texts: readonly string[]): Promise<string> =>
    until(`the controller logs ${texts.join(' … ')}`, () =>
      world.controller.log
        .slice(offset)
        .split('\n')
        .find((line) => texts.every((text) => line.includes(text))),
    );
  const allowed = async (caller: string): Promise<boolean> => (await callLine(world, caller, server)).ok;

  /** A node agent that comes with a token to a mesh that does not know it; it runs beside that of host-b. */
  function newcomer(
    name: string,
    node: string,
    token: string,
  ): { readonly agent: WorldProcess; readonly state: string } {
    const state = `/run/ambit/${name}`;
    mkdirSync(state, { mode: 0o700 });
    const tokenFile = join(state, 'join-token');
    writeFileSync(tokenFile, token, { mode: 0o600 });
    const agent = world.program(name, 'host-b', 'node-agent', [], {
      AMBIT_NODE_NAME: node,
      AMBIT_CONTROLLER_ADDRESS: world.controllerAddress,
      AMBIT_JOIN_TOKEN_FILE: tokenFile,
      AMBIT_STATE_DIR: join(state, 'node-agent'),
      AMBIT_ZDS_SOCKET: join(state, 'zds.sock'),
      AMBIT_ADMIN_ADDRESS: '127.0.0.1:16000',
      AMBIT_METRICS_ADDRESS: '127.0.0.1:16020',
      AMBIT_READINESS_ADDRESS: '127.0.0.1:16021',
      AMBIT_ACCESS_LOG: 'off',
    });
    agent.start();
    return { agent, state };
  }

  /** Starts a newcomer whom the controller refuses; resolves when it has given up. */
  async function refusedNewcomer(name: string, node: string, token: string): Promise<string> {
    const { agent, state } = newcomer(name, node, token);
    await until(`${name} gives up`, () => agent.pid === null);
    assert.equal(existsSync(join(state, 'node-agent', 'node.json')), false);
    return agent.log;
  }

  test('a join token works once, in its time, for its node; the newcomer is not told why it is refused', async () => {
    const good = (await world.joinToken('host-c')).trim();
    const offset = world.controller.log.length;
    const elsewhere = await refusedNewcomer('elsewhere', 'host-d', good);
    await controllerSays(offset, 'node not admitted', 'reason="token-for-other-node"', 'node="host-c"');

    const { agent } = newcomer('host-c', 'host-c', good);
    await until('the newcomer has joined', () => agent.log.includes('node joined'));
    await controllerSays(offset, 'node admitted', 'node="host-c"');
    await agent.stop('SIGTERM');

    const reused = await refusedNewcomer('reused', 'host-c', good);
    await controllerSays(offset, 'node not admitted', 'reason="token-used"');

    const short = parseJoinToken((await world.joinToken('host-e', ['--valid', '1s'])).trim());
    assert.ok(short !== undefined);
    // A newcomer that believed its own clock would not even ask.
    await until('the token has expired', () => Date.now() > short.expiresAtMs);
    const expired = await refusedNewcomer(
      'expired',
      'host-e',
      formatJoinToken({ ...short, expiresAtMs: short.expiresAtMs + 3_600_000 }),
    );
    await controllerSays(offset, 'node not admitted', 'reason="token-expired"', 'node="host-e"');
    const invented = await refusedNewcomer(
      'invented',
      'host-f',
      formatJoinToken({
        ...short,
        secret: 'ab'.repeat(32),
        node: 'host-f',
        expiresAtMs: short.expiresAtMs + 3_600_000,
      }),
    );
    await controllerSays(offset, 'node not admitted', 'reason="unknown-token"');

    for (const log of [elsewhere, reused, expired, invented]) {
      assert.match(log, /permission-denied/);
      assert.doesNotMatch(log, /expired|used|other-node|unknown/);
    }
    assert.equal(await controllerMetric(world, 'ambit_certificates_refused_total', { kind: 'node' }), 4);
  });

  test('a revoked node gets nothing new, carries on with what it has, and is back with a later token', async () => {
    const held = await holdLine(world, 'other', server);
    const offset = world.controller.log.length;
    const { code, output } = await world.controllerCommand(['revoke', '--node', 'host-b']);
    assert.equal(code, 0);
    assert.match(output, /^node host-b is revoked: certificates [1-9]\d*, unused tokens \d+\n$/);
    await controllerSays(offset, 'node revoked', 'node="host-b"');
    await until('its stream is ended', async () => (await controllerMetric(world, 'ambit_xds_subscribers')) === 1);
    await controllerSays(offset, 'caller refused', 'reason="certificate-revoked"', 'node="host-b"');

    manifests.write('policy.yaml', callers('client'));
    await livesOn(world, 'server', held, 20);
    assert.deepEqual([await allowed('client'), await allowed('other')], [true, true], 'the policy it knew is in force');

    assert.equal(await held.release(), undefined);
    const { nodeAgent } = world.processes('host-b');
    await nodeAgent.stop('SIGTERM');
    writeFileSync('/run/ambit/host-b/join-token', await world.joinToken('host-b'));
    nodeAgent.start();
    await world.captured(ALL);
    await world.nodeAgentReady('host-b');
    assert.deepEqual([await allowed('client'), await allowed('other')], [true, false]);
    manifests.write('policy.yaml', callers('client', 'other'));
    await until('the edit arrives', () => allowed('other'));
  });

  test('a broken manifest is reported with path, line and reason, and what it said before stays in force', async () => {
    const pushes = (): Promise<number> => nodeAgentMetric(world, 'host-b', 'istio_xds_message_total');
    const good = JSON.stringify(callers('client'));
    const misspelt = `# who may call\napiVersion: ambit.dev/v1alpha1
kind: AccessPolicy
metadata: { name: callers, namespace: shop }
spec:
  selector: { matchLabels: { app: server } }
  action: Allow
  rules:
    - from:
        - serviceAccounts: [client]
          serviceAcounts: [other]
`;
    const cases: readonly (readonly [text: string, line: number, reason: RegExp])[] = [
      [misspelt, 11, /serviceAcounts/],
      [misspelt.replace('action: Allow', 'action: Allow: all'), 7, /not valid YAML/],
      ['kind: AccessPolicy\nmetadata: {}\n', 1, /apiVersion/],
    ];
    manifests.writeText('policy.yaml', good);
    await until('other is refused', async () => !(await allowed('other')));
    for (const [text, line, reason] of cases) {
      const offset = world.controller.log.length;
      const before = await pushes();
      manifests.writeText('policy.yaml', text);
      const said = await controllerSays(offset, 'manifest is not in force', 'policy.yaml');
      assert.match(said, /path="[^"]*policy\.yaml"/);
      assert.match(said, reason);
      assert.equal(/ line=(\d+)/.exec(said.replace('\t', ' '))?.[1], String(line), said);
      assert.equal(await controllerMetric(world, 'ambit_source_problems'), 1);
      assert.deepEqual([await allowed('client'), await allowed('other')], [true, false], text);
      assert.equal(await pushes(), before, 'nothing is pushed');
    }
    const offset = world.controller.log.length;
    manifests.write('policy.yaml', callers('client', 'other'));
    await until('the repaired file is in force', () => allowed('other'));
    await controllerSays(offset, 'manifest problem is gone', 'policy.yaml');
    assert.equal(await controllerMetric(world, 'ambit_source_problems'), 0);
  });
});
