import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ADDRESS_TYPE_URL, AUTHORIZATION_TYPE_URL, RANGES_TYPE_URL } from '@ambit/mesh/wire';
import type { NodeProgress } from '../push/push-server.ts';
import { decidePresence, type Look, NOBODY_SEEN, type Presence } from './decide-presence.ts';
import type { MeshProgress, ReplicaProgress } from './mesh-progress.ts';

const awayMs = 30_000;

function at(node: string, revision: number): NodeProgress {
  const settled = new Map<string, number>([
    [ADDRESS_TYPE_URL, revision],
    [AUTHORIZATION_TYPE_URL, revision],
    // Nobody has to ask for it.
    [RANGES_TYPE_URL, -1],
  ]);
  return { node, settled, refused: new Map() };
}

/** A replica with nodes at revisions; -1 has answered nothing yet. */
function replica(id: string, nodes: Readonly<Record<string, number>>): ReplicaProgress {
  return { id, version: () => undefined, nodes: Object.entries(nodes).map(([node, revision]) => at(node, revision)) };
}

/** Looks that follow each other. */
class Looks {
  nowMs = 0;
  presence: Presence = NOBODY_SEEN;

  look(look: Partial<Look>): MeshProgress {
    const whole = { replicas: [], silent: [], expected: [], nowMs: this.nowMs, awayMs, ...look };
    const { presence, progress } = decidePresence(this.presence, whole);
    this.presence = presence;
    return progress;
  }

  /** `replica:node@revision` of who counts, and the nodes that do not. */
  told(look: Partial<Look>): string {
    const { replicas, nodes, missing, unheard } = this.look(look);
    const all = replicas.flatMap(({ id, nodes: ofReplica }) =>
      ofReplica.map(({ node, settled }) => `${id}:${node}@${settled.get(ADDRESS_TYPE_URL)}`),
    );
    assert.deepEqual(new Set(all.map((one) => one.split(/[:@]/)[1])), new Set(nodes));
    const list = (name: string, names: readonly string[]): readonly string[] =>
      names.length === 0 ? [] : [`${name}=${names.join()}`];
    return [...all, ...list('missing', missing), ...list('unheard', unheard)].join(' ');
  }
}

test('decidePresence tells after a while of a node whose agent is ready and is connected nowhere', () => {
  const looks = new Looks();
  const look = { replicas: [replica('r', { a: 1 })], expected: ['a', 'b'] };
  assert.equal(looks.look(look).changesAtMs, awayMs);
  looks.nowMs = awayMs - 1;
  assert.equal(looks.told(look), 'r:a@1');
  looks.nowMs = awayMs;
  assert.equal(looks.told(look), 'r:a@1 missing=b');
  assert.equal(looks.look(look).changesAtMs, null);
  assert.equal(looks.told({ ...look, replicas: [replica('r', { a: 1, b: 1 })] }), 'r:a@1 r:b@1');
});

test('decidePresence lets an agent go and come again without a word', () => {
  const looks = new Looks();
  const expected = ['a', 'b'];
  const steps: readonly (readonly [what: string, afterMs: number, look: Partial<Look>, told: string])[] = [
    ['both are there', 0, { replicas: [replica('r', { a: 3, b: 3 })] }, 'r:a@3 r:b@3'],
    ['b goes', 1000, { replicas: [replica('r', { a: 4 })] }, 'r:a@4 r:b@3'],
    ['its pod ends', 1000, { replicas: [replica('r', { a: 4 })], expected: ['a'] }, 'r:a@4 r:b@3'],
    ['it comes and has answered nothing', 5000, { replicas: [replica('r', { a: 4, b: -1 })] }, 'r:a@4 r:b@3'],
    ['it has', 100, { replicas: [replica('r', { a: 4, b: 4 })] }, 'r:a@4 r:b@4'],
    ['and may go for as long again', awayMs, { replicas: [replica('r', { a: 4 })] }, 'r:a@4 r:b@4'],
    ['or for ever, without its pod', awayMs, { replicas: [replica('r', { a: 4 })], expected: ['a'] }, 'r:a@4'],
  ];
  for (const [what, afterMs, look, told] of steps) {
    looks.nowMs += afterMs;
    assert.equal(looks.told({ expected, ...look }), told, what);
  }
});

test('decidePresence tells the same of an agent that comes and goes and never answers', () => {
  const looks = new Looks();
  const told = new Set<string>();
  for (; looks.nowMs < 10 * awayMs; looks.nowMs += 1000) {
    const isThere = looks.nowMs % 2000 === 0;
    told.add(looks.told({ replicas: [replica('r', isThere ? { a: -1 } : {})], expected: isThere ? [] : ['a'] }));
  }
  assert.deepEqual([...told], ['r:a@-1', 'missing=a']);
});

test('decidePresence keeps the nodes of a replica that ends until they have found another', () => {
  const looks = new Looks();
  const before = [replica('r1', { a: 1 }), replica('r2', { b: 9 })];
  assert.equal(looks.told({ replicas: before }), 'r1:a@1 r2:b@9');
  looks.nowMs += 5000;
  assert.equal(looks.told({ replicas: [replica('r1', { a: 1 })] }), 'r1:a@1 r2:b@9');
  looks.nowMs += 5000;
  assert.equal(looks.told({ replicas: [replica('r1', { a: 1, b: -1 })] }), 'r1:a@1 r2:b@9');
  looks.nowMs += 100;
  assert.equal(looks.told({ replicas: [replica('r1', { a: 1, b: 1 })] }), 'r1:a@1 r1:b@1');
  assert.deepEqual([...looks.presence.replicas.keys()], ['r1']);
});

test('decidePresence knows nothing of those nodes of which no replica that answers tells', () => {
  const looks = new Looks();
  const silent = ['c-2'];
  const expected = ['d', 'a', 'b', 'c', 'c'];
  const replicas = [replica('r', { b: 0 }), replica('s', { a: 0 })];
  assert.equal(looks.told({ replicas, silent, expected }), 'r:b@0 s:a@0 unheard=c,d');
  // Of the silent one's own agents neither: they may be connected to it still.
  assert.equal(looks.told({ replicas: [replica('r', { b: 0 })], silent, expected }), 'r:b@0 unheard=a,c,d');
  // Of those that are known to have left one that answers nothing is lost.
  assert.equal(looks.told({ replicas: [replica('r', {})], silent, expected }), 'r:b@0 unheard=a,c,d');
  // However long it was silent: they may have been connected to it until a moment ago.
  looks.nowMs += 10 * awayMs;
  looks.look({ replicas: [replica('r', {})], silent, expected });
  assert.equal(looks.told({ replicas: [replica('r', {})], expected: ['c'] }), '');
  looks.nowMs += awayMs;
  assert.equal(looks.told({ replicas: [replica('r', {})], expected: ['c'] }), 'missing=c');
});
