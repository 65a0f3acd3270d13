import assert from 'node:assert/strict';
import { openSync } from 'node:fs';
import { describe, test } from 'node:test';
import { DEFAULT_TRUST_DOMAIN } from '@ambit/mesh/model';
import { silentLogger } from '@ambit/mesh/runtime';
import { ManualClock, openDescriptors, testIdentity } from '@ambit/mesh/testing';
import { decideAdd, podsToRemove, podSpecOf } from './pod-registry.ts';
import { POD_LIMITS, PodSupervisor } from './pod-supervisor.ts';

const names = { name: 'web', namespace: 'shop', serviceAccount: 'web' };

/** A supervisor whose workers are told what happens and fail when asked to. */
class SupervisorWorld {
  readonly clock = new ManualClock();
  readonly calls: string[] = [];
  readonly held = new Map<string, number>();
  failing = false;
  readonly supervisor = new PodSupervisor({
    clock: this.clock,
    logger: silentLogger,
    workers: {
      count: 1,
      callAll: async (call, args) => {
        this.calls.push(
          `${call} ${'instance' in args ? args.instance : ''}${'drainMs' in args ? ` drain ${args.drainMs}` : ''}`,
        );
        if (call === 'add-pod' && this.failing) throw new Error('address in use');
        return [null];
      },
    },
    identities: {
      whenServable: async () => {},
      hold: (identity) => {
        this.held.set(identity, (this.held.get(identity) ?? 0) + 1);
        return { [Symbol.dispose]: () => void this.held.set(identity, (this.held.get(identity) ?? 0) - 1) };
      },
    },
    clusterId: 'cluster-1',
    trustDomain: DEFAULT_TRUST_DOMAIN,
    drainMs: 5000,
    predecessor: null,
  });

  add(uid: string, pod = names, path = '/proc/self/ns/net'): Promise<string> {
    return this.supervisor.add(uid, pod, openSync(path, 'r'));
  }
}

describe('PodSupervisor', () => {
  test('serves an announced pod once, holds its identity, and lets go of both when it is removed', async () => {
    const before = openDescriptors().length;
    const world = new SupervisorWorld();
    assert.equal(await world.add('u1'), '');
    assert.equal(await world.add('u1'), '');
    assert.deepEqual(world.calls, ['add-pod 1']);
    assert.deepEqual(
      world.supervisor.pods().map(({ spec, state }) => [spec.uid, spec.workload, state]),
      [['u1', 'cluster-1//Pod/shop/web', 'up']],
    );
    assert.equal(world.held.get(testIdentity('shop', 'web')), 1);
    await world.supervisor.remove('u1');
    await world.supervisor.remove('u1');
    assert.deepEqual(world.calls.slice(1), ['remove-pod 1 drain 0']);
    assert.deepEqual([world.held.get(testIdentity('shop', 'web')), openDescriptors().length], [0, before]);
  });

  test('drains the proxy of a pod that came back in another namespace, beside the new one', async () => {
    const world = new SupervisorWorld();
    await world.add('u1');
    // Any other file of the kernel's namespace file system will do.
    await world.add('u1', names, '/proc/self/ns/uts');
    assert.deepEqual(world.calls, ['add-pod 1', 'remove-pod 1 drain 5000', 'add-pod 2']);
    await world.supervisor[Symbol.asyncDispose]();
  });

  test('tells of a failure, keeps trying every five seconds, and counts the pod as pending meanwhile', async () => {
    const world = new SupervisorWorld();
    const pending: number[] = [];
    world.supervisor.onChange(() => pending.push(world.supervisor.pendingCount));
    world.failing = true;
    assert.equal(await world.add('u1'), 'address in use');
    await world.clock.advance(POD_LIMITS.retryMs);
    world.failing = false;
    await world.clock.advance(POD_LIMITS.retryMs);
    assert.deepEqual(world.calls, [
      'add-pod 1',
      'remove-pod 1 drain 0',
      'add-pod 1',
      'remove-pod 1 drain 0',
      'add-pod 1',
    ]);
    assert.deepEqual([pending, world.supervisor.started.count], [[1, 0], 1]);
    await world.supervisor[Symbol.asyncDispose]();
  });

  test('stops trying when the pod is gone', async () => {
    const world = new SupervisorWorld();
    world.failing = true;
    await world.add('u1');
    await world.supervisor.remove('u1');
    await world.clock.advance(POD_LIMITS.retryMs * 3);
    assert.deepEqual(world.calls, ['add-pod 1', 'remove-pod 1 drain 0', 'remove-pod 1 drain 0']);
  });

  test('removes what a snapshot does not name', async () => {
    const world = new SupervisorWorld();
    for (const uid of ['u1', 'u2', 'u3']) await world.add(uid, { ...names, name: uid });
    await world.supervisor.keepOnly(new Set(['u2', 'u9']));
    assert.deepEqual(
      world.supervisor.pods().map(({ spec }) => spec.uid),
      ['u2'],
    );
    await world.supervisor[Symbol.asyncDispose]();
  });

  test('closes the descriptor of a pod whose names make no identity', async () => {
    const before = openDescriptors().length;
    const world = new SupervisorWorld();
    assert.notEqual(await world.add('u1', { ...names, serviceAccount: 'not a name' }), '');
    assert.deepEqual([world.calls, openDescriptors().length], [[], before]);
  });
});

describe('decideAdd()', () => {
  const known = { netns: { device: 4n, inode: 1n }, spec: names };
  const rows = [
    ['a new pod', undefined, known, 'start'],
    ['the same again', known, known, 'unchanged'],
    ['another namespace', known, { ...known, netns: { device: 4n, inode: 2n } }, 'replace'],
    ['the same number on another device', known, { ...known, netns: { device: 5n, inode: 1n } }, 'replace'],
    ['another service account', known, { ...known, spec: { ...names, serviceAccount: 'x' } }, 'replace'],
    ['another name', known, { ...known, spec: { ...names, name: 'x' } }, 'replace'],
    ['another Kubernetes namespace', known, { ...known, spec: { ...names, namespace: 'x' } }, 'replace'],
  ] as const;
  for (const [name, current, announced, expected] of rows)
    test(name, () => assert.equal(decideAdd(current, announced), expected));
});

test('podsToRemove() names what is known and not listed', () => {
  assert.deepEqual(podsToRemove(['a', 'b', 'c'], new Set(['b', 'd'])), ['a', 'c']);
});

test('podSpecOf() gives a pod without a service account the default one', () => {
  const spec = podSpecOf('u1', { ...names, serviceAccount: '' }, { clusterId: 'c', trustDomain: DEFAULT_TRUST_DOMAIN });
  assert.deepEqual(
    [spec.serviceAccount, spec.identity, spec.workload],
    ['default', testIdentity('shop', 'default'), 'c//Pod/shop/web'],
  );
});
