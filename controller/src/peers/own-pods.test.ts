import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseObject } from '@ambit/mesh/kinds';
import { core } from '../../test/policy-objects.ts';
import { CollectionGraph } from '../collections/collection-graph.ts';
import { applyChanges, createObjectCollections } from '../collections/object-collections.ts';
import { OwnPods } from './own-pods.ts';

type Json = Readonly<Record<string, unknown>>;

class World {
  readonly #graph = new CollectionGraph();
  readonly #objects = createObjectCollections(this.#graph);
  changes = 0;

  follow(): OwnPods {
    const pods = new OwnPods({
      pods: this.#objects.pods,
      namespace: 'ambit-system',
      serviceAccount: 'ambit-controller',
      self: 'c-1',
      nodeAgentAccounts: ['ambit-system/ambit-node-agent', 'istio-system/ztunnel'],
    });
    pods.onPeers(() => this.changes++);
    return pods;
  }

  put(...objects: readonly Json[]): void {
    for (const json of objects) {
      const object = parseObject(json) ?? assert.fail();
      applyChanges(this.#objects, [{ kind: 'put', object }]);
    }
    this.#graph.commit();
  }

  delete(name: string): void {
    const last = this.#objects.pods.get(`ambit-system/${name}`) ?? assert.fail();
    applyChanges(this.#objects, [{ kind: 'delete', key: `Pod/ambit-system/${name}`, last }]);
    this.#graph.commit();
  }
}

interface Wish {
  readonly account?: string;
  readonly namespace?: string;
  readonly ip?: string | null;
  readonly phase?: string;
  readonly ready?: boolean;
  readonly node?: string;
  readonly deleting?: boolean;
}

function pod(name: string, wish: Wish = {}): Json {
  const { account = 'ambit-controller', namespace = 'ambit-system', ip = '10.0.0.2', phase = 'Running' } = wish;
  const status = {
    phase,
    ...(ip === null ? {} : { podIP: ip, podIPs: [{ ip }] }),
    conditions: [{ type: 'Ready', status: wish.ready === false ? 'False' : 'True' }],
  };
  const spec = { nodeName: wish.node ?? 'n1', serviceAccountName: account };
  const deleting = wish.deleting === true ? { deletionTimestamp: '2026-11-26T00:00:00Z' } : {};
  return core('Pod', namespace, name, { spec, status }, { uid: `uid-${name}`, ...deleting });
}

test('OwnPods.peers are the other replicas that run, wherever they are in their lives', () => {
  const world = new World();
  world.put(pod('c-1'), pod('c-3', { ready: false, ip: 'fd00::3' }));
  const pods = world.follow();
  world.put(
    pod('c-2', { deleting: true }),
    pod('c-4', { ip: null }),
    pod('c-5', { phase: 'Succeeded' }),
    pod('c-6', { namespace: 'shop' }),
    pod('c-7', { account: 'other' }),
  );
  const named = (): readonly string[] => pods.peers.map(({ name, uid, host }) => `${name} ${uid} ${host}`);
  assert.deepEqual(named(), ['c-2 uid-c-2 10.0.0.2', 'c-3 uid-c-3 fd00::3']);
  assert.equal(world.changes, 1);
  world.put(pod('c-2', { ready: false }), pod('web', { account: 'web' }));
  assert.equal(world.changes, 1, 'what nobody asks for is no change');
  world.put(pod('c-2', { ip: '10.0.0.9' }));
  world.delete('c-3');
  assert.deepEqual(named(), ['c-2 uid-c-2 10.0.0.9']);
  assert.equal(world.changes, 3);
});

test('OwnPods.agentNodes are those with an agent that is ready', () => {
  const world = new World();
  const pods = world.follow();
  const account = 'ambit-node-agent';
  world.put(
    pod('a-1', { account, node: 'n1' }),
    pod('a-2', { account, node: 'n2', ready: false }),
    pod('a-3', { account, node: 'n3', deleting: true }),
    pod('a-4', { account: 'ztunnel', node: 'n4', namespace: 'istio-system' }),
    pod('a-5', { account, node: 'n5', namespace: 'shop' }),
  );
  assert.deepEqual([...pods.agentNodes], ['n1', 'n4']);
  world.put(pod('a-2', { account, node: 'n2' }));
  world.delete('a-1');
  assert.deepEqual([...pods.agentNodes].toSorted(), ['n2', 'n4']);
});
