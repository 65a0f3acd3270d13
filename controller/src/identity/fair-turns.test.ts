import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '@ambit/mesh/testing';
import { FairTurns } from './fair-turns.ts';

/** One turn at a time, which the test ends, and what became of each that was asked for. */
class World {
  readonly clock = new ManualClock();
  readonly turns = new FairTurns(this.clock, { turnsMax: 1, waitingMax: 6, waitingPerMemberMax: 3, waitMs: 1000 });
  readonly log: string[] = [];
  #current: Disposable | null = null;

  /** `group/member name`. */
  async take(wish: string): Promise<void> {
    const [group = '', member = ''] = wish.split(/[/ ]/);
    void this.turns.take({ group, member }).then((turn) => {
      this.log.push(turn === null ? `${wish} in vain` : wish);
      if (turn !== null) this.#current = turn;
    });
    await this.clock.advance(0);
  }

  async end(): Promise<void> {
    this.#current?.[Symbol.dispose]();
    // Twice is once.
    this.#current?.[Symbol.dispose]();
    await this.clock.advance(0);
  }
}

test('FairTurns goes round the groups, and within a group round its members', async () => {
  const world = new World();
  for (const wish of ['a/x 1', 'a/x 2', 'a/x 3', 'a/x 4', 'a/y 5', 'b/z 6', 'b/z 7']) await world.take(wish);
  for (let i = 0; i < 7; i++) await world.end();
  assert.deepEqual(world.log, ['a/x 1', 'a/x 2', 'b/z 6', 'a/y 5', 'b/z 7', 'a/x 3', 'a/x 4']);
  assert.equal(world.turns.waiting, 0);
  await world.take('c/c 8');
  assert.equal(world.log.at(-1), 'c/c 8');
});

test('FairTurns lets few wait of one member and few in all, and none for long', async () => {
  const world = new World();
  await world.take('a/x 0');
  for (const wish of ['a/x 1', 'a/x 2', 'a/x 3', 'a/x 4']) await world.take(wish);
  assert.deepEqual(world.log, ['a/x 0', 'a/x 4 in vain']);
  for (const wish of ['b/y 5', 'b/y 6', 'c/z 7', 'b/y 8']) await world.take(wish);
  assert.equal(world.log.at(-1), 'b/y 8 in vain');
  await world.clock.advance(999);
  assert.equal(world.turns.waiting, 6);
  await world.end();
  assert.equal(world.log.at(-1), 'a/x 1');
  await world.clock.advance(1);
  assert.deepEqual([world.turns.waiting, world.clock.pending], [0, 0]);
  assert.deepEqual(
    world.log.filter((line) => line.endsWith('in vain')),
    ['a/x 4', 'b/y 8', 'a/x 2', 'a/x 3', 'b/y 5', 'b/y 6', 'c/z 7'].map((wish) => `${wish} in vain`),
  );
  await world.end();
  await world.take('d/d 9');
  assert.equal(world.log.at(-1), 'd/d 9');
});

test('FairTurns that is full takes places back from who has most of them, the last one first', async () => {
  const world = new World();
  await world.take('a/x 0');
  for (const wish of ['a/x 1', 'a/x 2', 'a/y 3', 'a/y 4', 'a/y 5', 'b/z 6']) await world.take(wish);
  const inVain = async (wish: string): Promise<readonly string[]> => {
    const from = world.log.length;
    await world.take(wish);
    return world.log.slice(from).map((line) => line.replace(' in vain', ''));
  };
  assert.deepEqual(await inVain('c/c 7'), ['a/y 5']);
  assert.deepEqual(await inVain('c/c 8'), ['a/x 2']);
  assert.deepEqual(await inVain('b/w 9'), ['a/y 4']);
  // Two of each group now. Within one the same holds for its members.
  assert.deepEqual(await inVain('c/d 10'), ['c/c 8']);
  assert.deepEqual(await inVain('c/e 11'), ['c/e 11']);
  assert.deepEqual(await inVain('d/f 12'), ['a/x 1']);
  assert.equal(world.turns.waiting, 6);
  for (let i = 0; i < 7; i++) await world.end();
  assert.deepEqual(
    world.log.filter((line) => !line.endsWith('in vain')),
    ['a/x 0', 'a/y 3', 'b/z 6', 'c/c 7', 'd/f 12', 'b/w 9', 'c/d 10'],
  );
  assert.deepEqual([world.turns.waiting, world.clock.pending], [0, 0]);
});

test('FairTurns that is full of one group takes places back from the member that has most of them', async () => {
  const world = new World();
  await world.take('a/x 0');
  for (const wish of ['a/x 1', 'a/x 2', 'a/x 3', 'a/y 4', 'a/y 5', 'a/z 6']) await world.take(wish);
  await world.take('a/v 7');
  await world.take('a/x 8');
  assert.deepEqual(world.log, ['a/x 0', 'a/x 3 in vain', 'a/x 8 in vain']);
});
