import assert from 'node:assert/strict';
import test from 'node:test';
import { ENDS_PER_TURN, FairEnds } from './fair-ends.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function ending(group: object, told: string[], name: string): { group: object; onEndTurn: () => void } {
  return { group, onEndTurn: () => void told.push(name) };
}

test('what ends now and then is told at once', async () => {
  const ends = new FairEnds();
  const told: string[] = [];
  for (let i = 0; i < 3; i++) {
    ends.end(ending(ends, told, `${i}`));
    assert.equal(told.length, i + 1);
    await turn();
  }
});

test('of a thousand at once few are told in a turn, all in the end, in order', async () => {
  const ends = new FairEnds();
  const told: string[] = [];
  for (let i = 0; i < 1000; i++) ends.end(ending(ends, told, `${i}`));
  assert.equal(told.length, ENDS_PER_TURN);
  for (let turns = 1; told.length < 1000; turns++) {
    await turn();
    assert.ok(told.length <= ENDS_PER_TURN * (turns + 1));
  }
  assert.deepEqual(
    told,
    Array.from({ length: 1000 }, (_, i) => `${i}`),
  );
});

test('one of another group does not wait for the thousand', async () => {
  const ends = new FairEnds();
  const told: string[] = [];
  const flood = {};
  for (let i = 0; i < 1000; i++) ends.end(ending(flood, told, 'flood'));
  ends.end(ending({}, told, 'other'));
  await turn();
  assert.ok(told.includes('other'));
});

test('what ends while others are told is told too', async () => {
  const ends = new FairEnds();
  const told: string[] = [];
  const group = {};
  const last = ending(group, told, 'last');
  for (let i = 0; i < 3 * ENDS_PER_TURN; i++) {
    ends.end({ group, onEndTurn: () => void (told.push('first'), i === 2 * ENDS_PER_TURN && ends.end(last)) });
  }
  while (told.length < 3 * ENDS_PER_TURN + 1) await turn();
  assert.equal(told.at(-1), 'last');
});
