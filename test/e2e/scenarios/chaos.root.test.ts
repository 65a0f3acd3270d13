import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '@ambit/mesh/testing';
import { LinkCapture } from '../world/capture.ts';
import type { MeshWorld } from '../world/mesh-world.ts';
import { LINK_INTERFACE } from '../world/network.ts';
import { requireSandbox } from '../world/sandbox.ts';
import { accessPolicy, addressesOf, ManifestDirectory, mutualTlsPolicy, namespace, NODES, pod } from './manifests.ts';
import { callLine, logsOf, startMesh } from './scenario.ts';

const CLIENT = { name: 'client', host: 'host-a', number: 10 } as const;
const DENIED = { name: 'denied', host: 'host-a', number: 11 } as const;
const PLAIN = { name: 'plain', host: 'host-a', number: 12, namespace: 'outside' } as const;
const SERVER = { name: 'server', host: 'host-b', number: 20 } as const;
const [server, serverV6] = addressesOf(SERVER);
const [client] = addressesOf(CLIENT);
const MARKER = 'IN-THE-CLEAR-4712';
/** Each round kills every process once. The seed makes the pauses the same each time. */
const ROUNDS = 2;
const SEED = 4711;

/** A small generator of numbers in [0, 1), the same for each seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe('a mesh whose processes are killed at any moment', { skip: requireSandbox() }, () => {
  let manifests: ManifestDirectory;
  let world: MeshWorld;

  before(async () => {
    manifests = new ManifestDirectory('/run/scenario-chaos');
    const deny = accessPolicy('not-denied', 'server', {
      action: 'Deny',
      rules: [{ from: [{ serviceAccounts: ['denied'] }] }],
    });
    manifests.write('world.yaml', ...NODES, namespace('shop', 'ambient'), ...[CLIENT, DENIED, SERVER].map(pod));
    manifests.write('outside.yaml', namespace('outside', 'none'), pod(PLAIN));
    manifests.write('policies.yaml', deny, mutualTlsPolicy('Strict'));
    world = await startMesh(manifests, ['shop/client', 'shop/denied', 'shop/server']);
  });
  afterEach((t) => {
    if ('passed' in t && !t.passed) console.error(logsOf(world));
  });
  after(async () => {
    await world[Symbol.asyncDispose]();
    manifests[Symbol.dispose]();
  });

  test('recovers each time; nothing crosses in the clear, and nobody who is denied ever gets through', async () => {
    const random = randomOf(SEED);
    const [a, b] = [world.processes('host-a'), world.processes('host-b')];
    const victims = [world.controller, a.nodeAgent, b.nodeAgent, a.cniAgent, b.cniAgent];
    using capture = new LinkCapture(LINK_INTERFACE, MARKER, 15008);
    const works = async (): Promise<boolean> => {
      const calls = await Promise.all([
        callLine(world, 'client', server, MARKER, 1500),
        callLine(world, 'client', serverV6, MARKER, 1500),
        callLine(world, 'server', client, MARKER, 1500),
      ]);
      return calls.every(({ ok }) => ok);
    };
    await until('calls work', works, 20_000);

    let over = false;
    let attempts = 0;
    const admitted: string[] = [];
    /** Knocks all the time at what is closed to `from`. A caller outside the mesh sends in the clear: no marker for it. */
    const knock = async (from: string, line: string): Promise<void> => {
      while (!over) {
        const call = await callLine(world, from, server, line, 1500);
        attempts++;
        if (call.ok) admitted.push(from);
        await sleep(5);
      }
    };
    const knocking = [knock('denied', MARKER), knock('plain', 'knock')];
    try {
      for (let round = 0; round < ROUNDS * victims.length; round++) {
        const victim = victims[round % victims.length] ?? world.controller;
        const traffic = works();
        await sleep(random() * 30);
        await victim.stop('SIGKILL');
        await sleep(random() * 200);
        victim.start();
        // Sometimes the next one dies while this one still starts.
        if (random() < 0.3) continue;
        await traffic;
        await until(`calls work after ${victim.plan.name} was killed in round ${round}`, works, 20_000);
      }
      await until('calls work in the end', works, 20_000);
    } finally {
      over = true;
      await Promise.all(knocking);
    }
    const { markers, tlsApplicationBytes } = capture.report();
    assert.deepEqual({ admitted, markers }, { admitted: [], markers: 0 });
    assert.ok(attempts > 50 && tlsApplicationBytes > 0, `${attempts} attempts, ${tlsApplicationBytes} bytes in TLS`);
  });
});
